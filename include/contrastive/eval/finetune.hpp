// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/data/batches.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/match_classes.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/distillation.hpp"
#include "contrastive/optim/optimizer.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "contrastive/optim/schedule.hpp"

/// What happens to an encoder after its pre-training: a classifier on all labels or a few, and a student of that one
/// (SimCLR v2's second and third step; Chen et al. 2020, arXiv:2006.10029).
namespace contrastive {

/// The same number of labelled pictures of every class that has some, together `share` of the set, at least one each.
/// Which ones depends on `seed` alone. (The published 1 % and 10 % of ImageNet are lists of files.)
inline AnyDataset labelled_share(const AnyDataset& set, double share, std::uint64_t seed = 0) {
  require_within("labelled_share", "the share", share, 1e-9, 1);
  std::vector<std::vector<std::size_t>> members(set.class_names().size());
  require(!members.empty(), "[labelled_share] ", set.name(), " has no classes");
  std::size_t labelled = 0;
  for (std::size_t i = 0; i < set.size(); ++i)
    if (const int label = set.label(i); label >= 0) {
      members.at(static_cast<std::size_t>(label)).push_back(i);
      ++labelled;
    }
  require(labelled > 0, "[labelled_share] ", set.name(), " has no labels");
  const auto empty = std::count_if(members.begin(), members.end(), [](const auto& some) { return some.empty(); });
  const double each =
      share * static_cast<double>(labelled) / (static_cast<double>(members.size()) - static_cast<double>(empty));
  const auto count = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(each)));
  std::vector<std::size_t> chosen;
  for (std::size_t c = 0; c < members.size(); ++c) {
    Stream stream(Rng(seed) / "labelled_share" / c);
    stream.shuffle(members[c]);
    members[c].resize(std::min(count, members[c].size()));
    chosen.insert(chosen.end(), members[c].begin(), members[c].end());
  }
  std::sort(chosen.begin(), chosen.end());
  return Subset{set, std::move(chosen)};
}

/// The first `count` layers of a projector, with tensors of their own: what SimCLR v2 keeps of its head.
inline Mlp first_layers(const Mlp& head, std::size_t count = 1) {
  require(count <= head.layers.size(), "[first_layers] ", count, " of a head of ", head.layers.size(), " layers");
  Mlp kept;
  kept.layers.assign(head.layers.begin(), head.layers.begin() + static_cast<std::ptrdiff_t>(count));
  return clone(kept);
}

/// Encoder, what is kept of the head, and a linear classifier that starts at zero: (N, H, W, C) -> (N, classes).
template <class Encoder, class Head>
struct Classifier {
  Encoder encoder;
  Head head;
  Linear linear;

  Tensor operator()(const Tensor& images) const { return linear(head(encoder(images))); }

  template <class F>
  void members(F&& f) {
    f("encoder", encoder);
    f("head", head);
    f("linear", linear);
  }
};

/// On an encoder and a head as they are; `like` has the shape of a batch, of which the values do not count.
template <class Encoder, class Head>
Classifier<Encoder, Head> classifier_on(Encoder encoder, Head head, std::int64_t classes, const Tensor& like) {
  require(classes > 0, "[classifier] expected at least one class");
  Classifier<Encoder, Head> network{std::move(encoder), std::move(head), {}};
  const NoGrad no_grad;
  const Eval eval;
  const std::int64_t width = network.head(network.encoder(like)).size(1);
  network.linear = Linear(width, classes, Rng(0));
  for (Parameter* p : {&network.linear.weight, &network.linear.bias}) *p = Parameter(Tensor::zeros(p->shape()));
  return network;
}

/// The same on copies of both, all of them trained.
template <class Encoder, class Head>
Classifier<Encoder, Head> make_classifier(const Encoder& encoder, const Head& head, std::int64_t classes,
                                          const Tensor& like) {
  Classifier<Encoder, Head> network = classifier_on(clone(encoder), clone(head), classes, like);
  set_trainable(network, true);
  return network;
}

struct FineTuneOptions {
  double lr = 0.05;          // 1e-12 to 1e4 at the start, cosine to 0 over all steps; SimCLR v2: 0.005 sqrt(batch)
  bool lars = false;         // SimCLR's, with norms, biases and the classifier left out; else SGD
  double momentum = 0.9;     // 0 to 0.9999
  bool nesterov = true;      // of SGD
  double weight_decay = 0;   // 0 to 1e4
  int epochs = 60;           // 1 to 1e6; SimCLR v2 on 1 % of the labels; 30 on 10 %
  std::size_t batch = 256;   // 1 to 2^20
  double warmup_epochs = 0;  // 0 to `epochs`
  bool linear_only = false;  // encoder and head stay, as for evaluation: a linear probe with augmentation
  std::uint64_t seed = 0;    // of order and augmentation
  int threads = 2;
};

struct TrainedScore {
  double top1 = 0;             // on the test set, 0 to 1
  std::vector<double> losses;  // of each step
};

/// Share of a set's labelled pictures that the network gets right, in evaluation mode.
template <class Network>
double top1_of(const Network& network, const AnyDataset& set, const AnyAugment& view) {
  const NoGrad no_grad;
  const Eval eval;
  std::int64_t right = 0, seen = 0;
  for_each_batch(set, view, 256, [&](const Tensor& images, std::span<const std::int64_t> labels) {
    const Tensor best = argmax(network(images).to(Device::cpu), 1);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0) continue;
      right += best.data<std::int64_t>()[i] == labels[i];
      ++seen;
    }
  });
  require(seen > 0, "[top1] ", set.name(), " has no labels");
  return static_cast<double>(right) / static_cast<double>(seen);
}

namespace detail {

inline void check_options(const FineTuneOptions& options) {
  require_within("finetune", "the learning rate", options.lr, 1e-12, 1e4);
  require_within("finetune", "the momentum", options.momentum, 0, 0.9999);
  require_within("finetune", "the weight decay", options.weight_decay, 0, 1e4);
  require_within("finetune", "the epochs", options.epochs, 1, 1000000);
  require_within("finetune", "the batch", options.batch, 1, std::size_t{1} << 20);
  require_within("finetune", "the warm-up", options.warmup_epochs, 0, static_cast<double>(options.epochs));
}

/// Trains a network in place; `loss_of(network, images, labels)` is what it minimises.
template <class Network, class Loss>
std::vector<double> fit(Network& network, const AnyDataset& set, const AnyAugment& augment,
                        const FineTuneOptions& options, Loss&& loss_of) {
  require(augment.views().size() == 1, "[finetune] expected an augmentation with one view, got ",
          augment.views().size());
  check_options(options);
  if (options.linear_only) {
    set_trainable(network, false);
    set_trainable(network.linear, true);
  }
  const ParameterGroupOptions group{.weight_decay = options.weight_decay, .exclude_norm_and_bias = options.lars};
  std::vector<ParameterGroup> groups;
  const auto add = [&](auto& part, const char* prefix, bool adapt) {
    for (ParameterGroup& one : parameter_groups(part, group, prefix)) {
      if (!adapt) one.adapt = false, one.weight_decay = options.lars ? 0 : one.weight_decay;
      groups.push_back(std::move(one));
    }
  };
  add(network.encoder, "encoder.", true);
  add(network.head, "head.", true);
  add(network.linear, "linear.", false);
  LarsOptions lars = lars_simclr();
  lars.momentum = options.momentum;
  Optimizer optimizer = options.lars
                            ? Optimizer(Lars(groups, lars))
                            : Optimizer(Sgd(groups, {.momentum = options.momentum, .nesterov = options.nesterov}));
  Loader loader(set, augment,
                {.batch = std::min(options.batch, set.size()), .seed = options.seed, .threads = options.threads});
  const double steps = static_cast<double>(loader.steps_per_epoch() * options.epochs);
  const WarmupCosine schedule{.peak = options.lr,
                              .steps = steps,
                              .warmup = options.warmup_epochs * static_cast<double>(loader.steps_per_epoch())};
  std::vector<double> losses;
  for (int epoch = 0; epoch < options.epochs; ++epoch)
    for (loader.start(epoch); auto batch = loader.next();) {
      const Tensor loss = loss_of(network, batch->views.view[0], std::span<const std::int64_t>(batch->views.label));
      losses.push_back(loss.item());
      require(std::isfinite(losses.back()), "[finetune] the loss is ", losses.back(), " at step ", losses.size() - 1,
              ": a smaller rate?");
      loss.backward();
      optimizer.step(warmup_cosine(static_cast<double>(losses.size() - 1), schedule));
      optimizer.clear_grad();
    }
  set_trainable(network, true);
  return losses;
}

/// Logits for training: with `linear_only` what stands before the classifier acts as for evaluation and wants no gradient.
template <class Network>
Tensor logits_for_training(const Network& network, const Tensor& images, bool linear_only) {
  if (!linear_only) return network(images);
  Tensor features;
  {
    const NoGrad no_grad;
    const Eval eval;
    features = network.head(network.encoder(images));
  }
  return network.linear(features.detach());
}

}  // namespace detail

/// Trains a classifier on the labels of `train`, in place, and scores it on `test`:
///
///     auto network = make_classifier(method.encoder(), first_layers(method.online.projector), 10, one_picture);
///     double top1 = fine_tune(network, labelled_share(train, 0.01), crops, test, centre).top1;
///
/// Pictures without a label do not count. The classes of `test` are matched to those of `train` by name
/// (`match_classes`).
template <class Network>
TrainedScore fine_tune(Network& network, const AnyDataset& train, const AnyAugment& augment, const AnyDataset& test,
                       const AnyAugment& view, const FineTuneOptions& options = {}) {
  const std::int64_t classes = network.linear.weight.size(0);
  require(train.has_labels() && static_cast<std::int64_t>(train.class_names().size()) <= classes, "[finetune] ",
          train.name(), " has ", train.class_names().size(), " classes, the classifier ", classes);
  const AnyDataset matched = match_classes(train, test).test;  // before hours of training
  TrainedScore score;
  score.losses = detail::fit(network, train, augment, options,
                             [&](const Network& now, const Tensor& images, std::span<const std::int64_t> labels) {
                               return labelled_cross_entropy(
                                   detail::logits_for_training(now, images, options.linear_only), labels);
                             });
  score.top1 = top1_of(network, matched, view);
  return score;
}

struct DistilOptions {
  FineTuneOptions training{};
  double temperature = 1;  // 1e-4 to 1e4
  double share = 1;        // of the teacher, 0 to 1; 1: labels are not looked at
};

/// Trains `student` in place to answer as `teacher` does on the pictures of `train`, and scores it on `test`. Both see the
/// same augmented picture; the teacher acts as for evaluation. Classes are numbered as the teacher's outputs are, in `test`
/// and, with a `share` below 1, in `train`: `match_classes` with the set that the teacher was trained on.
template <class Teacher, class Student>
TrainedScore distil(const Teacher& teacher, Student& student, const AnyDataset& train, const AnyAugment& augment,
                    const AnyDataset& test, const AnyAugment& view, const DistilOptions& options = {}) {
  TrainedScore score;
  score.losses =
      detail::fit(student, train, augment, options.training,
                  [&](const Student& now, const Tensor& images, std::span<const std::int64_t> labels) {
                    Tensor answer;
                    {
                      const NoGrad no_grad;
                      const Eval eval;
                      answer = teacher(images);
                    }
                    const Tensor logits = detail::logits_for_training(now, images, options.training.linear_only);
                    return options.share == 1 ? distill(logits, answer, options.temperature)
                                              : distill(logits, answer, labels, options.share, options.temperature);
                  });
  score.top1 = top1_of(student, test, view);
  return score;
}

}  // namespace contrastive
