// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/subset.hpp"
#include "contrastive/eval/neighbours.hpp"
#include "contrastive/eval/tsne.hpp"
#include "contrastive/io/report.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/train/evaluate.hpp"
#include "contrastive/train/picture_rows.hpp"
#include "contrastive/train/settings.hpp"

namespace contrastive {

namespace detail {

inline std::string class_of(const AnyDataset& set, std::int64_t sample) {
  const int label = set.label(static_cast<std::size_t>(sample));
  return label >= 0 ? set.class_names().at(static_cast<std::size_t>(label)) : std::string();
}

/// Rows of M that a page shows, drawn without replacement: the same for every run with these test pictures, so that pages
/// of runs can be laid side by side.
inline Tensor shown_rows(const char* what, std::int64_t M, std::int64_t count) {
  const std::vector<std::size_t> rows =
      random_indices(static_cast<std::size_t>(M), static_cast<std::size_t>(count), Rng(0) / what);
  return Tensor::from<std::int64_t>(std::vector<std::int64_t>(rows.begin(), rows.end()),
                                    {static_cast<std::int64_t>(rows.size())});
}

}  // namespace detail

/// Readable pictures of a set with their places in it, drawn at random; fewer than `count` only where the set has no more.
inline std::vector<std::pair<std::size_t, Image>> random_pictures(const AnyDataset& set, std::size_t count, Rng rng) {
  std::vector<std::size_t> order(set.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Stream(rng).shuffle(order);
  std::vector<std::pair<std::size_t, Image>> pictures;
  for (std::size_t i = 0; i < order.size() && pictures.size() < count; ++i)
    if (std::optional<Image> image = set.image_or_report(order[i])) pictures.emplace_back(order[i], std::move(*image));
  std::sort(pictures.begin(), pictures.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return pictures;
}

/// Pictures drawn from the set, beside the views that the method made of them.
inline Gallery view_gallery(const AnyDataset& set, const AnyAugment& augment, std::uint64_t seed,
                            std::size_t count = 8) {
  Gallery gallery{
      "Augmented views", "Each row: a training picture, then views of it as the encoder saw them.", {"picture"}, {}};
  const std::vector<ViewSpec> specs = augment.views();
  const auto shown = static_cast<std::size_t>(
      std::count_if(specs.begin(), specs.end(), [](const ViewSpec& spec) { return spec.kind == ViewKind::picture; }));
  const std::size_t repeats = shown <= 2 ? 3 : 1;
  for (std::size_t v = 0; v < shown * repeats; ++v) gallery.columns.push_back(join("view ", v % shown + 1));
  for (auto& [place, image] : random_pictures(set, count, Rng(0) / "view gallery")) {
    Gallery::Row row{detail::class_of(set, static_cast<std::int64_t>(place)), {Picture(image)}};
    Sample whole = set.sample(place, augment.parts().without(Part::image));
    whole.full = {image.height, image.width};
    whole.image = std::move(image);
    for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
      std::vector<Tensor> views;
      std::vector<void*> out;
      for (const ViewSpec& spec : specs) {
        views.emplace_back(spec.shape(1), spec.dtype);
        out.push_back(views.back().view().data);
      }
      augment(whole, Rng(seed) / "augment" / repeat / place, std::span<void* const>(out), {});
      for (std::size_t v = 0; v < views.size(); ++v)
        if (specs[v].kind == ViewKind::picture) row.pictures.push_back(Picture(pictures_of(specs[v], views[v])[0]));
    }
    gallery.rows.push_back(std::move(row));
  }
  return gallery;
}

/// A row for each of the N pictures. The columns of a row must not be empty.
inline Gallery picture_gallery(const PictureRows& rows) {
  Gallery gallery{rows.title, rows.note, rows.columns, {}};
  for (std::size_t n = 0; n < rows.pictures.at(0).size(); ++n) {
    Gallery::Row row;
    for (const std::vector<Image>& column : rows.pictures) row.pictures.push_back(Picture(column.at(n)));
    gallery.rows.push_back(std::move(row));
  }
  return gallery;
}

/// A few test pictures, drawn at random, with the training pictures that lie nearest to them.
inline std::vector<NeighbourRow> neighbour_rows(const AnyDataset& train_set, const FeatureSet& train,
                                                const AnyDataset& test_set, const FeatureSet& test,
                                                std::int64_t queries = 10, std::int64_t k = 8) {
  const Tensor rows = detail::shown_rows("neighbours", test.features.size(0), queries);
  const Tensor chosen = gather(test.features, rows);
  const Neighbours near = nearest_neighbours(chosen, train.features, k);
  const auto picture = [](const AnyDataset& set, std::int64_t sample) {
    const std::optional<Image> image = set.image_or_report(static_cast<std::size_t>(sample));
    return image ? Picture(*image) : Picture();
  };
  std::vector<NeighbourRow> result;
  const Tensor similarity = near.similarities.to(DType::f64);
  for (std::int64_t q = 0; q < rows.count(); ++q) {
    const std::int64_t sample = test.samples[static_cast<std::size_t>(rows.data<std::int64_t>()[q])];
    NeighbourRow row{picture(test_set, sample), detail::class_of(test_set, sample), {}};
    for (std::int64_t j = 0; j < near.indices.size(1); ++j) {
      const std::int64_t at = q * near.indices.size(1) + j;
      const std::int64_t hit = train.samples[static_cast<std::size_t>(near.indices.data<std::int64_t>()[at])];
      row.hits.push_back({picture(train_set, hit), detail::class_of(train_set, hit), similarity.data<double>()[at]});
    }
    result.push_back(std::move(row));
  }
  return result;
}

/// Test embeddings, drawn at random, in two dimensions.
inline EmbeddingMap embedding_map(const AnyDataset& set, const FeatureSet& test, std::int64_t points = 1500) {
  EmbeddingMap map;
  map.method = "t-SNE";
  map.classes = set.class_names();
  const Tensor rows = detail::shown_rows("map", test.features.size(0), points);
  const std::int64_t N = rows.count();
  const Tensor place = tsne(normalize(gather(test.features, rows))).to(DType::f64);
  const bool seen = set.parts().contains(Part::image);
  std::vector<Image> pictures;
  for (std::int64_t i = 0; i < N; ++i) {
    const auto row = static_cast<std::size_t>(rows.data<std::int64_t>()[i]);
    map.points.push_back(
        {place.data<double>()[2 * i], place.data<double>()[2 * i + 1], static_cast<int>(test.labels[row])});
    if (!seen) continue;
    if (auto image = set.image_or_report(static_cast<std::size_t>(test.samples[row])))
      pictures.push_back(std::move(*image));
  }
  if (seen && static_cast<std::int64_t>(pictures.size()) == N) map.thumbnails = PictureSheet(pictures, 40);
  return map;
}

inline void add_scores(Json& summary, const Scores& scores, const std::string& suffix) {
  summary["knn_top1" + suffix] = scores.knn_top1;
  summary["linear_top1" + suffix] = scores.linear_top1;
  summary["few_label_top1" + suffix] = scores.few_label_top1;
  summary["few_label_top1" + suffix + "_std"] = scores.few_label_std;
}

}  // namespace contrastive
