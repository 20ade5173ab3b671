// SPDX-License-Identifier: MIT
//
// The scenes that `clip --data scenes` learns from and is scored on, as files for benchmarks/peers/clip_train.py, and a model
// as it starts, in open_clip's layout, with the losses of its first steps.
//
//   clip_pairs FOLDER [SAMPLES]
//
//   FOLDER/train.rgb, train.jsonl     uint8 (SAMPLES, 64, 64, 3), and for each image {"texts": [...], "label": 3}
//   FOLDER/test.*, combinations.*, orders.*, names.*          1,000 scenes of one to five sprites
//   FOLDER/test_single.*, combinations_single.*, names_single.*    1,000 of one sprite, to be named
//   FOLDER/classes.json               the names that labels stand for
//   FOLDER/start/                     open_clip_model.safetensors, open_clip_config.json
//   FOLDER/losses.json                of AdamW's first steps from there, on the first batches, captions the fullest

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/text_view.hpp"
#include "contrastive/data/batches.hpp"
#include "contrastive/data/scenes.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"

using namespace contrastive;

namespace {

constexpr int image_size = 64;
constexpr std::int64_t context_length = 32;

Scenes scenes(const std::string& split, std::size_t count, int most = 5) {
  return Scenes({.count = count, .image_size = image_size, .split = split, .most = most});
}

void write_scenes(const std::string& path, const Scenes& set) {
  std::ofstream pixels(path + ".rgb", std::ios::binary), lines(path + ".jsonl");
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Image image = set.image(i);
    for (int y = 0; y < image.height; ++y)
      pixels.write(reinterpret_cast<const char*>(image.row(y)), std::streamsize{3} * image.width);
    lines << nlohmann::json{{"texts", set.texts(i)}, {"label", set.label(i)}}.dump() << '\n';
  }
  require(pixels.flush() && lines.flush(), "[clip_pairs] cannot write ", path);
}

/// As `clip --encoder clip_vit_micro --patch 16 --context-length 32` starts, and its first steps.
void write_start(const std::string& folder, std::int64_t steps, std::int64_t batch) {
  DualEncoderConfig config;
  const ClipVisionConfig image{
      .image_size = image_size, .patch = 16, .width = 192, .layers = 6, .heads = 3, .activation = Activation::gelu};
  const TextTransformerConfig text{
      .context_length = context_length, .width = 256, .layers = 4, .heads = 4, .activation = Activation::gelu};
  config.image = image, config.text = text;
  config.dimension = 256;
  config.images.size = image_size;
  config.texts.context_length = context_length;
  DualEncoder model(ClipVision(image, Rng(1)), UnitProjection(192, 256, Rng(2)), TextTransformer(text, Rng(3)),
                    UnitProjection(256, 256, Rng(4)));
  TensorMap tensors;
  for (const auto& [name, tensor] : state_of(model)) tensors[name] = tensor;
  save_dual_encoder(folder + "/start", config, tensors, WeightLayout::open_clip);

  const Scenes set = scenes("train", static_cast<std::size_t>(steps * batch));
  const Tensor images = load_all(AnyDataset(set), AnyAugment(clip_view(image_size))).images;
  const auto tokens = of_text(BpeTokenizer(), context_length);
  AdamW optimizer(parameter_groups(model, {.weight_decay = 0.2, .exclude_norm_and_bias = true}),
                  {.beta2 = 0.98, .eps = 1e-6});
  std::vector<double> losses;
  for (std::int64_t step = 0; step < steps; ++step) {
    std::vector<std::string> texts;
    for (std::int64_t n = step * batch; n < (step + 1) * batch; ++n)
      texts.push_back(set.texts(static_cast<std::size_t>(n)).at(0));
    const Tensor a = model.image_rows(images.slice(step * batch, (step + 1) * batch));
    const Tensor loss = clip_loss(a, model.text_rows(tokens.ids(texts)), model.scale.log_scale, RowLength::unit);
    losses.push_back(loss.item());
    loss.backward();
    optimizer.step(1e-3);
    optimizer.clear_grad();
  }
  std::ofstream(folder + "/losses.json") << nlohmann::json{{"batch", batch}, {"rate", 1e-3}, {"losses", losses}}.dump();
}

void run(const std::string& folder, std::size_t samples) {
  std::filesystem::create_directories(folder);
  write_start(folder, 5, 128);
  const auto begin = std::chrono::steady_clock::now();
  const Scenes train = scenes("train", samples);
  write_scenes(folder + "/train", train);
  std::printf("%.0f scenes/s\n", static_cast<double>(samples) /
                                     std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  for (const std::string split : {"test", "combinations", "orders", "names"}) {
    write_scenes(folder + "/" + split, scenes(split, 1000));
    if (split != "orders") write_scenes(folder + "/" + split + "_single", scenes(split, 1000, 1));
  }
  std::ofstream(folder + "/classes.json") << nlohmann::json(train.class_names()).dump();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "clip_pairs FOLDER [SAMPLES]: expected a folder to write to, and a number of scenes\n");
    return 2;
  }
  try {
    run(argv[1], argc == 3 ? std::stoull(argv[2]) : 22400);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
