// SPDX-License-Identifier: MIT

// NNCLR: lightly's step, the order of neighbours and support set, one batch, and what its negatives keep it from.

#include "contrastive/methods/nnclr.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

/// `Attraction` to a neighbour of the support set.
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

}  // namespace

TEST_CASE("NNCLR's objective equals lightly's step: neighbours, loss, then the support set") {
  const Golden g = load_golden("nnclr.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    NeighbourContrast objective{.temperature = 0.1, .all_pairs = true, .support = Queue(12, 9, Rng(0))};
    objective.support.keys = Buffer(normalize(g.tensor("bank_init")).to(dtype));
    for (const std::string at : {"_0", "_1"}) {
      const Tensor p0 = leaf(g.tensor("p0" + at), dtype), p1 = leaf(g.tensor("p1" + at), dtype);
      const Tensor z0 = leaf(g.tensor("z0" + at), dtype), z1 = leaf(g.tensor("z1" + at), dtype);
      const Tensor loss = objective(batch_of({p0, p1}, {z0.detach(), z1.detach()}));
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(p0.grad(), g.tensor("grad_p0" + at), tolerance, floor);
      check_close(p1.grad(), g.tensor("grad_p1" + at), tolerance, floor);
      check_close(objective.support.keys, normalize(g.tensor("bank_after" + at)), tolerance, floor);
      CHECK(objective.support.pointer.item() == g.tensor("ptr_after" + at).to(DType::f64).item());
    }
  }
}

TEST_CASE("NNCLR looks for neighbours before the batch enters its support set") {
  const std::int64_t N = 4, K = 16, D = 20;
  Tensor axes = Tensor::zeros({K, D}), own = Tensor::zeros({N, D});  // axes of their own, away from the set's
  for (std::int64_t k = 0; k < K; ++k) axes.data<float>()[k * D + k] = 1;
  for (std::int64_t i = 0; i < N; ++i) own.data<float>()[i * D + K + i] = 1;
  NeighbourContrast objective{.temperature = 0.1, .support = Queue(K, D, Rng(1))};
  objective.support.keys.copy_from(axes);
  Embeddings z;
  z.online.assign(2, own);
  z.target = z.online;
  // No neighbour tells the rows apart. The same batch again finds itself.
  CHECK(objective(z).item() == Approx(std::log(4.0)).epsilon(1e-5));
  CHECK(objective(z).item() < 0.01);
  check_near(objective.support.keys.slice(0, N), own, 1e-6);
  check_near(objective.support.keys.slice(2 * N, K), axes.slice(2 * N, K), 0);
}

TEST_CASE("NNCLR collapses without its negatives, and not with them", "[learns]") {
  const NnclrConfig config{.queue = 512, .projector_hidden = 64, .predictor_hidden = 64, .dimension = 32};
  // The predictor alone would hold it, as it holds SimSiam.
  const auto whole = nnclr(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5)));
  const Method plain(whole.online.encoder, whole.online.projector, Identity{}, whole.objective, whole.augment,
                     StopGradient{});
  collapses_without_negatives("NNCLR", plain, 0.5, NeighbourAttraction{Queue(512, 32, Rng(seeded(5)))});
}

TEST_CASE("NNCLR lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "nnclr",
      [] {
        return nnclr(TanhBody{}, no_augment(),
                     {.queue = 32, .projector_hidden = 16, .predictor_hidden = 16, .dimension = 8}, Rng(seeded(1)));
      },
      2);
}
