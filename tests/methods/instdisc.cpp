// SPDX-License-Identifier: MIT

// InstDisc: first loss, order of scores and rows, the official step, resuming, and what other pictures keep it
// from.

#include "contrastive/methods/instdisc.hpp"
#include "kernels/support.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

/// `Attraction` of a bank: a picture goes to its row, the row to the picture.
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

}  // namespace

TEST_CASE("InstDisc starts at ln(K + 1) + 1, and at ln n with the softmax over all") {
  const std::int64_t n = 300, K = 64, D = 16;
  const Tensor z = init::normal({5, D}, 1, Rng(1));
  InstanceDiscrimination objective{MemoryBank(n, D, Rng(2)), K, 0.1, 0.5, Rng(3)};
  objective.bank.rows = Buffer(Tensor::zeros({n, D}));  // all similarities equal
  CHECK(objective(one_view(z, {0, 7, 50, 2, 299})).item() ==
        Approx(std::log(K + 1.0) + K * std::log(1 + 1.0 / K)).epsilon(1e-5));
  CHECK(std::log(K + 1.0) + K * std::log(1 + 1.0 / K) == Approx(std::log(K + 1.0) + 1).epsilon(0.01));
  CHECK(objective.bank.Z.item() == Approx(n).epsilon(1e-6));

  InstanceDiscrimination all{MemoryBank(n, D, Rng(2)), 0, 0.1};
  all.bank.rows = Buffer(Tensor::zeros({n, D}));
  CHECK(all(one_view(z, {0, 7, 50, 2, 299})).item() == Approx(std::log(300.0)).epsilon(1e-5));

  // From the random bank: the variance of the logits, 1 / (D t^2), adds half of itself.
  InstanceDiscrimination random{MemoryBank(4000, 128, Rng(2)), 0, 0.2};
  std::vector<std::int64_t> pictures(200);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::int64_t>(3 * i);
  const double start = random(one_view(init::normal({200, 128}, 1, Rng(4)), pictures)).item();
  CHECK(std::abs(start - (std::log(4000.0) + 0.5 / (128 * 0.04))) < 0.1);
}

TEST_CASE("InstDisc's Z stays what the first batch made it, and rows are drawn anew each step") {
  const Tensor z = init::normal({4, 8}, 1, Rng(1));
  InstanceDiscrimination objective{MemoryBank(50, 8, Rng(2)), 20, 0.1, 0.5, Rng(3)};
  InstanceDiscrimination other = objective;
  other.bank = clone(objective.bank);
  Embeddings batch = one_view(z, {1, 2, 3, 4});
  objective(batch);
  const double Z = objective.bank.Z.item();
  CHECK(Z > 0);
  batch.progress.step = 1;
  objective(batch);
  CHECK(objective.bank.Z.item() == Z);
  other(batch);
  CHECK(other.bank.Z.item() != Z);
}

TEST_CASE("a bank row that moves before it is scored gives the answer away") {
  const std::int64_t n = 256, D = 32;
  const Tensor z = init::normal({32, D}, 1, Rng(1)), f = normalize(z);
  std::vector<std::int64_t> pictures(32);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::int64_t>(5 * i);
  for (const std::int64_t negatives : {64, 0}) {
    InstanceDiscrimination objective{MemoryBank(n, D, Rng(2)), negatives, 0.1, 0.5, Rng(3)};
    MemoryBank leaky = clone(objective.bank);
    const double fair = objective(one_view(z, pictures)).item();
    leaky.update(pictures, f);
    const double leaked = negatives == 0
                              ? bank_softmax(f, leaky, pictures, 0.1).item()
                              : nce(f, leaky, leaky.draw(pictures, negatives, Rng(3)), {.temperature = 0.1}).item();
    CHECK(fair > 4);
    CHECK(leaked < 0.5 * fair);
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

TEST_CASE("InstDisc resumes to the bit, and its loss falls on shapes", "[learns]") {
  for (const std::int64_t negatives : {64, 0}) {
    const auto make = [&] {
      return instdisc(tiny_encoder(Rng(seeded(5))), instdisc_cifar(12),
                      {.pictures = 256, .negatives = negatives, .temperature = 0.2, .dimension = 32}, Rng(seeded(5)));
    };
    check_resumes(make);
    // Once every row has been visited: before, the bank is noise and the features are not.
    auto method = make();
    const std::vector<double> losses = train_steps(method, 0, 120, 0.02);
    check_below(join("InstDisc, ", negatives, " negatives: loss of the last epoch less the second's"),
                epoch_of(losses, 14) - epoch_of(losses, 1), 0);
  }
}

TEST_CASE("InstDisc names a bank that does not fit its data set") {
  const auto make = [](InstDiscConfig config) { return instdisc(tiny_encoder(Rng(1)), instdisc(12), config, Rng(1)); };
  CHECK_THROWS_WITH(make({.pictures = 1000}),
                    Contains("4096 negatives cannot be drawn from a data set of 1000 pictures"));
  CHECK_THROWS_WITH(make({}), Contains("needs the number of pictures"));
  InstanceDiscrimination objective{MemoryBank(50, 8, Rng(2)), 20};
  CHECK_THROWS_WITH(objective(one_view(Tensor::full({2, 8}, 1), {3, 50})),
                    Contains("picture 50 has no row in a bank of 50"));
}

TEST_CASE("InstDisc collapses without its negatives, and not with them", "[learns]") {
  const auto augment = simclr_cifar(12);
  const InstDiscConfig config{.pictures = 512, .negatives = 0, .temperature = 0.1, .dimension = 32};
  collapses_without_negatives("InstDisc", instdisc(tiny_encoder(Rng(seeded(5))), augment, config, Rng(seeded(5))), 0.6,
                              BankAttraction{MemoryBank(512, 32, Rng(seeded(5)))});
}
