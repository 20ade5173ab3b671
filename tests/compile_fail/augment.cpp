// SPDX-License-Identifier: MIT
// expect: Method: an augmentation makes views of an image, or of a sample (docs/guides/add-an-augmentation.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

int main() {
#if defined(FAIL)
  const int views = 2;
#else
  const auto views = simclr_cifar(8);
#endif
  Method method(resnet_cifar(8, Rng(0)), Mlp(64, {{.out = 8}}, Rng(1)), Identity{}, NtXent{}, views, Shared{});
  return method.views_together;
}
