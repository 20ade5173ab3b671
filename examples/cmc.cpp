// SPDX-License-Identifier: MIT
//
// CMC (Tian et al. 2020, arXiv:1906.05849): lightness and colour of a picture are its two views, each with an encoder and
// a memory bank of its own.
//
//   cmc --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 240
//   cmc --data emoji --image-size 32 --negatives 512 --loss softmax

#include "contrastive/methods/cmc.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "cmc";
  recipe.data = "emoji";
  recipe.image_size = 32;
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.1;
  recipe.negatives = 1024;
  recipe.loss = "nce";
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t samples, contrastive::Rng rng) {
  using namespace contrastive;
  require(app::channels_of(s) == 3, "[settings] CMC compares lightness and colour: --data ", s.data, " is grey");
  require(s.loss == "nce" || s.loss == "softmax", "[settings] --loss must be nce or softmax, got ", s.loss);
  const int size = static_cast<int>(s.image_size);
  const auto part = [&](int channels, Rng stream) {
    return make_encoder(s.encoder, app::encoder_options(s, channels), stream);
  };
  const CmcConfig config{.pictures = samples,
                         .negatives = s.negatives,
                         .softmax = s.loss == "softmax",
                         .temperature = s.temperature,
                         .momentum = s.bank_momentum,
                         .dimension = s.dimension};
  return {cmc(SplitChannels({1, 2}, part, rng / "encoder"), AnyAugment(cmc(size)), config, rng),
          cmc_center_view(size, size >= 96 ? size * 8 / 7 : size)};
}

}  // namespace

const app::Program app::methods::cmc{
    "CMC",  "Tian et al. 2020", "1906.05849", "lightness and colour of a picture", "rows of other pictures", recipe(),
    compose};
