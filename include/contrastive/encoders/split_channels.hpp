// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// One encoder for each group of a picture's channels (L and ab in CMC), features side by side: (N, H, W, C) ->
/// (N, D_0 + D_1 + ...). What the groups see of a picture is disjoint.
///
///     SplitChannels net({1, 2}, [&](int channels, Rng r) { return ConvNet(channels, {32, 64}, r); }, rng);
template <class Encoder>
class SplitChannels {
 public:
  SplitChannels() = default;
  /// `make(channels, rng)` is called once a group.
  template <class Make>
  SplitChannels(std::vector<int> channels, Make&& make, Rng rng) : channels_(std::move(channels)) {
    require(!channels_.empty(), "[split_channels] expected at least one group of channels");
    for (std::size_t g = 0; g < channels_.size(); ++g) {
      require(channels_[g] > 0, "[split_channels] a group has ", channels_[g], " channels");
      parts_.push_back(make(channels_[g], rng / "part" / g));
    }
  }

  std::int64_t features() const {
    std::int64_t total = 0;
    for (const Encoder& part : parts_) total += part.features();
    return total;
  }
  /// Features of each group.
  std::vector<std::int64_t> widths() const {
    std::vector<std::int64_t> widths;
    for (const Encoder& part : parts_) widths.push_back(part.features());
    return widths;
  }

  Tensor operator()(const Tensor& x) const {
    std::int64_t wanted = 0, from = 0;
    for (const int channels : channels_) wanted += channels;
    require(x.rank() == 4 && x.size(3) == wanted, "[split_channels] expected (N, H, W, ", wanted, "), got ", x.shape());
    std::vector<Tensor> features;
    for (std::size_t g = 0; g < parts_.size(); from += channels_[g++])
      features.push_back(parts_[g](narrow(x, 3, from, from + channels_[g])));
    return concat(features, 1);
  }

  template <class F>
  void members(F&& f) {
    f("parts", parts_);
  }

 private:
  std::vector<int> channels_;
  std::vector<Encoder> parts_;
};

template <class Make>
SplitChannels(std::vector<int>, Make, Rng) -> SplitChannels<decltype(std::declval<Make&>()(1, Rng()))>;

/// A linear layer for each group of features, outputs side by side: (N, sum of widths) -> (N, groups * out).
struct SplitLinear {
  std::vector<Linear> parts;

  SplitLinear() = default;
  SplitLinear(const std::vector<std::int64_t>& widths, std::int64_t out, Rng rng) {
    for (std::size_t g = 0; g < widths.size(); ++g) parts.emplace_back(widths[g], out, rng / g);
  }

  Tensor operator()(const Tensor& x) const {
    std::vector<Tensor> y;
    std::int64_t from = 0;
    for (const Linear& part : parts) {
      const std::int64_t width = part.weight.size(1);
      y.push_back(part(narrow(x, 1, from, from + width)));
      from += width;
    }
    return concat(y, 1);
  }

  template <class F>
  void members(F&& f) {
    f("parts", parts);
  }
};

}  // namespace contrastive
