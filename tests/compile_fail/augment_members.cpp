// SPDX-License-Identifier: MIT
// expect: Method: an augmentation has no `members`: nothing of it is trained, moved or saved (docs/guides/add-an-augmentation.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

struct Views2 : decltype(simclr_cifar(8)) {
  Views2() : decltype(simclr_cifar(8))(simclr_cifar(8)) {}
#if defined(FAIL)
  Parameter strength{Tensor::full({1}, 0.5)};
  template <class F>
  void members(F&& f) {
    f("strength", strength);
  }
#endif
};

int main() {
  Method method(resnet_cifar(8, Rng(0)), Mlp(64, {{.out = 8}}, Rng(1)), Identity{}, NtXent{}, Views2{}, Shared{});
  return method.views_together;
}
