// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// What connects the processes of a run. A reduction overwrites its tensor, which is of one shape everywhere, with the
/// elementwise sum or maximum over all processes. No gradient flows through it.
template <class C>
concept Communicator = requires(const C& c, const Tensor& x) {
  { c.rank() } -> std::convertible_to<std::int64_t>;
  { c.size() } -> std::convertible_to<std::int64_t>;
  c.all_reduce_sum(x);
  c.all_reduce_max(x);
};

/// One process: its sums are the sums.
struct LocalCommunicator {
  std::int64_t rank() const { return 0; }
  std::int64_t size() const { return 1; }
  void all_reduce_sum(const Tensor&) const {}
  void all_reduce_max(const Tensor&) const {}
};

}  // namespace contrastive
