// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/data/batch.hpp"
#include "contrastive/data/dataset.hpp"

namespace contrastive {

/// Calls `f(views, labels)`, or `f(views, labels, samples)`, for the samples of a set in their order, at most `batch` at a
/// time: views (N, ...), images (N, H, W, C), as the evaluation transform makes them, labels with -1 where there is none,
/// samples the indices in the set. A sample that cannot be read is left out, named once and counted
/// (`set.unreadable()`); with `strict` it throws.
template <class F>
void for_each_batch(const AnyDataset& set, const AnyAugment& transform, std::size_t batch, F&& f, bool strict = false) {
  require(batch > 0, "[evaluate] the batch must be at least 1");
  require(transform.views().size() == 1, "[evaluate] expected a transform with one view, got ",
          transform.views().size());
  require(set.parts().contains(transform.parts()), "[evaluate] ", set.name(), " has ", to_string(set.parts()),
          "; the view is made of ", to_string(transform.parts()));
  for (std::size_t first = 0; first < set.size(); first += batch) {
    const std::size_t count = std::min(batch, set.size() - first);
    Views views = detail::room_for(transform, count);
    std::vector<char> good(count, 0);
    parallel_for(static_cast<std::int64_t>(count), 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::size_t row = static_cast<std::size_t>(k), i = first + row;
        const Rng rng = Rng(0) / "evaluate" / i;
        good[row] = detail::read_views(transform, rng, views, row, [&](const CropPlan& plan) {
          return strict ? std::optional(set.sample(i, transform.parts(), plan))
                        : set.sample_or_report(i, transform.parts(), plan);
        });
      }
    });
    // Closes the gaps that unreadable pictures left.
    const Tensor& view = views.view[0];
    const auto bytes = static_cast<std::size_t>(view.shape().count(1, view.rank())) * size_of(view.dtype());
    std::vector<std::int64_t> labels, samples;
    for (std::size_t row = 0; row < count; ++row) {
      if (!good[row]) continue;
      if (samples.size() != row)
        std::memcpy(detail::row_bytes(view, samples.size()), detail::row_bytes(view, row), bytes);
      samples.push_back(static_cast<std::int64_t>(first + row));
      labels.push_back(views.label[row]);
    }
    if (samples.empty()) continue;
    const Tensor images = view.slice(0, static_cast<std::int64_t>(samples.size()));
    const std::span<const std::int64_t> all_labels(labels), all_samples(samples);
    if constexpr (std::is_invocable_v<F&, Tensor, std::span<const std::int64_t>, std::span<const std::int64_t>>)
      f(images, all_labels, all_samples);
    else
      f(images, all_labels);
  }
}

/// A whole set in memory.
struct LoadedSet {
  Tensor images;  // (N, ...): the one view of each sample
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> samples;  // indices in the set
};

/// Reads all samples through the transform: for small sets and for tests. Throws when none can be read.
inline LoadedSet load_all(const AnyDataset& set, const AnyAugment& transform, bool strict = false) {
  LoadedSet loaded;
  const ViewSpec spec = transform.views().at(0);
  Tensor all(spec.shape(static_cast<std::int64_t>(set.size())), spec.dtype);
  for_each_batch(
      set, transform, 256,
      [&](const Tensor& images, std::span<const std::int64_t> labels, std::span<const std::int64_t> samples) {
        const std::int64_t filled = static_cast<std::int64_t>(loaded.labels.size());
        all.slice(filled, filled + images.size(0)).copy_from(images);
        loaded.labels.insert(loaded.labels.end(), labels.begin(), labels.end());
        loaded.samples.insert(loaded.samples.end(), samples.begin(), samples.end());
      },
      strict);
  require(!loaded.labels.empty(), "[evaluate] ", set.name(), ": none of the ", set.size(), " samples can be read");
  loaded.images = all.slice(0, static_cast<std::int64_t>(loaded.labels.size()));
  return loaded;
}

}  // namespace contrastive
