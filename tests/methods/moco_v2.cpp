// SPDX-License-Identifier: MIT

// MoCo v2: frozen steps, both directions, and what becomes of it without momentum or with old keys.

#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "methods/moco_steps.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"

using namespace contrastive;

namespace {

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

TEST_CASE("MoCo v2's four frozen steps: EMA before the keys, loss, gradients, queue and pointer") {
  auto v2 =
      moco_v2(TanhBody{}, no_augment(), {.temperature = 0.2, .momentum = 0.99, .queue = 12, .dimension = 4}, Rng(1));
  check_moco_steps(v2, load_golden("moco_v2.safetensors"), false);
}

TEST_CASE("MoCo's symmetric loss is the sum of both directions against one queue, then both keys enter it") {
  const MocoConfig config{.temperature = 0.1, .queue = 32, .dimension = 4, .mlp = false};
  auto method = moco_v2_symmetric(TanhBody{}, no_augment(), config, Rng(1));
  CHECK(method.online.projector.layers.size() == 1);
  const Embeddings z = method.embed(rows_as_views(2));
  Embeddings swapped = z;
  std::swap(swapped.online[0], swapped.online[1]);
  std::swap(swapped.target[0], swapped.target[1]);
  const Queue queue(32, 4, Rng(1));
  QueueInfoNce one{0.1, clone(queue)}, other{0.1, clone(queue)};
  method.objective.queue = clone(queue);
  CHECK(method.objective(z).item() == Approx(one(z).item() + other(swapped).item()).epsilon(1e-6));
  check_near(method.objective.queue.keys.slice(0, 8), normalize(z.target[0]), 1e-7);
  check_near(method.objective.queue.keys.slice(8, 16), normalize(z.target[1]), 1e-7);
  // All keys and queries alike: ln(K + 1) from each direction.
  Embeddings same;
  same.online.assign(2, Tensor::full({8, 4}, 1));
  same.target = same.online;
  SymmetricQueueInfoNce start{0.2, Queue(32, 4, Rng(1))};
  start.queue.keys.copy_from(normalize(Tensor::full({32, 4}, 1)));
  CHECK(start(same).item() == Approx(2 * std::log(33.0)).epsilon(1e-5));
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
