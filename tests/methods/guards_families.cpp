// SPDX-License-Identifier: MIT

// What keeps SwAV, DINO and MoCo from their trivial solutions, taken away: the known failure appears.

#include "contrastive/eval/spectrum.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "methods/on_shapes.hpp"
#include "methods/without_guards.hpp"
#include "support/catch.hpp"

using namespace contrastive;
using namespace without_guards;

namespace {

struct Seen {
  CollapseWatch embeddings;
  OutputWatch outputs;  // of what the trainer watches
  OutputWatch targets;  // DINO: of the teacher's
  double loss;
};

template <class M>
Seen run_swav(M method) {
  return train_on_shapes(method, 0.2, 120, [&](const Views& views) {
    const Embeddings z = method.embed(views);
    method.objective.prototypes.normalize();
    const OutputWatch outputs = output_watch(method.objective.assignments(z.online[0]));
    return Seen{collapse_watch(z.online[0]), outputs, {}, method.objective(z).item()};
  });
}

Seen run_dino(TeacherTemperature temperature, double center_momentum) {
  auto method = without_guards::dino_with(temperature, center_momentum);
  return train_on_shapes(method, 0.05, 150, [&](const Views& views) {
    const Embeddings z = method.embed(views);
    const Tensor targets = dino_targets(z.target[0], method.objective.center, temperature.end);
    return Seen{collapse_watch(z.online[0]), output_watch(method.objective.assignments(z.online[0])),
                output_watch(targets), method.objective(z).item()};
  });
}

/// MoCo's objective whose queue takes keys in the first `filling` steps only.
struct StaleQueueInfoNce : QueueInfoNce {
  std::int64_t filling;
  Tensor operator()(const Embeddings& z) {
    if (z.progress.step < filling) return QueueInfoNce::operator()(z);
    return info_nce(normalize(z.online[0]), normalize(z.target.at(1)), queue.snapshot(), temperature);
  }
};

}  // namespace

TEST_CASE("SwAV puts all pictures on one prototype without Sinkhorn, and not with it") {
  const SwavConfig config{.hidden = 64, .dimension = 32, .prototypes = 30, .freeze_epochs = 0};
  const auto start = [&] { return swav(tiny_encoder(Rng(5)), simclr_cifar(12), config, Rng(5)); };
  const Seen healthy = run_swav(start());
  INFO("with: information " << healthy.outputs.information() << ", spread " << healthy.embeddings.spread << ", loss "
                            << healthy.loss);
  CHECK_FALSE(healthy.outputs.collapsed());
  CHECK_FALSE(healthy.embeddings.collapsed());
  CHECK(healthy.outputs.entropy_of_mean > 0.9);

  auto parts = start();
  Method without(parts.online.encoder, parts.online.projector, Identity{},
                 PlainCodes{config, parts.objective.prototypes}, simclr_cifar(12), Shared{});
  without.views_together = true;
  const Seen collapsed = run_swav(without);
  INFO("without: entropy of the mean " << collapsed.outputs.entropy_of_mean << ", loss " << collapsed.loss);
  CHECK(collapsed.outputs.collapsed());
  CHECK(collapsed.outputs.entropy_of_mean < 0.1);
  CHECK(collapsed.loss < 0.1);
}

// The spread of the outputs does not tell: outputs that are all nearly zero point everywhere. Their distribution does.
TEST_CASE("DINO goes to one output without centring, to all alike without sharpening, and to neither with both") {
  const TeacherTemperature sharp{}, as_the_student{.start = 0.1, .end = 0.1}, flat{.start = 1, .end = 1};
  const Seen healthy = run_dino(sharp, 0.9);
  INFO("with both: information " << healthy.outputs.information() << ", of the targets "
                                 << healthy.targets.information() << ", loss " << healthy.loss);
  CHECK_FALSE(healthy.outputs.collapsed());
  CHECK(healthy.targets.information() > 0.08);
  CHECK(healthy.targets.entropy_of_mean > 0.5);
  CHECK_FALSE(healthy.embeddings.collapsed());

  const Seen one = run_dino(sharp, 1);  // the centre stays at 0
  INFO("no centring: information " << one.outputs.information() << ", entropy of the mean "
                                   << one.outputs.entropy_of_mean << ", loss " << one.loss);
  CHECK(one.outputs.collapsed());
  CHECK(one.targets.collapsed());
  CHECK(one.outputs.entropy_of_mean < 0.1);
  CHECK(one.targets.entropy_of_mean < 0.1);
  CHECK(one.loss < 0.1);

  for (const TeacherTemperature& temperature : {as_the_student, flat}) {
    const Seen even = run_dino(temperature, 0.9);
    INFO("teacher at " << temperature.end << ": mean entropy " << even.outputs.mean_entropy << ", loss " << even.loss);
    CHECK(even.outputs.collapsed());
    CHECK(even.targets.collapsed());
    CHECK(even.outputs.mean_entropy > 0.99);
    CHECK(even.targets.mean_entropy > 0.99);
    CHECK(even.loss == Approx(std::log(64.0)).epsilon(0.01));
  }
}

TEST_CASE("MoCo without momentum: queries and keys chase each other into one direction") {
  struct Found {
    CollapseWatch watch;
    double to_queue;  // mean cosine of queries and queue
  };
  const auto run = [](double momentum) {
    auto method = moco_v2(tiny_encoder(Rng(7)), simclr_cifar(12),
                          {.temperature = 0.1, .momentum = momentum, .queue = 512, .dimension = 32}, Rng(7));
    return train_on_shapes(method, 0.3, 200, [&](const Views& views) {
      const Tensor q = method.embed(views).online[0];
      return Found{collapse_watch(q), mean(matmul(normalize(q), method.objective.queue.keys, false, true)).item()};
    });
  };
  const Found healthy = run(0.99), failed = run(0);
  INFO("with: spread " << healthy.watch.spread << ", rank " << healthy.watch.rank << ", cosine to the queue "
                       << healthy.to_queue << "; without: " << failed.watch.spread << ", " << failed.watch.rank << ", "
                       << failed.to_queue);
  CHECK_FALSE(healthy.watch.collapsed());
  CHECK(healthy.to_queue < 0.4);
  CHECK(failed.watch.collapsed());
  CHECK(failed.to_queue > 0.7);
}

// Old keys say nothing of what the pictures are today: all go to one point away from them. The loss the run sees falls
// all the same, further than with a fresh queue; the one against the keys of the batch tells.
TEST_CASE("MoCo with a stale queue: all pictures go to one point, and the loss does not say so") {
  struct Found {
    CollapseWatch watch;
    double cosine;        // of a query with the keys of other pictures, averaged
    double fresh, queue;  // losses, against the keys of the batch and against the queue
  };
  const std::int64_t N = 64, steps = 200;
  const auto start = [] {
    return moco_v2(tiny_encoder(Rng(7)), simclr_cifar(12),
                   {.temperature = 0.1, .momentum = 0.99, .queue = 512, .dimension = 32}, Rng(7));
  };
  const auto run = [&](auto method) {
    return train_on_shapes(method, 0.3, steps, [&](const Views& views) {
      const Embeddings z = method.embed(views, {.step = steps});
      const Tensor q = normalize(z.online[0]), k = normalize(z.target[1]);
      const double all = sum(matmul(q, k, false, true)).item(), own = sum(q * k).item();
      return Found{collapse_watch(q), (all - own) / static_cast<double>(N * (N - 1)), info_nce(q, k, 0.1).item(),
                   method.objective(z).item()};
    });
  };
  const Found healthy = run(start());
  INFO("fresh: spread " << healthy.watch.spread << ", cosine " << healthy.cosine << ", losses " << healthy.fresh
                        << " and " << healthy.queue);
  CHECK_FALSE(healthy.watch.collapsed());
  CHECK(healthy.cosine < 0.3);
  CHECK(healthy.fresh < 3.8);
  for (const std::int64_t filling : {0, 8}) {  // never filled, and once
    auto parts = start();
    const Found failed = run(Method(parts.online.encoder, parts.online.projector, Identity{},
                                    StaleQueueInfoNce{std::move(parts.objective), filling}, simclr_cifar(12),
                                    Momentum{.momentum = 0.99, .update = MomentumUpdate::before_keys}));
    INFO("fresh for " << filling << " steps: spread " << failed.watch.spread << ", cosine " << failed.cosine
                      << ", losses " << failed.fresh << " and " << failed.queue);
    CHECK(failed.watch.spread < 0.5 * healthy.watch.spread);
    CHECK(failed.cosine > 0.95);
    CHECK(failed.fresh > std::log(static_cast<double>(N)) - 0.15);  // ln 64: no picture tells from another
    CHECK(failed.queue < 0.1 * healthy.queue);
  }
}

TEST_CASE("a key enqueued before it is scored is its own query's negative: the loss cannot fall below ln 2") {
  const std::int64_t N = 4, K = 16, D = 20;
  Tensor axes = Tensor::zeros({K, D});
  for (std::int64_t k = 0; k < K; ++k) axes.data<float>()[k * D + k] = 1;
  Tensor q = Tensor::zeros({N, D});  // axes of their own, away from the queue's
  for (std::int64_t i = 0; i < N; ++i) q.data<float>()[i * D + K + i] = 1;
  Queue queue(K, D, Rng(1));
  queue.keys.copy_from(axes);
  QueueInfoNce objective{0.05, queue};
  Embeddings z;
  z.online = {q, Tensor()};
  z.target = {Tensor(), q};
  CHECK(objective(z).item() < 1e-6);
  CHECK(objective(z).item() > std::log(2.0));  // the same batch again: now its keys are in the queue
  CHECK(objective.queue.pointer.item() == 2 * N);
}
