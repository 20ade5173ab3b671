// SPDX-License-Identifier: MIT
// expect: Method: an objective that holds parameters, buffers or tensors names them in `members`, or they are never trained, moved or saved (docs/guides/add-an-objective.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

/// A loss with a learned temperature.
struct Learned {
  Parameter log_scale{Tensor::full({}, 2)};

  Tensor operator()(const Embeddings& z) const {
    return clip_loss(normalize(z.online[0]), normalize(z.online[1]), log_scale);
  }
#if !defined(FAIL)
  template <class F>
  void members(F&& f) {
    f("log_scale", log_scale);
  }
#endif
};

int main() {
  Method method(resnet_cifar(8, Rng(0)), Mlp(64, {{.out = 8}}, Rng(1)), Identity{}, Learned{}, simclr_cifar(8),
                Shared{});
  return method.views_together;
}
