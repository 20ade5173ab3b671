// SPDX-License-Identifier: MIT
// expect: Module: a class that inherits `members` and adds members of its own needs its own `members`, which calls the base's (docs/guides/add-an-encoder.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

/// `Identity::members` is empty.
struct Shift : Identity {
  Parameter by{Tensor::zeros({1})};
  Tensor operator()(const Tensor& x) const { return x + by; }
#if !defined(FAIL)
  template <class F>
  void members(F&& f) {
    f("by", by);
  }
#endif
};

int main() {
  Sequential net(Linear(3, 4, Rng(0)), Shift{});
  return static_cast<int>(parameter_count(net));
}
