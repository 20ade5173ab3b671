// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// A fused kernel from anywhere as an op. `forward(inputs)` computes the output from detached inputs;
/// `backward(dy, inputs, y)` returns one gradient an input, empty tensors where there is none. Both are kept: neither may
/// be written to before `backward`.
///
///     Tensor y = custom_gradient({x}, [](auto in) { return my_kernel(in[0]); },
///                                [](const Tensor& dy, auto in, const Tensor& y) { return std::vector{my_grad(...)}; });
template <class Forward, class Backward>
Tensor custom_gradient(std::vector<Tensor> inputs, Forward&& forward, Backward&& backward) {
  std::vector<Grad> grads;
  std::vector<Saved> saved;
  bool wanted = false;
  for (Tensor& x : inputs) {
    grads.emplace_back(x);
    wanted = wanted || recording({&x});
    x = x.detach();
  }
  Tensor y;
  {
    const NoGrad no_grad;
    y = forward(std::span<const Tensor>(inputs)).detach();
  }
  if (!wanted) return y;
  for (const Tensor& x : inputs) saved.emplace_back("custom_gradient", x);
  return record(y, [grads, saved, y = Saved("custom_gradient", y),
                    backward = std::forward<Backward>(backward)](const Tensor& dy) {
    std::vector<Tensor> inputs;
    for (const Saved& x : saved) inputs.push_back(*x);
    std::vector<Tensor> result = backward(dy, std::span<const Tensor>(inputs), *y);
    require(result.size() == inputs.size(), "[custom_gradient] expected ", inputs.size(), " gradients, got ",
            result.size());
    for (std::size_t i = 0; i < grads.size(); ++i)
      if (grads[i] && result[i].defined()) grads[i].add(result[i]);
  });
}

}  // namespace contrastive
