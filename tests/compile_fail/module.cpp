// SPDX-License-Identifier: MIT
// expect: Module: a module is `Tensor operator()(const Tensor&) const` with `members` (docs/guides/add-an-encoder.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

struct Double {
  Tensor operator()(const Tensor& x) const { return x * 2; }
#if !defined(FAIL)
  template <class F>
  void members(F&&) {}
#endif
};

int main() {
  Sequential net(Double{}, Relu{});
  return net(Tensor::zeros({1, 1})).rank();
}
