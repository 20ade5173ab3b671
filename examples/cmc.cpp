// SPDX-License-Identifier: MIT
//
// CMC (Tian et al. 2020, arXiv:1906.05849): lightness and colour of a picture are its two views, each with an encoder and
// a memory bank of its own; or all three channels are views.
//
//   cmc --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 240
//   cmc --data emoji --image-size 32 --negatives 512 --loss softmax
//   cmc --views y,cb,cr --graph core            lightness with each of two colours, in YCbCr

#include "contrastive/methods/cmc.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : CmcConfig {
  std::string loss = "nce", views = "l,ab", compared = "full";

  Own() : CmcConfig{.negatives = 1024, .temperature = 0.1} {}
  void settings(SettingList& list) {
    list.choice("loss", loss, {"nce", "softmax"}, "nce, or a softmax over the drawn rows");
    CmcConfig::settings(list);
    list.choice("views", views, {"l,ab", "l,a,b", "y,cbcr", "y,cb,cr"},
                "channels of each view: l,ab or l,a,b of Lab, y,cbcr or y,cb,cr of YCbCr");
    list.choice("graph", compared, {"full", "core"},
                "which views are compared: full, all pairs, or core, the first with each other one");
  }
};

/// Channels of each view that --views names.
std::vector<int> split_of(const std::string& views) {
  if (views == "l,ab" || views == "y,cbcr") return {1, 2};
  return {1, 1, 1};
}

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "cmc";
  recipe.data = "emoji";
  recipe.image_size = 32;
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t samples, Rng rng) {
  const Own& own = s.own.as<Own>();
  CmcConfig config = own;
  config.pictures = samples;
  config.softmax = own.loss == "softmax";
  config.graph = own.compared == "core" ? ViewGraph::core : ViewGraph::full;
  require(app::channels_of(s) == 3, "[settings] CMC compares lightness and colour: --data ", s.data, " is grey");
  require(config.softmax || config.temperature >= 0.003, "[settings] --temperature must be 0.003 to 10000 with --loss ",
          "nce, got ", config.temperature);
  const bool ycbcr = own.views.starts_with("y");
  const int size = static_cast<int>(s.image_size), resize_to = size >= 96 ? size * 8 / 7 : size;
  const auto part = [&](int channels, Rng stream) {
    return make_encoder(s.encoder, app::encoder_options(s, channels), stream);
  };
  const AnyAugment views = ycbcr ? AnyAugment(cmc_ycbcr(size)) : AnyAugment(cmc(size));
  const AnyAugment evaluation =
      ycbcr ? AnyAugment(cmc_ycbcr_center_view(size, resize_to)) : AnyAugment(cmc_center_view(size, resize_to));
  return {cmc(SplitChannels(split_of(own.views), part, rng / "encoder"), views, config, rng), evaluation};
}

}  // namespace

namespace app::methods {

extern const Program cmc{
    .title = "CMC",
    .paper = "Tian et al. 2020",
    .arxiv = "1906.05849",
    .compares = "lightness and colour of a picture",
    .against_collapse = "rows of other pictures",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
