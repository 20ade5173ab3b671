// SPDX-License-Identifier: MIT
//
// CMC (Tian et al. 2020, arXiv:1906.05849): lightness and colour of a picture are its two views, each with an encoder and
// a memory bank of its own; or all three channels are views.
//
//   cmc --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 240
//   cmc --data emoji --image-size 32 --negatives 512 --loss softmax
//   cmc --views y,cb,cr --graph core            lightness with each of two colours, in YCbCr

#include "contrastive/methods/cmc.hpp"

#include <algorithm>
#include <array>

#include "support/methods.hpp"

namespace {

/// A value of --views.
struct Split {
  const char* name;
  std::vector<int> channels;  // of each view
  bool ycbcr;                 // or Lab
};

const Split& split_of(const app::Settings& s) {
  static const std::array<Split, 4> splits{
      {{"l,ab", {1, 2}, false}, {"l,a,b", {1, 1, 1}, false}, {"y,cbcr", {1, 2}, true}, {"y,cb,cr", {1, 1, 1}, true}}};
  const auto found = std::ranges::find(splits, s.views, &Split::name);
  contrastive::require(found != splits.end(),
                       "[settings] --views must be l,ab or l,a,b (Lab), or y,cbcr or y,cb,cr (YCbCr), got ", s.views);
  return *found;
}

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
  const Split& split = split_of(s);
  const int size = static_cast<int>(s.image_size), resize_to = size >= 96 ? size * 8 / 7 : size;
  const auto part = [&](int channels, Rng stream) {
    return make_encoder(s.encoder, app::encoder_options(s, channels), stream);
  };
  const CmcConfig config{.pictures = samples,
                         .negatives = s.negatives,
                         .softmax = app::softmax_of(s),
                         .graph = s.graph == "core" ? ViewGraph::core : ViewGraph::full,
                         .temperature = s.temperature,
                         .momentum = s.bank_momentum,
                         .dimension = s.dimension};
  const AnyAugment views = split.ycbcr ? AnyAugment(cmc_ycbcr(size)) : AnyAugment(cmc(size));
  const AnyAugment evaluation =
      split.ycbcr ? AnyAugment(cmc_ycbcr_center_view(size, resize_to)) : AnyAugment(cmc_center_view(size, resize_to));
  return {cmc(SplitChannels(split.channels, part, rng / "encoder"), views, config, rng), evaluation};
}

}  // namespace

const app::Program app::methods::cmc{"CMC",
                                     "Tian et al. 2020",
                                     "1906.05849",
                                     "lightness and colour of a picture",
                                     "rows of other pictures",
                                     "loss temperature negatives bank-momentum dimension views graph",
                                     recipe(),
                                     compose};
