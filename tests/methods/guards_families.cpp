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
#include "support/learning.hpp"

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
    return info_nce(z.online[0], z.target.at(1), queue.snapshot(), temperature);
  }
  template <class F>
  void members(F&& f) {
    QueueInfoNce::members(f);
  }
};

}  // namespace

TEST_CASE("SwAV puts all pictures on one prototype without Sinkhorn, and not with it", "[learns]") {
  const SwavConfig config{.hidden = 64, .dimension = 32, .prototypes = 30, .freeze_epochs = 0};
  const auto start = [&] { return swav(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5))); };
  const Seen healthy = run_swav(start());
  check_healthy("SwAV's outputs", healthy.outputs);
  check_healthy("SwAV", healthy.embeddings);
  check_above("SwAV: entropy of the mean", healthy.outputs.entropy_of_mean, 0.9);

  auto parts = start();
  Method without(parts.online.encoder, parts.online.projector, Identity{},
                 PlainCodes{config, parts.objective.prototypes}, simclr_cifar(12), Shared{});
  without.views_together = true;
  const Seen collapsed = run_swav(without);
  check_collapsed("SwAV's outputs without Sinkhorn", collapsed.outputs);
  check_below("SwAV without Sinkhorn: entropy of the mean", collapsed.outputs.entropy_of_mean, 0.1);
  check_below("SwAV without Sinkhorn: loss", collapsed.loss, 0.1);
}

// The spread of the outputs does not tell: outputs that are all nearly zero point everywhere. Their distribution does.
TEST_CASE("DINO goes to one output without centring, to all alike without sharpening, and to neither with both",
          "[learns]") {
  const TeacherTemperature sharp{}, as_the_student{.start = 0.1, .end = 0.1}, flat{.start = 1, .end = 1};
  const Seen healthy = run_dino(sharp, 0.9);
  check_healthy("DINO's outputs", healthy.outputs);
  check_above("DINO's targets: information", healthy.targets.information(), 0.08);
  check_above("DINO's targets: entropy of the mean", healthy.targets.entropy_of_mean, 0.5);

  const Seen one = run_dino(sharp, 1);  // the centre stays at 0
  check_collapsed("DINO's outputs without centring", one.outputs);
  check_collapsed("DINO's targets without centring", one.targets);
  check_below("DINO's outputs without centring: entropy of the mean", one.outputs.entropy_of_mean, 0.1);
  check_below("DINO's targets without centring: entropy of the mean", one.targets.entropy_of_mean, 0.1);
  check_below("DINO without centring: loss", one.loss, 0.1);

  for (const TeacherTemperature& temperature : {as_the_student, flat}) {
    const Seen even = run_dino(temperature, 0.9);
    const std::string teacher = join("DINO's teacher at ", temperature.end, ", ");
    check_collapsed(teacher + "outputs", even.outputs);
    check_collapsed(teacher + "targets", even.targets);
    check_above(teacher + "outputs: entropy of a row", even.outputs.mean_entropy, 0.99);
    check_above(teacher + "targets: entropy of a row", even.targets.mean_entropy, 0.99);
    check_below(teacher + "loss over ln 64, less 1", std::abs(even.loss / std::log(64.0) - 1), 0.01);
  }
}

TEST_CASE("MoCo without momentum: queries and keys chase each other into one direction", "[learns]") {
  struct Found {
    CollapseWatch watch;
    double to_queue;  // mean cosine of queries and queue
  };
  const auto run = [](double momentum) {
    auto method = moco_v2(tiny_encoder(Rng(seeded(7))), simclr_cifar(12),
                          {.temperature = 0.1, .momentum = momentum, .queue = 512, .dimension = 32}, Rng(seeded(7)));
    return train_on_shapes(method, 0.1, 100, [&](const Views& views) {
      const Tensor q = method.embed(views).online[0];
      return Found{collapse_watch(q), mean(matmul(normalize(q), method.objective.queue.keys, false, true)).item()};
    });
  };
  const Found healthy = run(0.99), failed = run(0);
  check_healthy("MoCo", healthy.watch);
  check_collapsed("MoCo without momentum", failed.watch);
  check_below("MoCo: cosine to the queue over that without momentum", healthy.to_queue / failed.to_queue, 1);
}

// Old keys say nothing of what the pictures are today: all go to one point away from them. The loss the run sees falls
// all the same, further than with a fresh queue; the one against the keys of the batch tells.
TEST_CASE("MoCo with a stale queue: all pictures go to one point, and the loss does not say so", "[learns]") {
  struct Found {
    CollapseWatch watch;
    double cosine;        // of a query with the keys of other pictures, averaged
    double fresh, queue;  // losses, against the keys of the batch and against the queue
  };
  const std::int64_t N = 64, steps = 200;
  const double chance = std::log(static_cast<double>(N));  // no picture is told from another
  const auto start = [] {
    return moco_v2(tiny_encoder(Rng(seeded(7))), simclr_cifar(12),
                   {.temperature = 0.1, .momentum = 0.99, .queue = 512, .dimension = 32}, Rng(seeded(7)));
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
  check_healthy("MoCo with a fresh queue", healthy.watch);
  check_below("MoCo with a fresh queue: loss in the batch", healthy.fresh, chance);
  for (const std::int64_t filling : {0, 8}) {  // never filled, and once
    auto parts = start();
    const Found failed = run(Method(parts.online.encoder, parts.online.projector, Identity{},
                                    StaleQueueInfoNce{std::move(parts.objective), filling}, simclr_cifar(12),
                                    Momentum{.momentum = 0.99, .update = MomentumUpdate::before_keys}));
    const std::string stale = join("MoCo with a queue filled for ", filling, " steps: ");
    check_below(stale + "spread over the fresh queue's", failed.watch.spread / healthy.watch.spread, 0.5);
    check_above(stale + "cosine to other keys", failed.cosine, 0.95);
    check_below(stale + "cosine of the fresh queue over it", healthy.cosine / failed.cosine, 0.5);
    check_above(stale + "loss in the batch", failed.fresh, chance - 0.15);
    check_below(stale + "loss over the fresh queue's", failed.queue / healthy.queue, 0.1);
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
