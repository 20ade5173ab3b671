// SPDX-License-Identifier: MIT
#include "support/image_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "contrastive/data/subset.hpp"
#include "contrastive/train/results.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

Picture picture_of(const AnyDataset& set, std::int64_t sample) {
  const std::optional<Image> image = set.image_or_report(static_cast<std::size_t>(sample));
  return image ? Picture(*image) : Picture();
}

/// The rows of `candidates` nearest to row n of `queries`, nearest first.
std::vector<std::int64_t> nearest(const Tensor& queries, std::int64_t n, const Tensor& candidates, std::int64_t k) {
  const Neighbours near = nearest_neighbours(queries.slice(n, n + 1), candidates, k);
  const auto indices = near.indices.span<std::int64_t>();
  return {indices.begin(), indices.end()};
}

/// Some queries that found their own first, some that did not.
std::vector<std::int64_t> shown_queries(const std::vector<std::int64_t>& ranks, std::size_t each) {
  std::vector<std::int64_t> chosen;
  for (const bool right : {true, false}) {
    std::size_t count = 0;
    for (std::size_t q = 0; q < ranks.size() && count < each; ++q)
      if ((ranks[q] == 0) == right) chosen.push_back(static_cast<std::int64_t>(q)), ++count;
  }
  return chosen;
}

Gallery text_to_image_gallery(const AnyDataset& set, const PairedRows& rows, const RetrievalScores& scores) {
  Gallery gallery{"From text to image",
                  "Each row: a caption, the image it belongs to, and those that lie nearest to the caption. The first "
                  "rows found their own, the last did not.",
                  {"its image", "1", "2", "3", "4", "5"},
                  {}};
  for (const std::int64_t q : shown_queries(scores.ranks, 5)) {
    const auto at = static_cast<std::size_t>(q);
    const auto sample = [&](std::int64_t n) { return rows.samples[static_cast<std::size_t>(n)]; };
    Gallery::Row row{join(scores.ranks[at] == 0 ? "" : join("(rank ", scores.ranks[at] + 1, ") "), rows.captions[at]),
                     {picture_of(set, sample(rows.image_of_text[at]))}};
    for (const std::int64_t n : nearest(rows.texts, q, rows.images, 5))
      row.pictures.push_back(picture_of(set, sample(n)));
    gallery.rows.push_back(std::move(row));
  }
  return gallery;
}

Gallery image_to_text_gallery(const AnyDataset& set, const PairedRows& rows, const RetrievalScores& scores) {
  Gallery gallery{"From image to text",
                  "Each row: the caption that lies nearest to the image, and its own where that is another.",
                  {"image"},
                  {}};
  // Ranks are of images with a text; here each has one.
  for (const std::int64_t q : shown_queries(scores.ranks, 6)) {
    const std::int64_t found = nearest(rows.images, q, rows.texts, 1).at(0);
    std::string caption = rows.captions[static_cast<std::size_t>(found)];
    if (scores.ranks[static_cast<std::size_t>(q)] > 0) {
      const auto own = std::ranges::find(rows.image_of_text, q) - rows.image_of_text.begin();
      caption += join("; its own: ", rows.captions[static_cast<std::size_t>(own)]);
    }
    gallery.rows.push_back({caption, {picture_of(set, rows.samples[static_cast<std::size_t>(q)])}});
  }
  return gallery;
}

/// Numbers as squares from white (the least) to dark blue (the largest).
Image heat_map(const std::vector<std::vector<double>>& values, int cell) {
  double low = values[0][0], high = low;
  for (const auto& row : values)
    for (const double v : row) low = std::min(low, v), high = std::max(high, v);
  const int rows = static_cast<int>(values.size()), columns = static_cast<int>(values[0].size());
  Image image(rows * cell, columns * cell, 3);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const double v = values[static_cast<std::size_t>(y / cell)][static_cast<std::size_t>(x / cell)];
      const double share = high > low ? (v - low) / (high - low) : 0;
      const double colour[3] = {255 - 235 * share, 255 - 185 * share, 255 - 110 * share};
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = static_cast<std::uint8_t>(std::lround(colour[c]));
    }
  return image;
}

Gallery similarity_gallery(const PairedRows& rows) {
  const std::int64_t n = std::min<std::int64_t>(32, rows.images.size(0));
  std::vector<std::vector<double>> values;
  for (std::int64_t i = 0; i < n; ++i) {
    values.emplace_back();
    for (std::int64_t j = 0; j < n; ++j) {
      const auto text = std::ranges::find(rows.image_of_text, j) - rows.image_of_text.begin();
      values.back().push_back(
          matmul(rows.images.slice(i, i + 1), rows.texts.slice(text, text + 1), false, true).item());
    }
  }
  return {join("Similarity of ", n, " pairs"),
          "Images down, their captions across; dark is near. What was learned stands on the diagonal.",
          {"cosine"},
          {{"", {Picture(heat_map(values, 6), 32 * 6)}}}};
}

Gallery confusion_gallery(const ZeroShotResult& result, const std::vector<std::string>& names) {
  std::string note = "Classes down, what they were taken for across; dark is often.";
  if (const std::string wrong = most_confused(result, names); !wrong.empty()) note += " Most often: " + wrong + ".";
  return {"Zero-shot confusions", note, {""}, {{"", {Picture(confusion_picture(result, 384), 1 << 12)}}}};
}

/// Both modalities in one map.
EmbeddingMap modality_map(const PairedRows& rows) {
  const std::int64_t n = std::min<std::int64_t>(500, std::min(rows.images.size(0), rows.texts.size(0)));
  EmbeddingMap map;
  map.method = "t-SNE";
  map.classes = {"images", "texts"};
  const Tensor place = tsne(concat({rows.images.slice(0, n), rows.texts.slice(0, n)})).to(DType::f64);
  for (std::int64_t i = 0; i < 2 * n; ++i)
    map.points.push_back({place.data<double>()[2 * i], place.data<double>()[2 * i + 1], i < n ? 0 : 1});
  return map;
}

}  // namespace

Image confusion_picture(const ZeroShotResult& result, int side) {
  std::vector<std::vector<double>> shares;
  for (const auto& row : result.confusions) {
    double all = 0;
    for (const std::int64_t count : row) all += static_cast<double>(count);
    shares.emplace_back();
    for (const std::int64_t count : row) shares.back().push_back(all > 0 ? static_cast<double>(count) / all : 0);
  }
  return heat_map(shares, std::max(1, side / static_cast<int>(shares.size())));
}

std::string most_confused(const ZeroShotResult& result, const std::vector<std::string>& names, std::size_t count) {
  std::vector<std::tuple<std::int64_t, std::size_t, std::size_t>> wrong;
  for (std::size_t c = 0; c < names.size(); ++c)
    for (std::size_t p = 0; p < names.size(); ++p)
      if (p != c && result.confusions[c][p] > 0) wrong.emplace_back(result.confusions[c][p], c, p);
  std::ranges::stable_sort(wrong, [](const auto& a, const auto& b) { return std::get<0>(a) > std::get<0>(b); });
  std::string text;
  for (std::size_t i = 0; i < std::min(count, wrong.size()); ++i) {
    const auto& [times, c, p] = wrong[i];
    text += join(i == 0 ? "" : ", ", names[c], " for ", names[p], " (", times, ")");
  }
  return text;
}

void print_retrieval(const Retrieval& found, std::size_t of) {
  std::printf("  of %-15zu %10s %10s %10s %8s\n", of, "R@1", "R@5", "R@10", "median");
  for (const auto& [what, scores] :
       {std::pair("text to image", &found.text_to_image), {"image to text", &found.image_to_text}})
    std::printf("  %-18s %8.1f %% %8.1f %% %8.1f %% %8.0f\n", what, 100 * scores->r1, 100 * scores->r5,
                100 * scores->r10, scores->median_rank + 1);
  const auto print_chance = [](const char* what, const std::array<double, 3>& chance) {
    std::printf("  %-18s %8.1f %% %8.1f %% %8.1f %%\n", what, 100 * chance[0], 100 * chance[1], 100 * chance[2]);
  };
  const auto &of_images = found.text_to_image.chance, &of_texts = found.image_to_text.chance;
  const bool same = std::abs(of_images[2] - of_texts[2]) < 1e-9;
  print_chance(same ? "chance" : "chance, images", of_images);
  if (!same) print_chance("chance, texts", of_texts);
}

double first_hit(const ImageTextModel& model, const AnyDataset& test, const std::function<void()>& alive) {
  return retrieval(encode_pairs(model, test, false, alive)).text_to_image.r1;
}

void evaluate_image_text(const ImageTextModel& model, const OwnEvaluation& own) {
  if (!own.sets.test.defined()) {
    std::printf("no retrieval: %s has no test part\n", own.sets.train.name().c_str());
    return;
  }
  const AnyDataset test = random_subset(own.sets.test, 1000, Rng(own.settings.seed) / "eval limit" / "test");
  const PairedRows rows = encode_pairs(model, test, false, own.alive);
  const Retrieval found = retrieval(rows);
  std::printf("\n");
  print_retrieval(found, test.size());
  std::fflush(stdout);
  own.summary["retrieval_images"] = test.size();
  const auto add = [&](const char* direction, const RetrievalScores& scores) {
    own.summary[join(direction, "_r1")] = scores.r1;
    own.summary[join(direction, "_r5")] = scores.r5;
    own.summary[join(direction, "_r10")] = scores.r10;
    own.summary[join(direction, "_median_rank")] = scores.median_rank + 1;
  };
  add("text_to_image", found.text_to_image);
  add("image_to_text", found.image_to_text);
  own.summary["modality_gap"] = modality_gap(rows);
  own.report.galleries.push_back(text_to_image_gallery(test, rows, found.text_to_image));
  own.report.galleries.push_back(image_to_text_gallery(test, rows, found.image_to_text));
  own.report.galleries.push_back(similarity_gallery(rows));
  own.report.map = modality_map(rows);
  if (!own.sets.test.has_labels()) return;

  const std::vector<std::string> names = own.sets.test.class_names();
  const Tensor classifier = zero_shot_classifier(model, names, load_templates("simple"), own.alive);
  const FeatureSet images = encode_images(model, own.sets.test, own.alive);
  const ZeroShotResult named = zero_shot(images.features, classifier, images.labels);
  std::printf("  %-18s %8.1f %%   among %zu names, chance %.1f %%\n", "zero-shot", 100 * named.top1, names.size(),
              100.0 / static_cast<double>(names.size()));
  std::fflush(stdout);
  own.summary["zero_shot_top1"] = named.top1;
  if (std::isfinite(named.top5)) own.summary["zero_shot_top5"] = named.top5;
  own.summary["zero_shot_mean_per_class_recall"] = named.mean_per_class_recall;
  own.report.galleries.push_back(confusion_gallery(named, names));
  if (own.settings.data == "scenes") evaluate_scenes(model, own);
}

}  // namespace app
