// SPDX-License-Identifier: MIT

// One rule for the lengths of rows: normalised where the loss is on cosines, refused where published code takes unit rows.

#include <Eigen/Core>

#include "contrastive/interop/eigen.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/invariant_spread.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/soft_targets.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

namespace {

Tensor random(std::int64_t N, std::int64_t D, std::uint64_t seed, DType dtype = DType::f64) {
  return init::normal({N, D}, 1, Rng(seed)).to(dtype);
}
Tensor scalar(double value, DType dtype = DType::f64) { return Tensor::full({}, value, dtype); }

/// Row i times a length between 0.03 and 30.
Tensor stretched(const Tensor& x) {
  const Tensor y = x.clone();
  for (std::int64_t i = 0; i < x.size(0); ++i)
    for (std::int64_t d = 0; d < x.size(1); ++d)
      y.data<double>()[i * x.size(1) + d] *= std::pow(10.0, 1.5 * std::sin(static_cast<double>(i)));
  return y;
}

}  // namespace

TEST_CASE("losses on cosines do not see the lengths of their rows") {
  const std::int64_t N = 17, D = 9;
  const Tensor a = random(N, D, 1), b = random(N, D, 2), queue = random(40, D, 3), A = stretched(a), B = stretched(b),
               Q = stretched(queue);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < N; ++i) labels.push_back(i % 4);
  const auto same = [](double of_any, double of_unit) { CHECK(of_any == Approx(of_unit).epsilon(1e-10)); };
  same(info_nce(A, B, 0.2).item(), info_nce(normalize(a), normalize(b), 0.2, RowLength::unit).item());
  same(info_nce(A, B, Q, 0.2).item(),
       info_nce(normalize(a), normalize(b), normalize(queue), 0.2, RowLength::unit).item());
  same(nt_xent(A, B, 0.2).item(), nt_xent(normalize(a), normalize(b), 0.2).item());
  same(decoupled_info_nce(A, B, 0.2).item(), decoupled_info_nce(normalize(a), normalize(b), 0.2).item());
  same(sup_con(A, labels).item(), sup_con(normalize(a), labels).item());
  same(invariant_spread(A, B).item(), invariant_spread(normalize(a), normalize(b)).item());
  const RowMajorMatrix<double> x = as_eigen<double>(A), y = as_eigen<double>(B);
  same(info_nce(x, y, 0.2).loss, info_nce(A, B, 0.2).item());
  same(nt_xent(x, y, 0.2).loss, nt_xent(A, B, 0.2).item());
  same(decoupled_info_nce(x, y, 0.2).loss, decoupled_info_nce(A, B, 0.2).item());
  same(sup_con(x, labels).loss, sup_con(A, labels).item());
}

TEST_CASE("InfoNCE with a queue follows its dense form for rows of any length") {
  // The last temperature leaves sums in float that need a running maximum.
  for (const auto& [N, K, D] : {std::tuple(1, 1, 1), {5, 64, 3}, {37, 300, 40}})
    for (const double t : {0.2, 0.002}) {
      const Tensor q = stretched(random(N, D, 1)), k = stretched(q * 0.1 + random(N, D, 2)),
                   n = stretched(random(K, D, 3));
      for (const RowLength length : {RowLength::normalize, RowLength::any}) {
        if (length == RowLength::any && t < 0.1) continue;
        const double by = length == RowLength::any ? 1e-3 : 1;
        const auto run = [&](bool engine, DType dtype) {
          const Tensor x = leaf(q * by, dtype), y = leaf(k * by, dtype), negatives = (n * by).to(dtype);
          const Tensor loss =
              engine ? info_nce(x, y, negatives, t, length) : dense::info_nce(x, y, negatives, t, length);
          loss.backward();
          return std::array{loss, x.grad(), y.grad()};
        };
        const auto want = run(false, DType::f64);
        for (const auto& [dtype, tolerance, floor] : cases) {
          INFO("N " << N << " K " << K << " D " << D << " t " << t << " " << to_string(dtype) << " length "
                    << static_cast<int>(length));
          const auto got = run(true, dtype);
          const bool narrow = dtype == DType::f32;
          for (std::size_t i = 0; i < 3; ++i)
            check_close(got[i], want[i], narrow ? tolerance + 1e-6 / t : tolerance, narrow ? 1e-5 : floor);
          CHECK(info_nce((q * by).to(dtype), (k * by).to(dtype), (n * by).to(dtype), t, length).item() ==
                Approx(want[0].item()).epsilon(1e-4).margin(1e-6));  // without gradients
        }
      }
    }
  const Tensor q = random(24, 16, 1).to(DType::bf16), k = random(24, 16, 2).to(DType::bf16),
               n = random(200, 16, 3).to(DType::bf16);
  const Tensor x = leaf(q, DType::bf16), x32 = leaf(q, DType::f32);
  const Tensor loss = info_nce(x, k, n, 0.2);
  loss.backward();
  const Tensor loss32 = info_nce(x32, k.to(DType::f32), n.to(DType::f32), 0.2);
  loss32.backward();
  CHECK(loss.item() == Approx(loss32.item()).epsilon(1e-6));
  check_close(x.grad(), x32.grad(), 1e-2, 1e-9);
}

TEST_CASE("CLIP's and SigLIP's losses refuse rows that are not of unit length, and take them when told to") {
  const std::int64_t N = 12, D = 6;
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    INFO(to_string(dtype));
    const DType wide = dtype == DType::bf16 ? DType::f32 : dtype;
    const Tensor unit = normalize(random(N, D, 1)).to(dtype), other = normalize(random(N, D, 2)).to(dtype);
    const Tensor off = unit.to(DType::f64).clone();
    for (std::int64_t d = 0; d < D; ++d) off.data<double>()[7 * D + d] *= 1.05;
    const Tensor s = scalar(1, wide), bias = scalar(-2, wide), T = softmax(random(N, N, 3)).to(wide);
    const auto sentence = [](const char* op, const char* which) {
      return Contains("[" + std::string(op) + "] expected rows of unit length, row 7 of the " + which +
                      " input has a length of 1.0");
    };
    const Tensor x = off.to(dtype);
    CHECK_NOTHROW(clip_loss(unit, other, s));
    CHECK_THROWS_WITH(clip_loss(x, other, s), sentence("clip_loss", "first"));
    CHECK_THROWS_WITH(clip_loss(other, x, s), sentence("clip_loss", "second"));
    CHECK_NOTHROW(siglip_loss(unit, other, s, bias));
    CHECK_THROWS_WITH(siglip_loss(x, other, s, bias), sentence("siglip_loss", "first"));
    CHECK_THROWS_WITH(siglip_loss(other, x, s, bias), sentence("siglip_loss", "second"));
    CHECK_THROWS_WITH(dense::clip_loss(x, other, s), sentence("clip_loss", "first"));
    CHECK_THROWS_WITH(dense::siglip_loss(other, x, s, bias), sentence("siglip_loss", "second"));
    if (dtype != DType::bf16) {
      CHECK_NOTHROW(soft_target_info_nce(unit, other, s, T));
      CHECK_THROWS_WITH(soft_target_info_nce(x, other, s, T), sentence("soft_target_info_nce", "first"));
      CHECK(soft_target_info_nce(x, other, s, T, RowLength::normalize).item() ==
            Approx(soft_target_info_nce(unit, other, s, T).item()).epsilon(1e-5));
    }
    CHECK_THROWS_WITH(info_nce(unit, x, 0.2, RowLength::unit), Contains("row 7 of the second input"));
    CHECK_THROWS_WITH(info_nce(unit, x, other, 0.2, RowLength::unit), Contains("row 7 of the keys"));
    CHECK_THROWS_WITH(info_nce(unit, other, x, 0.2, RowLength::unit), Contains("row 7 of the second input"));
    // As they are, and normalised.
    CHECK(clip_loss(x, other, s, RowLength::any).item() ==
          Approx(dense::clip_loss(off, other.to(DType::f64), scalar(1), RowLength::any).item()).epsilon(2e-3));
    CHECK(siglip_loss(x, other, s, bias, RowLength::any).item() ==
          Approx(dense::siglip_loss(off, other.to(DType::f64), scalar(1), scalar(-2), RowLength::any).item())
              .epsilon(2e-3));
    CHECK(clip_loss(x, other, s, RowLength::normalize).item() ==
          Approx(clip_loss(unit, other, s).item()).epsilon(2e-3));
    CHECK(siglip_loss(x, other, s, bias, RowLength::normalize).item() ==
          Approx(siglip_loss(unit, other, s, bias).item()).epsilon(2e-3));
  }
  const Eigen::MatrixXf a = Eigen::MatrixXf::Constant(4, 2, 1), u = a.rowwise().normalized();
  CHECK_NOTHROW(clip_loss(u, u, 0.0));
  CHECK_THROWS_WITH(clip_loss(u, a, 0.0),
                    Contains("row 0 of the second input has a length of 1.41421: call normalize(x) "
                             "first"));
  CHECK_THROWS_WITH(siglip_loss(a, u, 0.0, 0.0), Contains("row 0 of the first input has a length of 1.41"));
  CHECK(clip_loss(a, a, 0.0, {.length = RowLength::any}).loss == Approx(std::log(4.0)));
  CHECK(siglip_loss(a, a, 0.0, 0.0, RowLength::any).loss > siglip_loss(u, u, 0.0, 0.0).loss);
}

TEST_CASE("what rounding makes of unit rows is taken, and rows of zeros too") {
  for (const std::int64_t D : {1, 2, 3, 7, 64, 1000, 4096}) {
    const Tensor rows = normalize(random(64, D, static_cast<std::uint64_t>(D)).to(DType::f32)).to(DType::bf16);
    CHECK_NOTHROW(clip_loss(rows, rows, scalar(1, DType::f32)));
    CHECK_NOTHROW(clip_loss(rows.to(DType::f32), rows, scalar(1, DType::f32)));
  }
  const Tensor zeros = Tensor::zeros({5, 8});
  CHECK(clip_loss(zeros, zeros, scalar(1, DType::f32)).item() == Approx(std::log(5.0)));
}

TEST_CASE("the losses of a memory bank refuse features that are not of unit length") {
  MemoryBank bank(20, 4, Rng(1));
  const Tensor f = normalize(random(3, 4, 2, DType::f32)), off = f * 1.1;
  const std::vector<std::int64_t> pictures{3, 1, 8};
  const Tensor drawn = bank.draw(pictures, 5, Rng(2));
  const auto names = [](const char* op) {
    return Contains("[" + std::string(op) +
                    "] expected rows of unit length, row 0 of the features has a length of 1.1");
  };
  CHECK_NOTHROW(nce(f, bank, drawn));
  CHECK_THROWS_WITH(nce(off, bank, drawn), names("nce"));
  CHECK_THROWS_WITH(sampled_softmax(off, bank, drawn), names("sampled_softmax"));
  CHECK_THROWS_WITH(bank_softmax(off, bank, pictures), names("bank_softmax"));
}
