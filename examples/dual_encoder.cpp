// SPDX-License-Identifier: MIT
//
// The README's second program: images and words in one space, with a text tower of one's own.

#include <cstdio>

#include "contrastive/contrastive.hpp"
#include "contrastive/data/batches.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"

using namespace contrastive;

// [readme]
struct BagOfWords {  // the mean of the vectors of a caption's tokens
  Embedding table;
  std::int64_t features() const { return table.weight.size(1); }
  Tensor operator()(const Tensor& ids) const { return mean(table(ids), 1); }  // (N, L) -> (N, 64)
  template <class F>
  void members(F&& f) {
    f("table", table);
  }
};

int main() {
  const Rng rng(0);
  const auto tokens = of_text(BpeTokenizer(), 12);
  auto method = clip(resnet_cifar(20, rng / "image"), BagOfWords{Embedding(49408, 64, rng / "words", 0.1)},
                     SampleViews(clip_train(16), tokens), {.dimension = 64}, rng / "heads");
  AdamW optimizer(parameter_groups(method));
  Loader loader(Shapes(2048, 16), method.augment, {.batch = 128});  // pictures, each with a caption
  for (int epoch = 0; epoch < 4; ++epoch)
    for (loader.start(epoch); auto batch = loader.next();) {
      method.loss(batch->views).backward();
      optimizer.step(2e-3);
      optimizer.clear_grad();
      method.after_step({});  // keeps the scale below 100
    }
  const NoGrad no_grad;
  const Eval eval;
  const Shapes test(500, 16, "colour", 0, "test");
  const LoadedSet seen = load_all(test, clip_view(16));
  const Tensor words = zero_shot_classifier(test.class_names(), {"a {} circle", "a {} star"}, [&](const auto& texts) {
    return method.online.tower<1>()(tokens.ids(texts));
  });
  const ZeroShotResult named = zero_shot(method.online.tower<0>()(seen.images), words, seen.labels);
  std::printf("colours named by words alone: %.1f %%, chance 12.5 %%\n", 100 * named.top1);
}
// [readme]
