// SPDX-License-Identifier: MIT

// What keeps the methods with negatives, and those that look at statistics, from their trivial solutions, taken away.

#include "contrastive/encoders/patch_encoder.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/methods/barlow_twins.hpp"
#include "contrastive/methods/cmc.hpp"
#include "contrastive/methods/cpc.hpp"
#include "contrastive/methods/instdisc.hpp"
#include "contrastive/methods/invaspread.hpp"
#include "contrastive/methods/moco_v3.hpp"
#include "contrastive/methods/nnclr.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/sup_con.hpp"
#include "contrastive/methods/vicreg.hpp"
#include "contrastive/objectives/negative_cosine.hpp"
#include "methods/on_shapes.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

struct Seen {
  CollapseWatch watch;
  double deviation;  // of a dimension, averaged
};

template <class M>
Seen run(M method, double lr, std::int64_t steps = 150) {
  return train_on_shapes(method, lr, steps, [&](const Views& views) {
    const Tensor z = method.embed(views, {}, false).online[0];
    return Seen{collapse_watch(z), mean(sqrt(mean(square(z - mean(z, 0, true)), 0))).item()};
  });
}

/// What is left of a contrastive loss without its negatives: the views of a picture attract each other.
struct Attraction {
  Tensor operator()(const Embeddings& z) const {
    return mean(sum(normalize(z.online[0]) * normalize(z.online[1]), 1)) * -1.0;
  }
};

/// `Attraction` towards the keys of another branch, which get no gradient.
struct KeyAttraction {
  Tensor operator()(const Embeddings& z) const {
    return simsiam_loss(z.online[0], z.target[1], z.online[1], z.target[0]);
  }
};

/// The same for a bank: a picture goes to its row, the row to the picture.
struct BankAttraction {
  MemoryBank bank;
  Tensor operator()(const Embeddings& z) {
    const Tensor f = normalize(z.online[0]),
                 rows = gather(bank.rows,
                               Tensor::from<std::int64_t>(z.sample, {static_cast<std::int64_t>(z.sample.size())}));
    const Tensor loss = mean(sum(f * rows, 1)) * -1.0;
    bank.update(z.sample, f.detach(), 0.5);
    return loss;
  }
  template <class F>
  void members(F&& f) {
    f("bank", bank);
  }
};

/// The same for a neighbour of the support set.
struct NeighbourAttraction {
  Queue support;
  Tensor operator()(const Embeddings& z) {
    const Tensor loss = mean(sum(nearest_neighbours(z.target[0], support.keys) * normalize(z.online[1]), 1)) * -1.0;
    support.enqueue(normalize(z.target[1]));
    return loss;
  }
  template <class F>
  void members(F&& f) {
    f("support", support);
  }
};

/// The same for the channels of a picture, side by side in a row.
struct ChannelAttraction {
  Tensor operator()(const Embeddings& z) const {
    const std::int64_t D = z.online[0].size(1) / 2;
    return mean(sum(normalize(narrow(z.online[0], 1, 0, D)) * normalize(narrow(z.online[0], 1, D, 2 * D)), 1)) * -1.0;
  }
};

/// The same for what follows in a picture: the first step of CPC without the rows it is told apart from.
struct FutureAttraction {
  ContextPrediction prediction;
  Tensor operator()(const Embeddings& z) const {
    const std::int64_t N = z.online[0].size(0), C = prediction.W[0].size(0), D = prediction.W[0].size(1);
    const std::int64_t R = std::llround(std::sqrt(static_cast<double>(z.online[0].size(1) / (C + D))));
    const std::int64_t ahead = 1 + prediction.skip, rows = N * (R - ahead) * R;
    const Tensor grid = z.online[0].reshape({N, R, R, D + C});
    const Tensor context = narrow(narrow(grid, 3, D, D + C), 1, 0, R - ahead).reshape({rows, C});
    const Tensor future = narrow(narrow(grid, 3, 0, D), 1, ahead, R).reshape({rows, D});
    return mean(sum(normalize(matmul(context, prediction.W[0])) * normalize(future), 1)) * -1.0;
  }
  template <class F>
  void members(F&& f) {
    f("prediction", prediction);
  }
};

template <class M, class Objective = Attraction>
void collapses_without_negatives(const std::string& name, const M& method, double lr, Objective attraction = {},
                                 std::int64_t steps = 150) {
  Method changed(method.online.encoder, method.online.projector, method.predictor, std::move(attraction),
                 method.augment, StopGradient{});
  changed.views_together = method.views_together;
  // Both from the same start: copies share their tensors.
  const CollapseWatch with = run(clone(method), lr, steps).watch, without = run(clone(changed), lr, steps).watch;
  check_above(name + ": rank", with.rank, CollapseWatch::low_rank);
  check_collapsed(name + " without its negatives", without);
  check_below(name + " without its negatives: spread over that with them", without.spread / with.spread, 0.5);
}

}  // namespace

TEST_CASE("without its negatives a contrastive method collapses, and not with them", "[learns]") {
  const auto augment = simclr_cifar(12);
  SECTION("SimCLR; DCL without them is the same method") {
    // SimCLR's head ends in a norm, which keeps z from one point, not from a few.
    const Mlp head(32, {{.out = 32, .bias = false}, {.out = 32, .norm = false, .relu = false}}, Rng(seeded(5)));
    Method method(tiny_encoder(Rng(seeded(5))), head, Identity{}, NtXent{0.5}, augment, Shared{});
    method.views_together = true;
    collapses_without_negatives("SimCLR", method, 0.3);
  }
  SECTION("SupCon") {
    collapses_without_negatives(
        "SupCon",
        sup_con(tiny_encoder(Rng(seeded(5))), augment, {.loss = {.temperature = 0.5}, .dimension = 32}, Rng(seeded(5))),
        0.05);
  }
  SECTION("InvaSpread") {
    collapses_without_negatives(
        "InvaSpread", invaspread(tiny_encoder(Rng(seeded(5))), augment, {.dimension = 32}, Rng(seeded(5))), 0.2);
  }
  SECTION("InstDisc") {
    const InstDiscConfig config{.pictures = 512, .negatives = 0, .temperature = 0.1, .dimension = 32};
    collapses_without_negatives("InstDisc", instdisc(tiny_encoder(Rng(seeded(5))), augment, config, Rng(seeded(5))),
                                0.6, BankAttraction{MemoryBank(512, 32, Rng(seeded(5)))});
  }
  SECTION("CMC") {
    const SplitChannels split(
        {1, 2},
        [](int channels, Rng rng) {
          return ConvNet(channels, {8, 16, 32}, rng);
        },
        Rng(seeded(5)));
    const CmcConfig config{.pictures = 512, .negatives = 256, .temperature = 0.2, .dimension = 32};
    collapses_without_negatives("CMC", cmc(split, cmc(12), config, Rng(seeded(5))), 3, ChannelAttraction{}, 100);
  }
  SECTION("CPC") {
    const PatchEncoder<PreactResNet> patches{
        {4, 4}, PreactResNet({.blocks = {1, 1}, .bottleneck = false, .width = 8, .stem = 3}, Rng(seeded(5)))};
    const auto method =
        cpc<PixelCnn>(patches, cpc(12, 12), {.steps = 1, .skip = 0, .negatives = 16, .context = 16}, Rng(seeded(5)));
    collapses_without_negatives("CPC", method, 0.05, FutureAttraction{method.objective});
  }
  SECTION("MoCo v3") {
    const MocoV3Config config{.temperature = 0.2, .momentum = 0.9, .hidden = 64, .dimension = 32};
    const auto whole = moco_v3(tiny_encoder(Rng(seeded(5))), augment, config, Rng(seeded(5)));
    collapses_without_negatives("MoCo v3", whole, 0.5);
    // Its predictor and momentum encoder alone would hold it, as they hold BYOL.
    const auto start = clone(whole);
    const Method as_byol(start.online.encoder, start.online.projector, start.predictor, KeyAttraction{}, augment,
                         Momentum{.momentum = config.momentum, .to_one = true, .update = MomentumUpdate::before_keys});
    const CollapseWatch held = run(as_byol, 0.5).watch;
    check_healthy("MoCo v3 by predictor and momentum alone", held);
  }
  SECTION("NNCLR") {
    const NnclrConfig config{.queue = 512, .projector_hidden = 64, .predictor_hidden = 64, .dimension = 32};
    // The predictor alone would hold it, as it holds SimSiam.
    const auto whole = nnclr(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5)));
    const Method plain(whole.online.encoder, whole.online.projector, Identity{}, whole.objective, whole.augment,
                       StopGradient{});
    collapses_without_negatives("NNCLR", plain, 0.5, NeighbourAttraction{Queue(512, 32, Rng(seeded(5)))});
  }
}

TEST_CASE("VICReg and Barlow Twins lose their dimensions without the terms that hold them", "[learns]") {
  const auto vicreg_with = [](VicRegConfig loss, std::int64_t steps) {
    return run(vicreg(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), {.loss = loss, .dimension = 64}, Rng(seeded(5))),
               0.02, steps);
  };
  const Seen all = vicreg_with({}, 250), no_variance = vicreg_with({.variance = 0}, 150),
             no_covariance = vicreg_with({.covariance = 0}, 250);
  check_healthy("VICReg", all.watch);
  check_below("VICReg without variance: deviation over that with it", no_variance.deviation / all.deviation, 0.05);
  check_below("VICReg without covariance: rank over that with it", no_covariance.watch.rank / all.watch.rank, 0.5);

  const auto barlow_with = [](double lambda) {
    return run(barlow_twins(tiny_encoder(Rng(seeded(5))), simclr_cifar(12),
                            {.loss = {.lambda = lambda}, .scale = 0.1, .dimension = 64}, Rng(seeded(5))),
               0.1, 200)
        .watch;
  };
  const CollapseWatch reduced = barlow_with(0.03), redundant = barlow_with(0);
  check_healthy("Barlow Twins", reduced);
  check_below("Barlow Twins without its second sum: rank over that with it", redundant.rank / reduced.rank, 0.5);
}
