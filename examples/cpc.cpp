// SPDX-License-Identifier: MIT
//
// CPC (van den Oord et al. 2018, arXiv:1807.03748): from the patches above, predict the patches below. Small pictures are
// cut into patches of 8 pixels every 4, others into 16 every 8; grey.
//
//   cpc --data fashion --epochs 3
//   cpc --data stl10 --root DIR --image-size 64 --batch 32 --epochs 300 --predictions 5
//   cpc --autoregressor gru                     down each column by itself, instead of masked convolutions

#include "contrastive/methods/cpc.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : CpcConfig {
  std::string autoregressor = "pixelcnn";

  Own() : CpcConfig{.steps = 3, .negatives = 16} {}
  void settings(SettingList& list) {
    CpcConfig::settings(list);
    list.choice("autoregressor", autoregressor, {"pixelcnn", "gru"},
                "what summarises the patches above: pixelcnn, or gru down each column");
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "cpc";
  recipe.encoder = "patches";
  recipe.batch = 64;
  recipe.optimizer = "adam";
  recipe.lr = 8e-4;  // 2e-4 at a batch of 64
  recipe.weight_decay = 0;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const Own& config = s.own.as<Own>();
  require(s.encoder == "patches", "[settings] --encoder of CPC is patches, got ", s.encoder);
  const int size = static_cast<int>(s.image_size);
  const bool small = size < 48;
  auto encoder = small ? cpc_encoder_small(rng / "encoder") : cpc_encoder(rng / "encoder");
  const std::int64_t rows = encoder.layout.along(s.image_size);
  require(rows > config.steps + 1, "[settings] --predictions must leave a row of patches: ", config.steps,
          " ahead, after one that is skipped, of ", rows);
  const auto views = cpc(size, small ? size * 9 / 8 : size * 3 / 2);
  const AnyAugment evaluation = center_view(size, size, views.first.step<Normalize>(), 1);
  if (config.autoregressor == "gru")
    return {cpc<GruContext>(std::move(encoder), AnyAugment(views), config, rng), evaluation};
  return {cpc<PixelCnn>(std::move(encoder), AnyAugment(views), config, rng), evaluation};
}

}  // namespace

namespace app::methods {

extern const Program cpc{
    .title = "CPC",
    .paper = "van den Oord et al. 2018",
    .arxiv = "1807.03748",
    .compares = "the patches above and those below",
    .against_collapse = "patches of other places and pictures",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
