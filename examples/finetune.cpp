// SPDX-License-Identifier: MIT
//
// A run's encoder with a classifier, trained together on all labels or a share of them (SimCLR v2's second step):
//
//   finetune runs/simclr --share 0.01                    on 1 % of the labels, a class as often as another
//   finetune runs/simclr --share 0.1 --head-layers 1     from the first layer of the projector on
//   finetune runs/simclr --share 0.01 --from-scratch     what the labels alone give
//   finetune runs/simclr --share 0.01 --student resnet20    then a student of that network on all pictures, without labels
//   finetune runs/simclr --linear-only --data cifar100 --root DIR    a linear probe with augmentation, on another set

#include "contrastive/eval/finetune.hpp"

#include "support/crop_before.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

/// What a method's encoder is made of, by its names.
struct Body {
  AnyMethod method;
  std::size_t head_layers = 0;
  std::vector<std::pair<std::string, Parameter>> parameters;
  std::vector<std::pair<std::string, Buffer>> buffers;

  Body(AnyMethod from, std::size_t layers) : method(std::move(from)), head_layers(layers) {
    const std::string branch = method.evaluates_target() ? "target." : "";
    for (const auto& [name, tensor] : method.state()) {
      if (!name.starts_with(branch + "encoder.") && !(head_layers > 0 && name.starts_with(branch + "projector.")))
        continue;
      const auto keep = [&, &name = name, &tensor = tensor](auto& list) {
        list.emplace_back(name, typename std::remove_cvref_t<decltype(list)>::value_type::second_type());
        static_cast<Tensor&>(list.back().second) = tensor;
      };
      if (!tensor.grad_slot()) {
        keep(buffers);
        continue;
      }
      keep(parameters);
      if (method.evaluates_target()) parameters.back().second.set_requires_grad(true);  // a teacher's stand still
    }
  }

  Tensor operator()(const Tensor& pictures) const { return method.encode(pictures, head_layers); }

  template <class F>
  void members(F&& f) {
    for (auto& [name, parameter] : parameters) f(name, parameter);
    for (auto& [name, buffer] : buffers) f(name, buffer);
  }
};

}  // namespace

int main(int argc, char** argv) {
  FineTuneOptions fit{.lr = 0.05, .epochs = 20};
  double share = 1;
  std::size_t head_layers = 0;
  bool from_scratch = false;
  std::string student;
  int student_epochs = 5;
  return app::companion_main(
      argc, argv, "Fine-tunes a run's encoder with a classifier and scores it on the test part",
      [&](CLI::App& cli, app::CompanionOptions&) {
        cli.add_option("--share", share, "of the labels, above 0 and up to 1")
            ->capture_default_str()
            ->transform(app::within(1e-9, 1.0));
        cli.add_option("--head-layers", head_layers, "layers of the projector that are kept")
            ->capture_default_str()
            ->transform(app::within(0, 100));
        cli.add_flag("--linear-only", fit.linear_only, "the encoder stands still");
        cli.add_flag("--from-scratch", from_scratch, "the run's encoder as it began: what the labels alone give");
        cli.add_option("--epochs", fit.epochs, "passes over the labelled pictures")
            ->capture_default_str()
            ->transform(app::within(1, 1000000));
        cli.add_option("--warmup-epochs", fit.warmup_epochs, "of them with a rising rate")
            ->capture_default_str()
            ->transform(app::within(0.0, 1e6));
        cli.add_flag("--lars", fit.lars, "SimCLR's LARS instead of SGD");
        cli.add_option("--lr", fit.lr, "learning rate at the start")
            ->capture_default_str()
            ->transform(app::within(1e-12, 1e4));
        cli.add_option("--batch", fit.batch, "pictures a step")
            ->capture_default_str()
            ->transform(app::within(1, 1 << 20));
        cli.add_option("--weight-decay", fit.weight_decay, "weight decay")
            ->capture_default_str()
            ->transform(app::within(0.0, 1e4));
        cli.add_option("--seed", fit.seed, "of the share, the order and the crops")
            ->capture_default_str()
            ->transform(app::within(std::int64_t{0}, INT64_MAX));
        cli.add_option("--student", student, "encoder that then learns the network's answers on all pictures");
        cli.add_option("--student-epochs", student_epochs, "its passes over them")
            ->capture_default_str()
            ->transform(app::within(1, 1000000));
      },
      [&](const app::Trained& trained, const app::CompanionOptions&) {
        require(fit.warmup_epochs <= fit.epochs, "[settings] --warmup-epochs must be between 0 and --epochs, got ",
                fit.warmup_epochs);
        const app::Sets sets = app::labelled_sets(trained);
        const AnyDataset few = labelled_share(sets.bank, share, fit.seed);
        const auto classes = static_cast<std::int64_t>(sets.bank.class_names().size());
        const Tensor like = Tensor::zeros(trained.view().views().at(0).shape(1));
        const AnyMethod method = from_scratch ? trained.untrained().method : trained.composition.method;
        auto network = classifier_on(Body(method, head_layers), Identity{}, classes, like);
        const app::CropBefore crops{trained.view(), {0.2, 1.0}, true};
        const TrainedScore score = fine_tune(network, few, crops, sets.test, trained.view(), fit);
        std::printf("%s on %zu labels (%g %%), %d epochs: top-1 %.2f %%\n",
                    fit.linear_only ? "linear classifier"
                    : from_scratch  ? "from scratch"
                                    : "fine-tuned",
                    few.size(), 100 * share, fit.epochs, 100 * score.top1);
        if (student.empty()) return 0;
        std::fflush(stdout);
        const EncoderOptions options =
            app::encoder_options(trained.settings, static_cast<int>(trained.view().views().at(0).channels()));
        auto small = classifier_on(make_encoder(student, options, Rng(fit.seed)), Identity{}, classes, like);
        set_trainable(small, true);
        DistilOptions distilling{.training = fit};
        distilling.training.epochs = student_epochs;
        distilling.training.linear_only = false;
        const TrainedScore learned = distil(network, small, sets.train, crops, sets.test, trained.view(), distilling);
        std::printf("its student %s, %d epochs without labels: top-1 %.2f %%\n", student.c_str(), student_epochs,
                    100 * learned.top1);
        return 0;
      });
}
