// SPDX-License-Identifier: MIT
//
// CPC on raw audio (van den Oord et al. 2018, arXiv:1807.03748, section 3.1): from the sound so far, tell which features
// follow. 16 kHz; speakers are then told apart by the mean context, which is what the paper classifies from.
//
//   cpc_audio --window 10240 --channels 128 --context 128 --lr 1e-3 --epochs 16    on voices that it makes itself
//   cpc_audio --data folder --root LibriSpeech/train-clean-100 --epochs 300        a folder for each speaker

#include "contrastive/augment/wave_window.hpp"
#include "contrastive/encoders/wave_encoder.hpp"
#include "contrastive/methods/cpc.hpp"
#include "support/run.hpp"

namespace {

using namespace contrastive;

/// The paper draws negatives from the batch and does not say how many: all of them learn faster here than the 10 of
/// loweX/Greedy_InfoMax, in the same time.
struct Own : CpcConfig {
  std::int64_t window = 20480, channels = 512;

  Own() : CpcConfig{.steps = 12, .skip = 0, .negatives = 0, .context = 256, .columns = 1, .evaluate_context = true} {}
  void settings(SettingList& list) {
    list.number("window", window, 1, 1 << 24, "samples of a recording that are heard at once");
    CpcConfig::settings(list);
    list.number("channels", channels, 1, 4096, "channels of the encoder");
    list.number("context", context, 1, 4096, "width of the GRU");
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "cpc_audio";
  recipe.images = false;
  recipe.data = "voices";
  recipe.epochs = 20;
  recipe.batch = 8;
  recipe.optimizer = "adam";
  recipe.lr = 2e-4;
  recipe.lr_scaling = "none";
  recipe.schedule = "constant";
  recipe.weight_decay = 0;
  recipe.knn_every = 0;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const Own& config = s.own.as<Own>();
  std::int64_t least = 160 * config.steps;
  while (wave_frames(cpc_wave_layers(), least) <= config.steps) ++least;
  require(config.window >= least, "[settings] --window must be at least ", least, " samples for ", config.steps,
          " --predictions ahead, one every 160 samples, got ", config.window);
  const int window = static_cast<int>(config.window);
  auto method = cpc<GruContext>(WaveEncoder(1, config.channels, cpc_wave_layers(), rng / "encoder"),
                                WaveWindow{window, true}, config, rng);
  const auto shared = std::make_shared<decltype(method)>(std::move(method));
  app::Composition made(shared, WaveWindow{window, false});
  made.more = {{"features", [shared](const Tensor& x) { return shared->encoder()(x); }}};
  made.evaluation_batch = static_cast<std::size_t>(s.batch);
  return made;
}

}  // namespace

namespace app::methods {

extern const Program cpc_audio{
    .title = "CPC on audio",
    .paper = "van den Oord et al. 2018",
    .arxiv = "1807.03748",
    .compares = "the sound so far and what follows",
    .against_collapse = "features of other times and recordings",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
