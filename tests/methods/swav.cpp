// SPDX-License-Identifier: MIT

// SwAV: the official step, first loss, prototypes that stand still at first, one batch, and what Sinkhorn keeps it from.

#include "contrastive/methods/swav.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/optim/sgd.hpp"
#include "kernels/support.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_guards.hpp"

using namespace contrastive;

namespace {

struct SwavSeen {
  CollapseWatch embeddings;
  OutputWatch outputs;
  double loss;
};

template <class M>
SwavSeen run_swav(M method) {
  return train_on_shapes(method, 0.2, 120, [&](const Views& views) {
    const Embeddings z = method.embed(views);
    method.objective.prototypes.normalize();
    const OutputWatch outputs = output_watch(method.objective.assignments(z.online[0]));
    return SwavSeen{collapse_watch(z.online[0]), outputs, method.objective(z).item()};
  });
}

}  // namespace

TEST_CASE("SwAV's objective equals the official step: unit prototypes, codes, queue") {
  const std::int64_t B = 4, D = 6, K = 5;
  for (const bool queued : {false, true})
    for (const DType dtype : {DType::f64, DType::f32}) {
      INFO((queued ? "queue " : "no queue ") << to_string(dtype));
      const double tolerance = dtype == DType::f64 ? 1e-9 : 1e-4, floor = dtype == DType::f64 ? 1e-12 : 1e-7;
      const Golden g = load_golden(queued ? "swav_loss_queue.safetensors" : "swav_loss.safetensors");
      SwavAssignment objective{{.queue_from = 1}, Prototypes(K, D, Rng(0)), EmbeddingQueue(2, 12, D)};
      Parameter& weight = objective.prototypes.weight;
      weight = Parameter(g.tensor("prototypes_init").to(dtype).clone());
      Tensor before = objective.queue.rows.clone();
      if (queued) {
        before = g.tensor("queue_init").to(dtype);
        objective.queue.rows = Buffer(before.clone());
        objective.queue.filled.copy_from(Tensor::full({}, 8, DType::i64));  // the last block is zeros
      }
      for (std::int64_t batch = 0; batch < (queued ? 3 : 1); ++batch) {
        const std::string at = "_" + std::to_string(batch);
        const Tensor raw = leaf(g.tensor("embedding_raw" + at), dtype);
        weight.clear_grad();
        // Before its epoch the queue takes nothing.
        const Tensor loss =
            objective(batch_of(views_of(raw, B), {}, {.step = queued ? 1 + batch : 0, .steps_per_epoch = 1}));
        loss.backward();
        check_close(weight, g.tensor("prototypes_normalised"), tolerance, floor);
        check_close(loss, g.tensor("loss" + at), tolerance, floor);
        check_close(raw.grad(), g.tensor("grad_embedding_raw" + at), tolerance, floor);
        check_close(weight.grad(), g.tensor("grad_prototypes" + at), tolerance, floor);
        if (queued)
          check_close(objective.queue.rows, g.tensor("queue_after" + at), tolerance, floor);
        else
          CHECK(same_bits(objective.queue.rows, before));
      }
    }
}

TEST_CASE("SwAV's first step is ln K where all scores are equal") {
  SwavAssignment objective{{.prototypes = 30}, Prototypes(30, 8, Rng(1)), {}};
  objective.prototypes.weight.copy_from(Tensor::full({30, 8}, 1));
  Embeddings z;
  z.online.assign(4, init::normal({8, 8}, 1, Rng(2)));
  CHECK(objective(z).item() == Approx(std::log(30.0)).epsilon(1e-5));
}

TEST_CASE("SwAV's prototypes are unit rows before each step, and stand still at first") {
  auto method =
      swav(TanhBody{}, no_augment(),
           {.hidden = 16, .dimension = 8, .prototypes = 12, .queue = 16, .queue_from = 1, .freeze_epochs = 1}, Rng(1));
  std::vector<std::string> names;
  each_parameter(method, [&](const std::string& name, Parameter&) { names.push_back(name); });
  CHECK(names.back() == "objective.prototypes.weight");
  std::vector<ParameterGroup> groups = parameter_groups(method);
  Sgd optimizer(groups, {});
  const Views views = rows_as_views(4);
  Parameter& weight = method.objective.prototypes.weight;
  method.objective.prototypes.normalize();
  Tensor before = weight.detach().clone();
  for (std::int64_t step = 0; step < 4; ++step) {
    const Progress progress{step, 4, 2};
    const Tensor loss = method.loss(views, progress);
    check_near(sum(square(weight.detach()), 1), Tensor::full({12}, 1), 1e-5);
    loss.backward();
    CHECK(weight.grad().defined());
    method.before_update(progress);
    CHECK(weight.grad().defined() == (step >= 2));
    optimizer.step(0.5);
    optimizer.clear_grad();
    if (step < 2) check_near(weight, before, 1e-6);
    // The queue takes embeddings from epoch 1 = step 2 on.
    CHECK(method.objective.queue.filled.item() == (step < 2 ? 0 : 8 * static_cast<double>(step - 1)));
  }
  CHECK(method.objective.queue.full());
  Tensor moved = weight.detach() - before;
  CHECK(sum(square(moved)).item() > 1e-6);
}

TEST_CASE("SwAV puts all pictures on one prototype without Sinkhorn, and not with it", "[learns]") {
  const SwavConfig config{.hidden = 64, .dimension = 32, .prototypes = 30, .freeze_epochs = 0};
  const auto start = [&] { return swav(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5))); };
  const SwavSeen healthy = run_swav(start());
  check_healthy("SwAV's outputs", healthy.outputs);
  check_healthy("SwAV", healthy.embeddings);
  check_above("SwAV: entropy of the mean", healthy.outputs.entropy_of_mean, 0.9);

  auto parts = start();
  Method without(parts.online.encoder, parts.online.projector, Identity{},
                 without_guards::PlainCodes{config, parts.objective.prototypes}, simclr_cifar(12), Shared{});
  without.views_together = true;
  const SwavSeen collapsed = run_swav(without);
  check_collapsed("SwAV's outputs without Sinkhorn", collapsed.outputs);
  check_below("SwAV without Sinkhorn: entropy of the mean", collapsed.outputs.entropy_of_mean, 0.1);
  check_below("SwAV without Sinkhorn: loss", collapsed.loss, 0.1);
}

TEST_CASE("SwAV lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "swav",
      [] {
        return swav(TanhBody{}, no_augment(),
                    {.hidden = 16, .dimension = 8, .prototypes = 12, .queue = 16, .queue_from = 2, .freeze_epochs = 1},
                    Rng(seeded(1)));
      },
      4);
}
