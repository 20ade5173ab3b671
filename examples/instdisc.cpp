// SPDX-License-Identifier: MIT
//
// InstDisc (Wu et al. 2018, arXiv:1805.01978): every picture is a class of its own, whose weights are a moving average of
// its embeddings in a memory bank.
//
//   instdisc --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 200
//   instdisc --loss softmax                     over all pictures, instead of NCE over --negatives of them

#include "contrastive/methods/instdisc.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "instdisc";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.1;
  recipe.loss = "nce";
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t samples, contrastive::Rng rng) {
  using namespace contrastive;
  const bool softmax = app::softmax_of(s);
  require(softmax || s.negatives > 0, "[settings] --negatives must be above 0 with --loss nce, got ", s.negatives,
          "; --loss softmax takes all pictures");
  const int size = static_cast<int>(s.image_size);
  const AnyAugment views = app::channels_of(s) == 1 ? AnyAugment(OneView(simclr_grey(size).first))
                           : size < 96              ? AnyAugment(instdisc_cifar(size))
                                                    : AnyAugment(instdisc(size));
  const InstDiscConfig config{.pictures = samples,
                              .negatives = softmax ? 0 : s.negatives,
                              .temperature = s.temperature,
                              .momentum = s.bank_momentum,
                              .dimension = s.dimension};
  return {instdisc(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::instdisc{"InstDisc",
                                          "Wu et al. 2018",
                                          "1805.01978",
                                          "a view and the picture's row of a memory bank",
                                          "rows of other pictures",
                                          "loss temperature negatives bank-momentum dimension",
                                          recipe(),
                                          compose};
