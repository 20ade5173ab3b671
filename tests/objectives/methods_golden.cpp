// SPDX-License-Identifier: MIT

// Objectives of single methods against their official implementations.

#include "contrastive/objectives/barlow_twins.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/invariant_spread.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/objectives/soft_targets.hpp"
#include "contrastive/objectives/vicreg.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("Barlow Twins equals the official code") {
  const Golden g = load_golden("barlow_twins.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Tensor z0 = leaf(g.tensor("z1"), dtype), z1 = leaf(g.tensor("z2"), dtype);
    const Tensor loss = barlow_twins(z0, z1);
    loss.backward();
    check_close(loss, g.tensor("loss"), tolerance, floor);
    check_close(z0.grad(), g.tensor("grad_z1"), tolerance, floor);
    check_close(z1.grad(), g.tensor("grad_z2"), tolerance, floor);
  }
}

TEST_CASE("VICReg equals the official code") {
  const Golden g = load_golden("vicreg.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Tensor z0 = leaf(g.tensor("z1"), dtype), z1 = leaf(g.tensor("z2"), dtype);
    const Tensor loss = vicreg(z0, z1);
    loss.backward();
    check_close(loss, g.tensor("loss"), tolerance, floor);
    check_close(z0.grad(), g.tensor("grad_z1"), tolerance, floor);
    check_close(z1.grad(), g.tensor("grad_z2"), tolerance, floor);
  }
}

TEST_CASE("InvaSpread's loss equals the official code, its gradient through one factor") {
  const Golden g = load_golden("invaspread.safetensors");
  const Tensor z = leaf(g.tensor("features_raw"), DType::f64);
  for (const auto& [name, weight] : {std::pair{"m1", 1.0}, {"m2", 2.0}, {"m0.5", 0.5}}) {
    INFO(name);
    z.clear_grad();
    const Tensor loss = invariant_spread(z.slice(0, 6), z.slice(6, 12), 0.1, weight);
    loss.backward();
    check_close(loss, g.tensor(std::string("loss_") + name), 1e-10, 1e-12);
    check_close(z.grad(), g.tensor(std::string("grad_raw_") + name), 1e-10, 1e-12);
  }
}

TEST_CASE("InstDisc's NCE and bank equal the official code over two batches") {
  const Golden g = load_golden("instdisc_nce.safetensors");
  MemoryBank bank(40, 12, Rng(0));
  bank.rows = Buffer(g.tensor("memory_init").clone());
  for (const std::string at : {"_0", "_1"}) {
    const Tensor raw = leaf(g.tensor("features_raw" + at), DType::f64), feature = normalize(raw);
    const Tensor loss = nce(feature, bank, g.tensor("sampled" + at));
    loss.backward();
    bank.update(g.tensor("index" + at).span<std::int64_t>(), feature.detach());
    check_close(loss, g.tensor("loss" + at), 1e-10, 1e-12);
    check_close(raw.grad(), g.tensor("grad_raw" + at), 1e-10, 1e-12);
    check_close(bank.Z, g.tensor("Z_after" + at), 1e-10, 1e-12);
    check_close(bank.rows, g.tensor("memory_after" + at), 1e-10, 1e-12);
  }
}

TEST_CASE("InstDisc's softmax over the whole bank equals the official code over two batches") {
  const Golden g = load_golden("instdisc_softmax.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    MemoryBank bank(40, 12, Rng(0));
    bank.rows = Buffer(g.tensor("memory_init").to(dtype).clone());
    for (const std::string at : {"_0", "_1"}) {
      const Tensor raw = leaf(g.tensor("features_raw" + at), dtype), feature = normalize(raw);
      const auto pictures = g.tensor("index" + at).span<std::int64_t>();
      const Tensor loss = bank_softmax(feature, bank, pictures);
      bank.update(pictures, feature.detach());
      loss.backward();  // after the update: the gradient is of the rows that were scored
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(raw.grad(), g.tensor("grad_raw" + at), tolerance, floor);
      check_close(bank.rows, g.tensor("memory_after" + at), tolerance, floor);
    }
  }
}

TEST_CASE("CMC's two banks score each other's views, by NCE and by softmax") {
  for (const bool softmax : {false, true}) {
    const Golden g = load_golden(softmax ? "cmc_softmax.safetensors" : "cmc_nce.safetensors");
    MemoryBank bank_l(50, 10, Rng(0)), bank_ab(50, 10, Rng(0));
    bank_l.rows = Buffer(g.tensor("memory_l_init").clone());
    bank_ab.rows = Buffer(g.tensor("memory_ab_init").clone());
    for (const std::string at : {"_0", "_1"}) {
      const Tensor l = leaf(g.tensor("raw_l" + at), DType::f64), ab = leaf(g.tensor("raw_ab" + at), DType::f64);
      const Tensor f_l = normalize(l), f_ab = normalize(ab), sampled = g.tensor("sampled" + at);
      const Tensor loss_l = softmax ? sampled_softmax(f_l, bank_ab, sampled) : nce(f_l, bank_ab, sampled);
      const Tensor loss_ab = softmax ? sampled_softmax(f_ab, bank_l, sampled) : nce(f_ab, bank_l, sampled);
      const Tensor loss = loss_l + loss_ab;
      loss.backward();
      const auto index = g.tensor("index" + at);
      bank_l.update(index.span<std::int64_t>(), f_l.detach());
      bank_ab.update(index.span<std::int64_t>(), f_ab.detach());
      check_close(loss, g.tensor("loss" + at), 1e-10, 1e-12);
      check_close(loss_l, g.tensor("loss_l" + at), 1e-10, 1e-12);
      check_close(loss_ab, g.tensor("loss_ab" + at), 1e-10, 1e-12);
      if (!softmax) {  // Z is named for the view that is scored, by the other's bank
        check_close(bank_ab.Z, g.tensor("Z_l" + at), 1e-10, 1e-12);
        check_close(bank_l.Z, g.tensor("Z_ab" + at), 1e-10, 1e-12);
      }
      check_close(l.grad(), g.tensor("grad_raw_l" + at), 1e-10, 1e-12);
      check_close(ab.grad(), g.tensor("grad_raw_ab" + at), 1e-10, 1e-12);
      check_close(bank_l.rows, g.tensor("memory_l_after" + at), 1e-10, 1e-12);
      check_close(bank_ab.rows, g.tensor("memory_ab_after" + at), 1e-10, 1e-12);
    }
  }
}

TEST_CASE("rows are drawn as a stream gives them, one number after the other") {
  for (const std::uint64_t n :
       {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{50000}, std::uint64_t{4294967295}, std::uint64_t{1} << 33})
    for (const std::size_t K : {1, 2, 15, 16, 17, 1001}) {
      const Rng rng = Rng(n) / K;
      std::vector<std::int64_t> drawn(K);
      similarity::draw_below(rng, n, drawn);
      Stream stream(rng);
      for (const std::int64_t number : drawn) REQUIRE(number == static_cast<std::int64_t>(stream.below(n)));
    }
}

TEST_CASE("NCE in float32 follows float64, at a size with whole vectors") {
  const std::int64_t N = 9, D = 72, n = 100, K = 30;
  MemoryBank bank(n, D, Rng(1)), wide = bank;
  wide.rows = Buffer(bank.rows.to(DType::f64));
  wide.Z = Buffer(Tensor::zeros({}, DType::f64));
  std::vector<std::int64_t> pictures(N);
  for (std::int64_t i = 0; i < N; ++i) pictures[i] = 7 * i;
  const Tensor sampled = bank.draw(pictures, K, Rng(2));
  CHECK(sampled.data<std::int64_t>()[K + 1] == 7);
  const Tensor f = normalize(init::normal({N, D}, 1, Rng(3)));
  const Tensor a = leaf(f, DType::f32), b = leaf(f, DType::f64);
  nce(a, bank, sampled).backward();
  nce(b, wide, sampled).backward();
  CHECK(bank.Z.item() == Approx(wide.Z.item()).epsilon(1e-5));
  check_close(a.grad(), b.grad(), 1e-5, 1e-8);
  const GradcheckResult result =
      gradcheck([&](const std::vector<Tensor>& x) { return nce(x[0], wide, sampled); }, {f.to(DType::f64)});
  INFO(result.message);
  CHECK(result.ok);
  CHECK_THROWS_WITH(nce(a, bank, Tensor::full({N, 3}, 100, DType::i64)), Contains("row 100 is outside a bank of 100"));
}

TEST_CASE("rows drawn from a bank of many stretches are scored as a loop scores them, whatever the threads") {
  const std::int64_t N = 5, D = 203, n = 3000, K = 400;
  const double t = 0.1, epsilon = 1e-7, c = double(K) / double(n);
  for (const DType dtype : {DType::f64, DType::f32}) {
    CAPTURE(to_string(dtype));
    const double tolerance = dtype == DType::f64 ? 1e-10 : 3e-5;
    MemoryBank bank(n, D, Rng(1));
    bank.rows = Buffer(bank.rows.to(dtype));
    bank.Z = Buffer(Tensor::full({}, 5000, DType::f64));
    const std::vector<std::int64_t> pictures{17, 2999, 0, 1024, 17};
    const Tensor sampled = bank.draw(pictures, K, Rng(2)), v = bank.rows.to(DType::f64);
    const Tensor f = normalize(init::normal({N, D}, 1, Rng(3)));
    const Tensor wide = f.to(dtype).to(DType::f64), df({N, D}, DType::f64), ds({N, D}, DType::f64);
    for (double& x : df.span<double>()) x = 0;
    for (double& x : ds.span<double>()) x = 0;
    double loss = 0, softmax_loss = 0;
    for (std::int64_t i = 0; i < N; ++i) {
      const std::int64_t* const drawn = sampled.data<std::int64_t>() + i * (K + 1);
      std::vector<double> score(K + 1);
      double all = 0;
      for (std::int64_t k = 0; k <= K; ++k) {
        for (std::int64_t d = 0; d < D; ++d)
          score[k] += wide.data<double>()[i * D + d] * v.data<double>()[drawn[k] * D + d] / t;
        all += std::exp(score[k]);
      }
      softmax_loss += (std::log(all) - score[0]) / N;
      for (std::int64_t k = 0; k <= K; ++k) {
        const double P = std::exp(score[k]) / 5000, sum = P + c + epsilon;
        loss -= (k == 0 ? std::log(P / sum) : std::log(c / sum)) / N;
        const double slope = (k == 0 ? -(c + epsilon) : P) / sum / t / N;
        const double chance = (std::exp(score[k]) / all - (k == 0)) / t / N;
        for (std::int64_t d = 0; d < D; ++d) {
          df.data<double>()[i * D + d] += slope * v.data<double>()[drawn[k] * D + d];
          ds.data<double>()[i * D + d] += chance * v.data<double>()[drawn[k] * D + d];
        }
      }
    }
    const Tensor a = leaf(f, dtype), b = leaf(f, dtype), again = leaf(f, dtype);
    const Tensor got = nce(a, bank, sampled, {.temperature = t});
    got.backward();
    const Tensor soft = sampled_softmax(b, bank, sampled, t);
    soft.backward();
    CHECK(got.item() == Approx(loss).epsilon(tolerance));
    CHECK(soft.item() == Approx(softmax_loss).epsilon(tolerance));
    check_close(a.grad(), df, tolerance, tolerance * 1e-2);
    check_close(b.grad(), ds, tolerance, tolerance * 1e-2);
    const int before = threads();
    set_threads(before == 1 ? 3 : 1);
    nce(again, bank, sampled, {.temperature = t}).backward();
    set_threads(before);
    check_close(again.grad(), a.grad(), 0, 0);
  }
}

TEST_CASE("soft targets: open_clip's distillation and ActionCLIP's divergence") {
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Golden g = load_golden("clip_distill.safetensors");
    const Tensor image = leaf(g.tensor("image_raw"), dtype), text = leaf(g.tensor("text_raw"), dtype);
    const Tensor log_scale = leaf(g.tensor("log_scale"), dtype);
    const Tensor a = normalize(image), b = normalize(text);
    // The teacher's features are scored by its own scale of 20.
    const Tensor teacher = matmul(g.tensor("teacher_image"), g.tensor("teacher_text"), false, true, 20).to(dtype);
    const int turned[] = {1, 0};
    const Tensor distill = (soft_target_info_nce(a, b, log_scale, softmax(teacher)) +
                            soft_target_info_nce(b, a, log_scale, softmax(permute(teacher, turned)))) *
                           0.5;
    const Tensor contrastive = clip_loss(a, b, log_scale);
    check_close(contrastive, g.tensor("loss_contrastive"), tolerance, floor);
    check_close(distill, g.tensor("loss_distill"), tolerance, floor);
    (contrastive + distill).backward();
    check_close(image.grad(), g.tensor("grad_image_raw_sum"), tolerance, floor);
    check_close(text.grad(), g.tensor("grad_text_raw_sum"), tolerance, floor);
    check_close(log_scale.grad(), g.tensor("grad_log_scale_sum"), tolerance, floor);

    const Golden k = load_golden("actionclip_kl.safetensors");
    const Tensor x = leaf(k.tensor("image_raw"), dtype), y = leaf(k.tensor("text_raw"), dtype);
    const Tensor scale = leaf(k.tensor("log_scale"), dtype);
    const Tensor u = normalize(x), v = normalize(y), T = softmax(k.tensor("ground_truth").to(dtype) * 10);
    const Tensor entropy = sum(T * log(T)) * (1.0 / 8);  // of symmetric targets: the same in both directions
    const Tensor loss = (soft_target_info_nce(u, v, scale, T) + soft_target_info_nce(v, u, scale, T)) * 0.5 + entropy;
    loss.backward();
    check_close(loss, k.tensor("loss"), tolerance, 1e-6);
    check_close(x.grad(), k.tensor("grad_image_raw"), tolerance, floor);
    check_close(y.grad(), k.tensor("grad_text_raw"), tolerance, floor);
    check_close(scale.grad(), k.tensor("grad_log_scale"), tolerance, floor);
  }
}
