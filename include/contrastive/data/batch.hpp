// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// One step's worth of views.
struct Batch {
  Views views;
  std::int64_t epoch = 0;
  std::int64_t step = 0;  // within the epoch
};

namespace detail {

/// Memory for the views of `count` samples.
inline Views room_for(const AnyAugment& augment, std::size_t count) {
  Views views = allocate_views(augment, static_cast<std::int64_t>(count));
  require(views.view.size() <= most_views, "[augment] more than ", most_views,
          " views of a sample: ", views.view.size());
  views.sample.assign(count, -1);
  views.label.assign(count, -1);
  views.drawn.assign(count, std::vector<Drawn>(views.view.size()));
  return views;
}

/// The bytes of row n of a CPU tensor.
inline std::byte* row_bytes(const Tensor& x, std::size_t n) {
  return x.view().as<std::byte>() + n * static_cast<std::size_t>(x.shape().count(1, x.rank())) * size_of(x.dtype());
}

/// Writes row `k` of every view from the sample that `read(plan)` gives; false where it gives none.
template <class Read>
bool read_views(const AnyAugment& augment, Rng rng, Views& views, std::size_t k, Read&& read) {
  const std::optional<Sample> sample = read(augment.plan(rng));
  if (!sample) return false;
  void* out[most_views];
  for (std::size_t v = 0; v < views.view.size(); ++v) out[v] = row_bytes(views.view[v], k);
  augment(*sample, rng, std::span<void* const>(out, views.view.size()), views.drawn[k]);
  views.label[k] = sample->label;
  return true;
}

}  // namespace detail

}  // namespace contrastive
