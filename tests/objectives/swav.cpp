// SPDX-License-Identifier: MIT

// Sinkhorn's codes and SwAV's loss, queue and prototypes against the official code; what two processes share, DINO's
// centre too.

#include <barrier>
#include <thread>

#include "contrastive/objectives/dino.hpp"
#include "contrastive/objectives/swav.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

namespace {

std::vector<double> sums(const Tensor& x, int axis) {
  const Tensor s = sum(x.to(DType::f64), axis);
  return {s.data<double>(), s.data<double>() + s.count()};
}

/// Two threads as two processes.
class Pair {
 public:
  struct End {
    Pair* pair;
    std::int64_t index;
    std::int64_t rank() const { return index; }
    std::int64_t size() const { return 2; }
    void all_reduce_sum(const Tensor& x) const {
      pair->exchange(*this, x, [](double a, double b) { return a + b; });
    }
    void all_reduce_max(const Tensor& x) const {
      pair->exchange(*this, x, [](double a, double b) { return std::max(a, b); });
    }
  };
  End end(std::int64_t rank) { return {this, rank}; }

 private:
  template <class F>
  void exchange(const End& end, const Tensor& x, F&& joined) {
    parts_[end.index] = x.clone();
    meeting_.arrive_and_wait();
    for (std::int64_t i = 0; i < x.count(); ++i)
      x.data<double>()[i] = joined(parts_[0].data<double>()[i], parts_[1].data<double>()[i]);
    meeting_.arrive_and_wait();
  }
  Tensor parts_[2];
  std::barrier<> meeting_{2};
};

}  // namespace

TEST_CASE("Sinkhorn's codes equal the official ones, and go on where those overflow") {
  const Golden g = load_golden("swav_sinkhorn.safetensors");
  for (const DType dtype : {DType::f64, DType::f32})
    for (const std::string kind : {"cos", "wide", "large", "overflow"})
      for (const auto& [epsilon, iterations] : {std::pair{"0.05", 3}, {"0.05", 10}, {"0.03", 3}, {"0.5", 1}}) {
        const std::string name = "Q_" + kind + "_eps" + epsilon + "_it" + std::to_string(iterations);
        if (!g.has(name)) continue;
        INFO(name << " " << to_string(dtype));
        const Tensor Q = sinkhorn(g.tensor("scores_" + kind).to(dtype), {std::stod(epsilon), iterations});
        check_close(Q, g.tensor(name), 0, dtype == DType::f64 ? 1e-10 : 1e-5);
        for (const double sum : sums(Q, 1)) CHECK(sum == Approx(1).epsilon(1e-5));
      }
}

TEST_CASE("Sinkhorn shares the prototypes out evenly, and does not mind a shift of the scores") {
  const std::int64_t B = 64, K = 10;
  const Tensor scores = init::normal({B, K}, 0.2, Rng(1));
  for (const double share : sums(sinkhorn(scores, {.iterations = 50}), 0)) CHECK(share == Approx(6.4).epsilon(1e-4));
  const auto few = sums(sinkhorn(scores), 0), plain = sums(softmax(scores / 0.05), 0);
  double worst_few = 0, worst_plain = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    worst_few = larger(worst_few, std::abs(few[k] - 6.4));
    worst_plain = larger(worst_plain, std::abs(plain[k] - 6.4));
  }
  CHECK(worst_few < 0.5 * worst_plain);
  Tensor shifted = scores + init::normal({1, K}, 100, Rng(2));  // by prototype, which the first scaling takes out
  check_close(sinkhorn(shifted, {.epsilon = 1}), sinkhorn(scores, {.epsilon = 1}), 0, 1e-4);
  for (const double huge : {1e4, 1e30})
    for (const double sum : sums(sinkhorn(scores * huge), 1)) CHECK(sum == Approx(1).epsilon(1e-5));
  CHECK_THROWS_WITH(sinkhorn(scores, {.epsilon = 0}), Contains("[sinkhorn] epsilon must be 0.0001 to 10000, got 0"));
}

TEST_CASE("two processes with half a batch each find the codes of one") {
  const Golden g = load_golden("two_ranks.safetensors");
  const Tensor scores = g.tensor("sinkhorn_scores"), want = g.tensor("one.sinkhorn.Q");
  Pair pair;
  Tensor Q[2];
  const auto rank = [&](std::int64_t r) { Q[r] = sinkhorn(scores.slice(r * 4, r * 4 + 4), {}, pair.end(r)); };
  std::thread other([&] { rank(1); });
  rank(0);
  other.join();
  for (std::int64_t r = 0; r < 2; ++r) {
    check_close(Q[r], want.slice(r * 4, r * 4 + 4), 1e-10, 1e-12);
    check_close(Q[r], g.tensor("rank" + std::to_string(r) + ".sinkhorn.Q"), 1e-10, 1e-12);
  }
}

TEST_CASE("two processes with half a batch each keep DINO's centre of one") {
  const Golden g = load_golden("two_ranks.safetensors");
  const std::int64_t B = 8, half = B / 2;
  const auto rows = [&](const std::string& name, std::int64_t crops, std::int64_t from, std::int64_t to) {
    std::vector<Tensor> list;
    for (std::int64_t v = 0; v < crops; ++v) list.push_back(g.tensor(name).slice(v * B + from, v * B + to));
    return concat(list);
  };
  const auto views = [](const Tensor& all, std::int64_t crops) {
    std::vector<Tensor> list;
    const std::int64_t n = all.size(0) / crops;
    for (std::int64_t v = 0; v < crops; ++v) list.push_back(all.slice(v * n, v * n + n));
    return list;
  };
  struct Found {
    Tensor loss, gradient, center;
  };
  const auto run = [&](std::int64_t from, std::int64_t to, const auto& processes) {
    Center center(6);
    center.center = Buffer(g.tensor("dino_center").clone());
    const Tensor student = leaf(rows("dino_student", 4, from, to), DType::f64);
    const std::vector<Tensor> teacher = views(rows("dino_teacher", 2, from, to), 2);
    const Tensor loss = dino_loss(views(student, 4), teacher, center, 0.04);
    loss.backward();
    center.update(teacher, 0.9, processes);
    return Found{loss, student.grad(), center.center};
  };
  const auto check = [&](const Found& found, const std::string& who) {
    INFO(who);
    check_close(found.loss, g.tensor(who + ".dino.loss"), 1e-10, 1e-12);
    check_close(found.gradient, g.tensor(who + ".dino.grad_student"), 1e-10, 1e-12);
    check_close(found.center, g.tensor(who + ".dino.center_after"), 1e-10, 1e-12);
  };
  check(run(0, B, LocalCommunicator{}), "one");
  Pair pair;
  Found found[2];
  std::thread other([&] { found[1] = run(half, B, pair.end(1)); });
  found[0] = run(0, half, pair.end(0));
  other.join();
  check(found[0], "rank0");
  check(found[1], "rank1");
  // Alone, half a batch has another centre.
  const Tensor lonely = run(0, half, LocalCommunicator{}).center - g.tensor("one.dino.center_after");
  CHECK(sum(square(lonely)).item() > 1e-4);
}

TEST_CASE("SwAV's loss, gradients, codes and queue equal the official code") {
  const std::int64_t B = 4, D = 6, K = 5;
  for (const bool queued : {false, true})
    for (const DType dtype : {DType::f64, DType::f32}) {
      INFO((queued ? "queue " : "no queue ") << to_string(dtype));
      const double tolerance = dtype == DType::f64 ? 1e-9 : 1e-4, floor = dtype == DType::f64 ? 1e-12 : 1e-7;
      const Golden g = load_golden(queued ? "swav_loss_queue.safetensors" : "swav_loss.safetensors");
      Prototypes prototypes(K, D, Rng(0));
      prototypes.weight = Parameter(g.tensor("prototypes_init").to(dtype).clone());
      prototypes.normalize();
      check_close(prototypes.weight, g.tensor("prototypes_normalised"), tolerance, floor);
      EmbeddingQueue queue(2, 12, D);
      if (queued) {
        queue.rows = Buffer(g.tensor("queue_init").to(dtype).clone());
        queue.filled.copy_from(Tensor::full({}, 8, DType::i64));  // the last block is zeros
      }
      for (int batch = 0; batch < (queued ? 3 : 1); ++batch) {
        const std::string at = "_" + std::to_string(batch);
        const Tensor raw = leaf(g.tensor("embedding_raw" + at), dtype), all = normalize(raw);
        std::vector<Tensor> z;
        for (std::int64_t v = 0; v < 6; ++v) z.push_back(all.slice(v * B, v * B + B));
        for (std::int64_t i = 0; i < 2; ++i)
          check_close(swav_codes(z[i], prototypes, queued && queue.full() ? queue.of(i) : Tensor(), {}),
                      g.tensor("codes_crop" + std::to_string(i) + at), tolerance, floor);
        prototypes.weight.clear_grad();
        const Tensor loss = swav_loss(z, 2, prototypes, queued ? &queue : nullptr);
        loss.backward();
        check_close(loss, g.tensor("loss" + at), tolerance, floor);
        check_close(raw.grad(), g.tensor("grad_embedding_raw" + at), tolerance, floor);
        check_close(prototypes.weight.grad(), g.tensor("grad_prototypes" + at), tolerance, floor);
        if (queued) check_close(queue.rows, g.tensor("queue_after" + at), tolerance, floor);
      }
    }
}

TEST_CASE("swapped prediction by loops, and its gradient") {
  const std::int64_t B = 3, K = 4;
  for (const std::size_t T : {1u, 2u, 3u}) {
    const std::size_t V = 3;
    std::vector<Tensor> scores, targets;
    for (std::size_t v = 0; v < V; ++v) scores.push_back(init::normal({B, K}, 1, Rng(v)).to(DType::f64));
    for (std::size_t i = 0; i < T; ++i) targets.push_back(softmax(init::normal({B, K}, 1, Rng(9 + i)).to(DType::f64)));
    double want = 0;
    for (std::size_t i = 0; i < T; ++i)
      for (std::size_t v = 0; v < V; ++v)
        for (std::int64_t b = 0; b < B && v != i; ++b) {
          const double *s = scores[v].data<double>() + b * K, *q = targets[i].data<double>() + b * K;
          double total = 0;
          for (std::int64_t k = 0; k < K; ++k) total += std::exp(s[k] / 0.3);
          for (std::int64_t k = 0; k < K; ++k) want -= q[k] * (s[k] / 0.3 - std::log(total));
        }
    want /= static_cast<double>(T * (V - 1) * B);
    CHECK(swapped_prediction(scores, targets, 0.3).item() == Approx(want).epsilon(1e-12));
    const GradcheckResult result =
        gradcheck([&](const std::vector<Tensor>& x) { return swapped_prediction(x, targets, 0.3); }, scores);
    INFO(result.message);
    CHECK(result.ok);
  }
  const std::vector<Tensor> same(4, Tensor::full({2, 3000}, 0.7));
  const std::vector<Tensor> even(2, Tensor::full({2, 3000}, 1.0 / 3000));
  CHECK(swapped_prediction(same, even, 0.1).item() == Approx(std::log(3000.0)).epsilon(1e-5));
  CHECK_THROWS_WITH(swapped_prediction(std::span(same).first(1), std::span(even).first(1), 0.1),
                    Contains("[swapped_prediction] expected at least two views"));
}

TEST_CASE("swapped prediction in float32 follows float64 over whole vectors, tails and large scores") {
  for (const std::int64_t K : {1, 15, 16, 37, 300})
    for (const double size : {1.0, 50.0}) {
      INFO(K << " " << size);
      std::vector<Tensor> narrow, wide, targets, wide_targets;
      for (std::uint64_t v = 0; v < 4; ++v) {
        const Tensor scores = init::normal({3, K}, size, Rng(v));
        narrow.push_back(leaf(scores, DType::f32));
        wide.push_back(leaf(scores, DType::f64));
        if (v >= 2) continue;
        targets.push_back(softmax(scores * 3));
        wide_targets.push_back(targets.back().to(DType::f64));
      }
      const Tensor got = swapped_prediction(narrow, targets, 0.1);
      got.backward();
      const Tensor want = swapped_prediction(wide, wide_targets, 0.1);
      want.backward();
      check_close(got, want, 1e-5, 1e-6);
      for (std::size_t v = 0; v < 4; ++v) check_close(narrow[v].grad(), wide[v].grad(), 1e-4, 1e-6);
    }
}

TEST_CASE("an embedding queue is newest first and refuses what does not divide it") {
  EmbeddingQueue queue(1, 4, 2);
  const auto push = [&](double value) { queue.push(std::vector<Tensor>{Tensor::full({2, 2}, value)}); };
  push(1);
  CHECK_FALSE(queue.full());
  push(2);
  CHECK(queue.full());
  push(3);
  CHECK(queue.of(0).data<float>()[0] == 3);
  CHECK(queue.of(0).data<float>()[4] == 2);
  CHECK_THROWS_WITH(queue.push(std::vector<Tensor>{Tensor::zeros({3, 2})}), Contains("3 does not divide 4"));
}
