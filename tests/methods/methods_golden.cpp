// SPDX-License-Identifier: MIT

// Objectives with state as methods hold them, on frozen batches: what is compared is their own order of scoring and
// moving on. Those that draw their negatives are compared, bit for bit, with the same calls written out.

#include <cstring>

#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/cmc.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/instdisc.hpp"
#include "contrastive/methods/nnclr.hpp"
#include "contrastive/methods/swav.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

namespace {

Embeddings batch_of(std::vector<Tensor> online, std::vector<Tensor> target = {}, Progress progress = {}) {
  Embeddings z;
  z.online = std::move(online);
  z.target = std::move(target);
  z.progress = progress;
  return z;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0;
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

TEST_CASE("DINO's objective equals the official step: temperature of the epoch, loss, then the centre") {
  const Golden g = load_golden("dino_loss.safetensors");
  const std::int64_t epoch_of_step[] = {0, 1, 7};
  for (const auto& [dtype, tolerance, floor] : cases) {
    DinoDistillation objective{.teacher_temperature = {.start = 0.04, .end = 0.07, .warmup = 3}, .center = Center(9)};
    objective.center.center = Buffer(g.tensor("center_init").to(dtype).clone());
    for (int step = 0; step < 3; ++step) {
      const std::string at = "_" + std::to_string(step);
      const Tensor student = leaf(g.tensor("student" + at), dtype), teacher = leaf(g.tensor("teacher" + at), dtype);
      const Progress progress{.step = 10 * epoch_of_step[step] + 5, .steps = 80, .steps_per_epoch = 10};
      const Tensor loss = objective(batch_of(views_of(student, 4), views_of(teacher, 4), progress));
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(student.grad(), g.tensor("grad_student" + at), tolerance, floor);
      CHECK_FALSE(teacher.grad().defined());
      check_close(objective.center.center, g.tensor("center_after" + at), tolerance, floor);
    }
  }
}

TEST_CASE("BYOL's objective equals the official loss: each view against the target of the other") {
  const Golden g = load_golden("byol_loss.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Tensor p1 = leaf(g.tensor("p1"), dtype), p2 = leaf(g.tensor("p2"), dtype);
    const Tensor z1 = leaf(g.tensor("z1"), dtype), z2 = leaf(g.tensor("z2"), dtype);
    const Tensor loss = ByolRegression{}(batch_of({p1, p2}, {z1, z2}));
    loss.backward();
    check_close(loss, g.tensor("loss"), tolerance, floor);
    check_close(p1.grad(), g.tensor("grad_p1"), tolerance, floor);
    check_close(p2.grad(), g.tensor("grad_p2"), tolerance, floor);
    for (const Tensor& z : {z1, z2}) CHECK_FALSE(z.grad().defined());
  }
}

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

TEST_CASE("InstDisc's objective with all pictures equals the official step: softmax, then the rows") {
  const Golden g = load_golden("instdisc_softmax.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    InstanceDiscrimination objective{MemoryBank(40, 12, Rng(0)), 0};
    objective.bank.rows = Buffer(g.tensor("memory_init").to(dtype).clone());
    for (const std::string at : {"_0", "_1"}) {
      const Tensor raw = leaf(g.tensor("features_raw" + at), dtype);
      Embeddings z = batch_of({raw});
      const auto pictures = g.tensor("index" + at).span<std::int64_t>();
      z.sample.assign(pictures.begin(), pictures.end());
      const Tensor loss = objective(z);
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(raw.grad(), g.tensor("grad_raw" + at), tolerance, floor);
      check_close(objective.bank.rows, g.tensor("memory_after" + at), tolerance, floor);
    }
  }
}

TEST_CASE("InstDisc's objective has the bits of draw, NCE and update written out") {
  const std::int64_t n = 60, K = 20, D = 16;
  InstanceDiscrimination objective{MemoryBank(n, D, Rng(2)), K, 0.1, 0.4, Rng(3)};
  MemoryBank bank = clone(objective.bank);
  const std::vector<std::vector<std::int64_t>> batches{{3, 9, 27, 41, 59}, {9, 0, 3, 12, 58}, {27, 9, 1, 9, 2}};
  for (std::size_t step = 0; step < batches.size(); ++step) {
    INFO("step " << step);
    const Tensor raw = init::normal({5, D}, 1, Rng(step)), theirs = leaf(raw, DType::f32), ours = leaf(raw, DType::f32);
    Embeddings z = batch_of({ours}, {}, {.step = static_cast<std::int64_t>(step)});
    z.sample = batches[step];
    const Tensor loss = objective(z);
    loss.backward();

    const Tensor f = normalize(theirs);
    const Tensor want = nce(f, bank, bank.draw(batches[step], K, Rng(3) / step), {.temperature = 0.1});
    want.backward();
    bank.update(batches[step], f.detach(), 0.4);
    CHECK(same_bits(loss, want));
    CHECK(same_bits(ours.grad(), theirs.grad()));
    CHECK(same_bits(objective.bank.rows, bank.rows));
    CHECK(same_bits(objective.bank.Z, bank.Z));
  }
}

TEST_CASE("CMC's objective has the bits of one draw, all scores, then all updates written out") {
  const std::int64_t n = 60, K = 20, D = 8;
  using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;  // view, bank
  struct Graph {
    std::size_t views;
    ViewGraph graph;
    Pairs pairs;
  };
  const std::vector<Graph> graphs{{2, ViewGraph::full, {{0, 1}, {1, 0}}},
                                  {3, ViewGraph::core, {{0, 1}, {0, 2}, {1, 0}, {2, 0}}},
                                  {3, ViewGraph::full, {{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}}}};
  const std::vector<std::vector<std::int64_t>> batches{{3, 9, 27, 41}, {9, 0, 3, 12}, {27, 9, 1, 9}};
  for (const auto& [V, graph, pairs] : graphs)
    for (const bool softmax : {false, true}) {
      INFO(V << " views, " << pairs.size() << " pairs, " << (softmax ? "softmax" : "NCE"));
      CrossViewNce objective(V, n, D, Rng(7));
      objective.negatives = K;
      objective.softmax = softmax;
      objective.graph = graph;
      objective.temperature = 0.1;
      objective.momentum = 0.4;
      std::vector<MemoryBank> banks;
      for (const MemoryBank& bank : objective.banks) banks.push_back(clone(bank));
      std::vector<Tensor> Z;
      for (std::size_t p = 0; p < pairs.size(); ++p) Z.push_back(Tensor::zeros({}, DType::f64));
      for (std::size_t step = 0; step < batches.size(); ++step) {
        INFO("step " << step);
        const std::int64_t width = static_cast<std::int64_t>(V) * D;
        const Tensor raw = init::normal({4, width}, 1, Rng(step));
        const Tensor ours = leaf(raw, DType::f32), theirs = leaf(raw, DType::f32);
        Embeddings z = batch_of({ours}, {}, {.step = static_cast<std::int64_t>(step)});
        z.sample = batches[step];
        const Tensor loss = objective(z);
        loss.backward();

        const Tensor sampled = banks[0].draw(batches[step], K, Rng(7) / step);
        std::vector<Tensor> f;
        for (std::int64_t v = 0; v < static_cast<std::int64_t>(V); ++v)
          f.push_back(normalize(narrow(theirs, 1, v * D, (v + 1) * D)));
        Tensor want;
        for (std::size_t p = 0; p < pairs.size(); ++p) {
          MemoryBank scored = banks[pairs[p].second];
          scored.Z = Buffer(Z[p]);
          const Tensor& view = f[pairs[p].first];
          const Tensor one =
              softmax ? sampled_softmax(view, scored, sampled, 0.1) : nce(view, scored, sampled, {.temperature = 0.1});
          want = p == 0 ? one : want + one;
        }
        want.backward();
        for (std::size_t v = 0; v < V; ++v) banks[v].update(batches[step], f[v].detach(), 0.4);
        CHECK(same_bits(loss, want));
        CHECK(same_bits(ours.grad(), theirs.grad()));
        for (std::size_t v = 0; v < V; ++v) CHECK(same_bits(objective.banks[v].rows, banks[v].rows));
        for (std::size_t p = 0; p < pairs.size(); ++p) CHECK(same_bits(objective.Z[p], Z[p]));
      }
    }
}
