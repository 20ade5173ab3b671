// SPDX-License-Identifier: MIT

// The similarity engine against the dense forms and loops, and what must not change its results.

#include <cstring>

#include "contrastive/interop/eigen.hpp"
#include "contrastive/interop/xtensor.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;
using similarity::Memory;
using similarity::SoftmaxOptions;

namespace {

Tensor random(std::int64_t N, std::int64_t D, std::uint64_t seed, DType dtype = DType::f64) {
  return init::normal({N, D}, 1, Rng(seed)).to(dtype);
}
Tensor scalar(double value, DType dtype = DType::f64) { return Tensor::full({}, value, dtype); }

MatrixSpan<float> matrix(const Tensor& t) { return {t.span<float>(), t.size(0), t.size(1)}; }
MatrixSpan<double> matrix64(const Tensor& t) { return {t.span<double>(), t.size(0), t.size(1)}; }

/// Loss and gradients of the engine's form against the dense one, in f64 and then f32.
template <class Ours, class Dense>
void compare(const char* name, Ours ours, Dense dense, std::vector<Tensor> inputs) {
  const auto run = [&](auto loss_of, DType dtype) {
    std::vector<Tensor> leaves, results;
    for (const Tensor& x : inputs) leaves.push_back(leaf(x, dtype));
    results.push_back(loss_of(leaves));
    results[0].backward();
    for (const Tensor& x : leaves) results.push_back(x.grad());
    return results;
  };
  const std::vector<Tensor> want = run(dense, DType::f64);
  for (const auto& [dtype, tolerance, floor] : cases) {
    const std::vector<Tensor> got = run(ours, dtype);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(name << " " << to_string(dtype) << " result " << i);
      // In one dimension a unit row cannot turn: the true gradient is 0, and rounding is all there is.
      const double rounding = inputs[0].size(1) == 1 ? 1e-5 : 1e-6;
      check_close(got[i], want[i], tolerance, dtype == DType::f32 ? rounding : 1e-12);
    }
  }
}
using Inputs = const std::vector<Tensor>&;

}  // namespace

TEST_CASE("engine and dense forms agree at every shape") {
  for (std::int64_t N : {1, 2, 7, 33, 130})
    for (std::int64_t D : {1, 3, 33, 128}) {
      INFO("N " << N << " D " << D);
      const Tensor a = random(N, D, 1), b = random(N, D, 2), queue = normalize(random(N * 5 + 3, D, 3));
      const Tensor u = normalize(a), v = normalize(b);
      compare(
          "nt_xent", [](Inputs x) { return nt_xent(x[0], x[1], 0.2); },
          [](Inputs x) { return dense::nt_xent(x[0], x[1], 0.2); }, {a, b});
      compare(
          "info_nce", [](Inputs x) { return info_nce(x[0], x[1], 0.2); },
          [](Inputs x) { return dense::info_nce(x[0], x[1], 0.2); }, {a, b});
      compare(
          "info_nce with a queue", [&](Inputs x) { return info_nce(x[0], x[1], queue.to(x[0].dtype()), 0.2); },
          [&](Inputs x) { return dense::info_nce(x[0], x[1], queue, 0.2); }, {u, v});
      compare(
          "clip_loss", [](Inputs x) { return clip_loss(x[0], x[1], x[2]); },
          [](Inputs x) { return dense::clip_loss(x[0], x[1], x[2]); }, {u, v, scalar(2.5)});
      compare(
          "siglip_loss", [](Inputs x) { return siglip_loss(x[0], x[1], x[2], x[3]); },
          [](Inputs x) { return dense::siglip_loss(x[0], x[1], x[2], x[3]); }, {u, v, scalar(2), scalar(-5)});
      std::vector<std::int64_t> ids;  // a third of the pairs share theirs with others
      for (std::int64_t i = 0; i < N; ++i) ids.push_back(i % 3 ? i : i % 2);
      compare(
          "clip_loss with ids", [&](Inputs x) { return clip_loss(x[0], x[1], x[2], RowLength::unit, ids); },
          [&](Inputs x) { return dense::clip_loss(x[0], x[1], x[2], RowLength::unit, ids); }, {u, v, scalar(2.5)});
      compare(
          "siglip_loss with ids", [&](Inputs x) { return siglip_loss(x[0], x[1], x[2], x[3], RowLength::unit, ids); },
          [&](Inputs x) { return dense::siglip_loss(x[0], x[1], x[2], x[3], RowLength::unit, ids); },
          {u, v, scalar(2), scalar(-5)});
    }
}

TEST_CASE("kept and recomputed logits, any tile and any number of threads give the same loss, the same bits each") {
  const std::int64_t N = 203, D = 40;
  const Tensor a = normalize(random(N, D, 1, DType::f32)), b = normalize(random(N, D, 2, DType::f32));
  const auto bytes = [](const PairLoss<MatrixSpan<float>>& r) {
    std::vector<float> all(r.da);
    all.insert(all.end(), r.db.begin(), r.db.end());
    all.push_back(static_cast<float>(r.loss));
    all.push_back(static_cast<float>(r.dlog_scale));
    return all;
  };
  for (const bool symmetric : {false, true})
    for (const double scale : {10.0, 1000.0}) {  // the second takes running maxima
      const auto run = [&](SoftmaxOptions options) {
        return bytes(symmetric ? nt_xent(matrix(a), matrix(b), 1 / scale, options)
                               : clip_loss(matrix(a), matrix(b), std::log(scale), options));
      };
      const std::vector<float> one = run({});
      for (const Memory memory : {Memory::store, Memory::recompute})
        for (const std::int64_t tile : {32, 96, 256}) {
          const std::vector<float> other = run({.memory = memory, .tile = tile});
          // Another order of the sums moves a logit by about 1e-7 scale, and a gradient by scale / N times that.
          const double rounding = 3e-8 * scale * (1 + scale / static_cast<double>(N));
          for (std::size_t i = 0; i < one.size(); ++i)
            REQUIRE(other[i] == Approx(one[i]).epsilon(1e-4).margin(rounding));
          for (const int count : {1, 2, 3, 7}) {
            set_threads(count);
            const std::vector<float> again = run({.memory = memory, .tile = tile});
            REQUIRE(std::memcmp(again.data(), other.data(), other.size() * sizeof(float)) == 0);
          }
          set_threads(0);
        }
    }
}

TEST_CASE("temperatures from 0.001 to 100 in float32 follow float64") {
  const std::int64_t N = 61, D = 24;
  Tensor a = normalize(random(N, D, 1)), b = normalize(a + random(N, D, 2) * 0.3);
  for (const double t : {0.001, 0.004, 0.01, 0.07, 1.0, 100.0}) {
    INFO("t " << t);
    const auto both = [&](DType dtype) {
      return clip_loss(matrix64(a), matrix64(b), -std::log(t)).loss * 0 +
             (dtype == DType::f64
                  ? dense::clip_loss(a, b, scalar(-std::log(t))).item()
                  : clip_loss(a.to(DType::f32), b.to(DType::f32), scalar(-std::log(t), DType::f32)).item());
    };
    // A logit of 1 / t carries an error of about 1e-7 / t.
    CHECK(both(DType::f32) == Approx(both(DType::f64)).epsilon(1e-5).margin(1e-6 + 3e-7 / t));
    const Tensor x = leaf(a, DType::f32), y = leaf(b, DType::f32), x64 = leaf(a, DType::f64), y64 = leaf(b, DType::f64);
    nt_xent(x, y, t).backward();
    dense::nt_xent(x64, y64, t).backward();
    check_close(x.grad(), x64.grad(), 1e-5 + 3e-6 / t, 1e-9);
    check_close(y.grad(), y64.grad(), 1e-5 + 3e-6 / t, 1e-9);
  }
  // Rows that lie far below the largest logit: their sums are still theirs.
  Tensor rows = Tensor::zeros({4, 2}, DType::f32), columns = Tensor::zeros({4, 2}, DType::f32);
  for (int i = 0; i < 4; ++i) rows.data<float>()[2 * i] = i < 2 ? 20.f : -20.f, columns.data<float>()[2 * i] = 20.f;
  const double loss = clip_loss(rows, columns, scalar(0, DType::f32), RowLength::any).item();
  const Tensor dense = dense::clip_loss(rows.to(DType::f64), columns.to(DType::f64), scalar(0), RowLength::any);
  CHECK(loss == Approx(dense.item()).epsilon(1e-6));
}

TEST_CASE("weights, ids, label smoothing: against loops") {
  const std::int64_t N = 37, D = 11;
  const Tensor a = random(N, D, 1), b = random(N, D, 2);
  std::vector<double> weights(N), none;
  std::vector<std::int32_t> ids(N);
  for (std::int64_t i = 0; i < N; ++i) weights[i] = 0.25 * static_cast<double>(i % 5), ids[i] = static_cast<int>(i % 9);
  const double log_scale = 0.3, scale = std::exp(log_scale);
  const auto loop = [&](const Tensor& x, const Tensor& y, bool weighted, bool masked, double smoothing, bool both) {
    double total = 0;
    for (int side = 0; side < (both ? 2 : 1); ++side)
      for (std::int64_t i = 0; i < N; ++i) {
        double below = 0, logits = 0, target = 0;
        for (std::int64_t j = 0; j < N; ++j) {
          double s = 0;
          for (std::int64_t d = 0; d < D; ++d)
            s += scale * x.data<double>()[(side ? j : i) * D + d] * y.data<double>()[(side ? i : j) * D + d];
          if (!masked || i == j || ids[i] != ids[j]) below += std::exp(s);
          logits += s / static_cast<double>(N);
          if (i == j) target = s;
        }
        total += (weighted ? weights[i] : 1) * (std::log(below) - (1 - smoothing) * target - smoothing * logits);
      }
    return total / static_cast<double>(N) / (both ? 2 : 1);
  };
  for (const auto& policy :
       {std::tuple(true, false, 0.0), {false, true, 0.0}, {true, true, 0.0}, {false, false, 0.1}, {true, false, 0.3}}) {
    const bool weighted = std::get<0>(policy), masked = std::get<1>(policy);
    const double smoothing = std::get<2>(policy);
    SoftmaxOptions options{.length = RowLength::any, .label_smoothing = smoothing};
    if (weighted) options.weights = weights;
    if (masked) options.ids = ids;
    SoftmaxOptions on_cosines = options;
    on_cosines.length = {};
    const auto clip = clip_loss(matrix64(a), matrix64(b), log_scale, options);
    CHECK(clip.loss == Approx(loop(a, b, weighted, masked, smoothing, true)).epsilon(1e-12));
    const Tensor u = normalize(a), v = normalize(b);
    const auto rows = info_nce(matrix64(a), matrix64(b), 1 / scale, on_cosines);
    CHECK(rows.loss == Approx(loop(u, v, weighted, masked, smoothing, false)).epsilon(1e-12));
    // Gradients against differences of the loop.
    const double step = 1e-6;
    for (const std::int64_t at : {std::int64_t{0}, 5 * D + 3, N * D - 1}) {
      Tensor x = a.clone(), y = b.clone();
      const auto slope = [&](double* p, auto value) {
        const double p0 = *p;
        *p = p0 + step;
        const double up = value();
        *p = p0 - step;
        const double down = value();
        *p = p0;
        return (up - down) / (2 * step);
      };
      const auto clip_loop = [&] { return loop(x, y, weighted, masked, smoothing, true); };
      const auto rows_loop = [&] { return loop(normalize(x), normalize(y), weighted, masked, smoothing, false); };
      CHECK(clip.da[at] == Approx(slope(x.data<double>() + at, clip_loop)).epsilon(1e-6).margin(1e-8));
      CHECK(clip.db[at] == Approx(slope(y.data<double>() + at, clip_loop)).epsilon(1e-6).margin(1e-8));
      CHECK(rows.da[at] == Approx(slope(x.data<double>() + at, rows_loop)).epsilon(1e-6).margin(1e-8));
      CHECK(rows.db[at] == Approx(slope(y.data<double>() + at, rows_loop)).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("gradients of the scalars, and of classes, equal differences") {
  const auto check = [](auto loss, std::vector<Tensor> inputs) {
    const GradcheckResult result = gradcheck(loss, inputs);
    INFO(result.message);
    CHECK(result.ok);
  };
  check([](Inputs x) { return clip_loss(x[0], x[1], x[2], RowLength::any); },
        {random(6, 4, 1), random(6, 4, 2), scalar(0.5)});
  check([](Inputs x) { return siglip_loss(x[0], x[1], x[2], x[3], RowLength::any); },
        {random(6, 4, 1), random(6, 4, 2), scalar(0.5), scalar(-1)});
  check([](Inputs x) { return decoupled_info_nce(x[0], x[1], 0.5); }, {random(6, 4, 1), random(6, 4, 2)});
  const std::vector<std::int32_t> labels{3, 3, 8, 1, 3, 1};
  check([&](Inputs x) { return sup_con(x[0], labels, {.temperature = 0.5}); }, {random(6, 4, 1)});
  check([](Inputs x) { return info_nce(x[0], x[1], x[2], 1.0) * 3; },
        {random(3, 7, 1), random(3, 7, 2), random(5, 7, 3)});
}

TEST_CASE("closed forms") {
  const Tensor same = normalize(Tensor::full({50, 3}, 1, DType::f64));
  CHECK(clip_loss(same, same, scalar(3)).item() == Approx(std::log(50.0)));
  CHECK(decoupled_info_nce(same, same, 0.1).item() == Approx(std::log(98.0)));
  // Far apart, a negative costs softplus(bias) and a pair softplus(-scale - bias).
  const Tensor eye = mask_diagonal(Tensor::zeros({8, 8}, DType::f64), 1);
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  CHECK(siglip_loss(eye, eye, scalar(std::log(10.0)), scalar(-10)).item() == Approx(softplus(0) + 7 * softplus(-10)));
  // A zero row is at the same distance from everything.
  const Tensor zero = Tensor::zeros({9, 4}, DType::f32);
  CHECK(nt_xent(zero, zero, 0.1).item() == Approx(std::log(17.0)));
  CHECK(clip_loss(zero, zero, scalar(4)).item() == Approx(std::log(9.0)));
  // Twins: rows that are all in one class know nothing but the class.
  const std::vector<std::int32_t> labels(9, 5);
  CHECK(sup_con(random(9, 4, 1), labels, {.temperature = 1e4, .base_temperature = 1e4}).item() ==
        Approx(std::log(8.0)));
}

TEST_CASE("bf16 rows give the loss of float32, and its gradients rounded") {
  const Tensor a = normalize(random(40, 16, 1)).to(DType::bf16), b = normalize(random(40, 16, 2)).to(DType::bf16);
  const Tensor x = leaf(a, DType::bf16), x32 = leaf(a, DType::f32);
  const Tensor loss = clip_loss(x, b, scalar(2, DType::f32));
  loss.backward();
  const Tensor loss32 = clip_loss(x32, b.to(DType::f32), scalar(2, DType::f32));
  loss32.backward();
  CHECK(loss.dtype() == DType::f32);
  CHECK(loss.item() == Approx(loss32.item()).epsilon(1e-6));
  check_close(x.grad(), x32.grad(), 8e-3, 1e-9);  // the rounding of G, and of the result
}

TEST_CASE("matrices of Eigen, of either order, of xtensor and spans give one result, in their own kind") {
  const std::int64_t N = 19, D = 7;
  const Tensor a = normalize(random(N, D, 1, DType::f32)), b = normalize(random(N, D, 2, DType::f32));
  const double log_scale = 2;
  const auto want = clip_loss(matrix(a), matrix(b), log_scale);
  const Eigen::MatrixXf column_major = as_eigen<float>(a);
  const RowMajorMatrix<float> row_major = as_eigen<float>(b);
  const auto eigen = clip_loss(column_major, row_major, log_scale);
  static_assert(std::is_same_v<decltype(eigen.da), Eigen::MatrixXf>);
  const xt::xarray<float> xa = as_xtensor<float>(a);
  const xt::xtensor<float, 2> xb = as_xtensor<float>(b);
  const auto xtensor = clip_loss(xa, xb, log_scale);
  static_assert(std::is_same_v<decltype(xtensor.da), xt::xarray<float>>);
  CHECK(eigen.loss == want.loss);
  CHECK(xtensor.loss == want.loss);
  CHECK(eigen.dlog_scale == want.dlog_scale);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t d = 0; d < D; ++d) {
      REQUIRE(eigen.da(i, d) == want.da[i * D + d]);
      REQUIRE(eigen.db(i, d) == want.db[i * D + d]);
      REQUIRE(xtensor.da(i, d) == want.da[i * D + d]);
      REQUIRE(xtensor.db(i, d) == want.db[i * D + d]);
    }
  // Into the caller's memory, a block of something larger; nothing is allocated the second time.
  Eigen::MatrixXf da = Eigen::MatrixXf::Constant(N + 2, D + 1, 9), db(N, D);
  auto block = da.block(1, 0, N, D);
  similarity::Workspace work;
  clip_loss(column_major, row_major, log_scale, block, db, work);
  const std::int64_t bytes = work.bytes();
  CHECK(clip_loss(column_major, row_major, log_scale, block, db, work).loss == want.loss);
  CHECK(work.bytes() == bytes);
  CHECK(da(1, 0) == want.da[0]);
  CHECK(da(0, 0) == 9);
  CHECK(db(N - 1, D - 1) == want.db[N * D - 1]);
  CHECK_THROWS_WITH(clip_loss(column_major, row_major, log_scale, da, db, work), Contains("(21, 8)"));
}

TEST_CASE("a value that is not finite is named, and so is what does not fit") {
  Tensor a = normalize(random(50, 4, 1, DType::f32)), b = normalize(random(50, 4, 2, DType::f32));
  b.data<float>()[4 * 47 + 1] = std::nanf("");
  CHECK_THROWS_WITH(clip_loss(a, b, scalar(0)), Contains("[clip_loss] rows ") && Contains("of the second input"));
  CHECK_THROWS_WITH(nt_xent(a, b, 0.1), Contains("[nt_xent] rows "));
  a.data<float>()[0] = INFINITY;
  CHECK_THROWS_WITH(siglip_loss(a, b, scalar(0), scalar(0)), Contains("[siglip_loss] rows 0 to ") && Contains("first"));
  CHECK_THROWS_WITH(clip_loss(a, a, scalar(1e3)), Contains("the log scale must be -10 to 10, got 1000"));
  CHECK_THROWS_WITH(clip_loss(a, a, random(2, 1, 1)), Contains("one number"));
  const std::vector<std::int32_t> labels(3);
  CHECK_THROWS_WITH(sup_con(a, labels), Contains("[sup_con] expected a label for each of 50 rows, got 3"));
  CHECK_THROWS_WITH(decoupled_info_nce(a.slice(0, 1), a.slice(0, 1), 1), Contains("no negatives"));
  const std::vector<double> weights(2);
  const Tensor c = normalize(random(50, 4, 3, DType::f32));
  CHECK_THROWS_WITH(clip_loss(matrix(c), matrix(c), 0, {.weights = weights}),
                    Contains("a weight for each of 50 pairs"));
}
