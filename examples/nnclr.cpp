// SPDX-License-Identifier: MIT
//
// NNCLR (Dwibedi et al. 2021, arXiv:2104.14548): the positive is the nearest neighbour of the other view in a support set.
//
//   nnclr --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --queue 65536

#include "contrastive/methods/nnclr.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : NnclrConfig {
  std::int64_t hidden = 512;

  Own() : NnclrConfig{.temperature = 0.2, .queue = 16384, .dimension = 128} {}
  void settings(SettingList& list) {
    NnclrConfig::settings(list);
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of projector and predictor");
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "nnclr";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  NnclrConfig config = s.own.as<Own>();
  config.projector_hidden = config.predictor_hidden = s.own.as<Own>().hidden;
  app::require_queue(s, config.queue, s.batch);
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  return {nnclr(app::encoder_for(s, rng / "encoder"), views, config, rng), app::evaluation_view(s)};
}

}  // namespace

namespace app::methods {

extern const Program nnclr{
    .title = "NNCLR",
    .paper = "Dwibedi et al. 2021",
    .arxiv = "2104.14548",
    .compares = "a prediction and the other view's neighbour",
    .against_collapse = "every other row of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
