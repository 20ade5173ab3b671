// SPDX-License-Identifier: MIT
//
// InstDisc (Wu et al. 2018, arXiv:1805.01978): every picture is a class of its own, whose weights are a moving average of
// its embeddings in a memory bank.
//
//   instdisc --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 200
//   instdisc --loss softmax                     over all pictures, instead of NCE over --negatives of them

#include "contrastive/methods/instdisc.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : InstDiscConfig {
  std::string loss = "nce";

  Own() : InstDiscConfig{.temperature = 0.1} {}
  void settings(SettingList& list) {
    list.choice("loss", loss, {"nce", "softmax"}, "nce, or a softmax over all images");
    InstDiscConfig::settings(list);
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "instdisc";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t samples, Rng rng) {
  InstDiscConfig config = s.own.as<Own>();
  const bool softmax = s.own.as<Own>().loss == "softmax";
  require(softmax || config.negatives > 0, "[settings] --negatives must be above 0 with --loss nce, got ",
          config.negatives, "; --loss softmax takes all pictures");
  require(softmax || config.temperature >= 0.003, "[settings] --temperature must be ", 0.003,
          " to 10000 with --loss nce, got ", config.temperature);
  config.pictures = samples;
  if (softmax) config.negatives = 0;
  const int size = static_cast<int>(s.image_size);
  const AnyAugment views = app::channels_of(s) == 1 ? AnyAugment(OneView(simclr_grey(size).first))
                           : size < 96              ? AnyAugment(instdisc_cifar(size))
                                                    : AnyAugment(instdisc(size));
  return {instdisc(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program instdisc{
    .title = "InstDisc",
    .paper = "Wu et al. 2018",
    .arxiv = "1805.01978",
    .compares = "a view and the picture's row of a memory bank",
    .against_collapse = "rows of other pictures",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
