// SPDX-License-Identifier: MIT
#include <cstdio>

#include "contrastive/data/scenes.hpp"
#include "support/image_text.hpp"

namespace app {

namespace {

Scenes scenes(const Settings& s, const std::string& split, int most) {
  SceneOptions options{.image_size = static_cast<int>(s.image_size), .split = split, .most = most};
  options.emoji.language = s.language;
  return Scenes(options);
}

/// How often the true caption of a scene lies nearer to it than the one with its two groups exchanged.
double right_order(const ImageTextModel& model, const Scenes& set, const std::function<void()>& alive) {
  const FeatureSet images = encode_images(model, set, alive);
  std::vector<std::string> texts;
  std::vector<std::int64_t> rows;
  for (std::size_t n = 0; n < images.samples.size(); ++n) {
    const auto i = static_cast<std::size_t>(images.samples[n]);
    const std::string wrong = set.swapped(i);
    if (wrong.empty()) continue;
    texts.push_back(set.texts(i).at(0));
    texts.push_back(wrong);
    rows.push_back(static_cast<std::int64_t>(n));
  }
  require(!rows.empty(), "[scenes] no scene of ", set.name(), " tells an order");
  const Tensor words = encode_texts(model, texts, alive);
  double right = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const Tensor image = images.features.slice(rows[k], rows[k] + 1);
    const auto at = static_cast<std::int64_t>(2 * k);
    const Tensor cosines = matmul(image, words.slice(at, at + 2), false, true);
    const float* const both = cosines.data<float>();
    right += both[0] > both[1] ? 1 : both[0] == both[1] ? 0.5 : 0;
  }
  return right / static_cast<double>(rows.size());
}

}  // namespace

void evaluate_scenes(const ImageTextModel& model, const OwnEvaluation& own) {
  const Settings& s = own.settings;
  std::printf("\n  scenes that show   %10s %10s %10s\n", "R@1 text", "R@1 image", "names");
  Tensor classifier;
  for (const auto& [split, what] : {std::pair("test", "what was seen"),
                                    {"combinations", "new colours"},
                                    {"orders", "new orders"},
                                    {"names", "new names"}}) {
    const Retrieval found = retrieval(encode_pairs(model, scenes(s, split, 5), false, own.alive));
    own.summary[join("scenes_", split, "_text_to_image_r1")] = found.text_to_image.r1;
    own.summary[join("scenes_", split, "_image_to_text_r1")] = found.image_to_text.r1;
    std::printf("  %-18s %8.1f %% %8.1f %%", what, 100 * found.text_to_image.r1, 100 * found.image_to_text.r1);
    if (std::string_view(split) != "orders") {  // a name needs a scene of one sprite, an order two
      const Scenes single = scenes(s, split, 1);
      if (!classifier.defined()) classifier = zero_shot_classifier(model, single.class_names(), {"a {}"}, own.alive);
      const FeatureSet images = encode_images(model, single, own.alive);
      const ZeroShotResult named = zero_shot(images.features, classifier, images.labels);
      own.summary[join("scenes_", split, "_zero_shot_top1")] = named.top1;
      std::printf(" %8.1f %%", 100 * named.top1);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  const double order = right_order(model, scenes(s, "test", 5), own.alive);
  own.summary["scenes_right_order"] = order;
  std::printf(
      "  R@1 among 1000; names of single sprites among %lld, chance %.1f %%; right of two orders: %.1f %%, chance "
      "50 %%\n",
      static_cast<long long>(classifier.size(0)), 100.0 / static_cast<double>(classifier.size(0)), 100 * order);
}

}  // namespace app
