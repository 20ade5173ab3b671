// SPDX-License-Identifier: MIT
// expect: Method: a target's Branch names its tensors in a `members` of its own (methods/target.hpp)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

/// A copy of the online network that never moves.
struct Fixed {
  template <class Tower>
  struct Branch : Shared::Branch<Tower> {
    static constexpr bool present = true;
    Tower tower;
    Branch(const Fixed&, const Tower& online) : Shared::Branch<Tower>({}, online), tower(clone(online)) {}

    template <class Views, class Wanted>
    std::vector<Tensor> operator()(const Views& views, const std::vector<Tensor>&, Wanted&& wanted,
                                   bool together) const {
      const NoGrad no_grad;
      return tower.project(views, wanted, together);
    }
#if !defined(FAIL)
    template <class F>
    void members(F&& f) {
      tower.members(f);
    }
#endif
  };
};

int main() {
  Method method(resnet_cifar(8, Rng(0)), Mlp(64, {{.out = 8}}, Rng(1)), Identity{}, SimsiamCosine{}, simclr_cifar(8),
                Fixed{});
  return method.views_together;
}
