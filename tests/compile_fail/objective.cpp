// SPDX-License-Identifier: MIT
// expect: Method: an objective is `Tensor operator()(const Embeddings&)` (docs/guides/add-an-objective.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

struct Loss {
#if defined(FAIL)
  Tensor operator()(const Tensor& z) const { return mean(z); }
#else
  Tensor operator()(const Embeddings& z) const { return mean(z.online[0]); }
#endif
};

int main() {
  Method method(resnet_cifar(8, Rng(0)), Mlp(64, {{.out = 8}}, Rng(1)), Identity{}, Loss{}, simclr_cifar(8), Shared{});
  return method.views_together;
}
