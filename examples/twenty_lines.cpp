// SPDX-License-Identifier: MIT
//
// The README's program: an encoder, an objective of your own without a hand-written gradient, a training loop.

#include <cstdio>

#include "contrastive/contrastive.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"

using namespace contrastive;

// [readme]
struct AlignAndSpread {  // Wang and Isola 2020: pairs close together, everything else apart
  Tensor operator()(const Embeddings& z) const {
    const Tensor a = normalize(z.online[0]), b = normalize(z.online[1]);  // (N, D)
    const Tensor spread = exp(matmul(a, a, false, true) * 4 - 4);         // e^(-2 |a_i - a_j|^2), (N, N)
    return mean(sum(square(a - b), 1)) + log(mean(spread));
  }
};

int main() {
  const Rng rng(0);
  auto method = Method(resnet_cifar(20, rng / "encoder"),
                       Mlp(64, {{.out = 64}, {.out = 32, .norm = false, .relu = false}}, rng / "head"), Identity{},
                       AlignAndSpread{}, simclr_cifar(16), Shared{});
  Sgd optimizer(parameter_groups(method, {.weight_decay = 5e-4}), {.momentum = 0.9});
  Loader loader(Shapes(512, 16, "shape", 0, "train"), method.augment, {.batch = 64});
  for (int epoch = 0; epoch < 3; ++epoch) {
    double total = 0;
    for (loader.start(epoch); auto batch = loader.next();) {
      const Tensor loss = method.loss(batch->views);
      loss.backward();
      optimizer.step(0.005);
      optimizer.clear_grad();
      total += loss.item();
    }
    std::printf("epoch %d: loss %.3f\n", epoch, total / static_cast<double>(loader.steps_per_epoch()));
  }
}
// [readme]
