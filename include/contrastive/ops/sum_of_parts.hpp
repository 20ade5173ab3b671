// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

namespace detail {
/// While one is alive, this thread records on an empty tape; the one before comes back with its end.
class TapeAside {
 public:
  TapeAside() : tape_(std::exchange(tape(), {})), log_(std::exchange(LeafLog::current(), nullptr)) {}
  ~TapeAside() {
    tape() = std::move(tape_);
    LeafLog::current() = log_;
  }
  TapeAside(const TapeAside&) = delete;
  TapeAside& operator=(const TapeAside&) = delete;

 private:
  std::vector<TapeEntry> tape_;
  LeafLog* log_;
};

/// The same values, outside the tape and with a gradient of their own.
inline Tensor as_leaf(const Tensor& x) {
  if (!x.defined()) return {};
  Tensor leaf = x.detach();
  if (x.requires_grad()) leaf.set_requires_grad(true);
  return leaf;
}
}  // namespace detail

/// sum_n f(x[n], shared, n), where what f computes for one n is gone before the next: value and gradients are found in one
/// go. x: (N, ...); f(x.slice(n, n + 1), shared, n) gives a scalar, or an empty tensor for 0, and reads no other tensor
/// that wants a gradient. `shared` may hold empty tensors.
template <class F>
Tensor sum_of_parts(const Tensor& x, const std::vector<Tensor>& shared, F&& f) {
  require(x.rank() >= 1, "[sum_of_parts] expected rows (N, ...), got ", x.shape());
  bool wanted = recording({&x});
  for (const Tensor& one : shared) wanted = wanted || recording({&one});
  Tensor total = Tensor::zeros({}, x.dtype(), x.device()), dx;
  std::vector<Tensor> leaves;
  for (const Tensor& one : shared) leaves.push_back(wanted ? detail::as_leaf(one) : one);
  if (wanted && x.requires_grad()) dx = Tensor::zeros(x.shape(), x.dtype(), x.device());
  {
    const detail::TapeAside aside;
    for (std::int64_t n = 0; n < x.size(0); ++n) {
      Tensor part = x.detach().slice(n, n + 1);
      if (dx.defined()) part.set_requires_grad(true);
      const Tensor value = f(std::as_const(part), std::as_const(leaves), n);
      if (!value.defined()) continue;
      total = total + value.detach();
      if (wanted && value.requires_grad()) value.backward();
      if (part.grad().defined()) dx.slice(n, n + 1).copy_from(part.grad());
    }
  }
  if (!wanted) return total;
  std::vector<std::pair<Grad, Tensor>> ready{{Grad(x), dx}};
  for (std::size_t i = 0; i < shared.size(); ++i) ready.emplace_back(Grad(shared[i]), leaves[i].grad());
  return record(total, [ready](const Tensor& dy) {
    for (const auto& [grad, d] : ready)
      if (grad && d.defined()) grad.add(d * dy);
  });
}

}  // namespace contrastive
