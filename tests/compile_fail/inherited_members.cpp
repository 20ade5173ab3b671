// SPDX-License-Identifier: MIT
// expect: needs its own `members`, which calls the base's (docs/guides/add-an-encoder.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

/// A head with a scale behind it; `Mlp::members` knows nothing of that.
struct ScaledMlp : Mlp {
  Parameter scale;

  explicit ScaledMlp(Rng rng) : Mlp(64, {{.out = 8}}, rng), scale(Tensor::full({1}, 1)) {}
  Tensor operator()(const Tensor& x) const { return Mlp::operator()(x) * scale; }
#if !defined(FAIL)
  template <class F>
  void members(F&& f) {
    Mlp::members(f);
    f("scale", scale);
  }
#endif
};

int main() {
  Method method(resnet_cifar(8, Rng(0)), ScaledMlp(Rng(1)), Identity{}, NtXent{}, simclr_cifar(8), Shared{});
  return method.views_together;
}
