// SPDX-License-Identifier: MIT

// Every policy of the softmax losses, alone and together, against a loop that keeps every logit in float64.

#include <cstring>
#include <tuple>

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "objectives/support.hpp"

using namespace contrastive;
using similarity::Memory;
using similarity::Sides;
using similarity::SoftmaxOptions;

namespace {

using Rows = std::vector<std::vector<double>>;

struct Result {
  double loss = 0, dlog_scale = 0;
  Rows dx, dy;
  /// By row: scale sum_j |G_ij| |y_j| / |x_i| over what is rounded to bf16, and over all, to which the rounding of
  /// float is relative.
  std::vector<double> x_reach, y_reach, x_whole, y_whole;
};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
  return sum;
}

/// dL / ds_j, the sizes of the terms that it is the sum of, and of those that the engine rounds to bf16.
struct Slopes {
  std::vector<double> sum, size, rounded;
  explicit Slopes(std::size_t n) : sum(n), size(n), rounded(n) {}
  void add(std::size_t j, double term, bool of_tile = false) {
    sum[j] += term;
    size[j] += std::abs(term);
    if (of_tile) rounded[j] += std::abs(term);
  }
};

/// One side of one row: adds its loss, and dL / ds_j to `slopes`. s_j: the row's logits, p: its positive, `out`: who takes
/// no part at all.
double row_loss(const std::vector<double>& s, std::size_t p, const std::vector<bool>& out, const SoftmaxOptions& o,
                double weight, Slopes& slopes) {
  const std::size_t M = s.size();
  if (o.hardness != 0 || o.tau_plus != 0) {
    double n = 0, above = 0, below = 0;
    for (std::size_t j = 0; j < M; ++j)
      if (j != p && !out[j]) n += 1, above += std::exp((1 + o.hardness) * s[j]), below += std::exp(o.hardness * s[j]);
    if (n == 0) return 0;
    const double R = n * above / below, positive = std::exp(s[p]), least = n * std::exp(-o.scale);
    const double biased = (R - o.tau_plus * n * positive) / (1 - o.tau_plus), N_g = std::max(biased, least);
    const bool free = biased > least;
    slopes.add(p, -weight);
    slopes.add(p, weight * positive / (positive + N_g));
    if (free) slopes.add(p, -weight * o.tau_plus * n * positive / (1 - o.tau_plus) / (positive + N_g));
    const double share = weight * R / (1 - o.tau_plus) / (positive + N_g);
    for (std::size_t j = 0; j < M && free; ++j) {
      if (j == p || out[j]) continue;
      slopes.add(j, share * (1 + o.hardness) * std::exp((1 + o.hardness) * s[j]) / above, true);
      slopes.add(j, -share * o.hardness * std::exp(o.hardness * s[j]) / below, true);
    }
    return weight * std::log((positive + N_g) / positive);
  }
  double most = -INFINITY, sum = 0, mean = 0;
  for (std::size_t j = 0; j < M; ++j)
    if (!out[j] && !(o.decoupled && j == p)) most = std::max(most, s[j]);
  for (std::size_t j = 0; j < M; ++j) {
    if (!out[j] && !(o.decoupled && j == p)) sum += std::exp(s[j] - most);
    mean += s[j] / static_cast<double>(M);
  }
  const double lse = most + std::log(sum), e = o.label_smoothing;
  for (std::size_t j = 0; j < M; ++j) {
    if (!out[j] && !(o.decoupled && j == p)) slopes.add(j, weight * std::exp(s[j] - lse), j != p);
    slopes.add(j, -weight * e / static_cast<double>(M));
  }
  slopes.add(p, -weight * (1 - e));
  return weight * (lse - (1 - e) * s[p] - e * mean);
}

Result loop(const Rows& a, const Rows& b, const SoftmaxOptions& o) {
  const bool symmetric = o.sides == Sides::symmetric, unit = o.length == RowLength::normalize;
  const std::size_t N = a.size(), D = a[0].size(), n = symmetric ? 2 * N : N;
  Rows x = a, y = b;
  if (symmetric) x.insert(x.end(), b.begin(), b.end()), y = x;
  std::vector<double> x_norm(n, 1), y_norm(n, 1);
  const auto bring_to_unit = [&](Rows& rows, std::vector<double>& norms) {
    for (std::size_t i = 0; i < n && unit; ++i) {
      norms[i] = std::max(std::sqrt(dot(rows[i], rows[i])), 1e-12);
      for (double& v : rows[i]) v /= norms[i];
    }
  };
  bring_to_unit(x, x_norm);
  bring_to_unit(y, y_norm);
  Rows s(n, std::vector<double>(n)), G = s, size = s, rounded = s;
  const auto scale_of = [&](std::size_t i) { return o.scale * (o.row_scales.empty() ? 1 : o.row_scales[i]); };
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) s[i][j] = scale_of(i) * dot(x[i], y[j]);
  Result r;
  const double share = 1 / static_cast<double>(N * (o.sides == Sides::rows ? 1 : 2));
  for (int side = 0; side < (o.sides == Sides::both ? 2 : 1); ++side)
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> logits(n);
      Slopes slopes(n);
      std::vector<bool> out(n);
      const std::size_t p = symmetric ? (i + N) % n : i;
      for (std::size_t j = 0; j < n; ++j) {
        logits[j] = side ? s[j][i] : s[i][j];
        out[j] = (symmetric && j == i) || (!o.ids.empty() && j != p && o.ids[i] == o.ids[j]);
      }
      r.loss += row_loss(logits, p, out, o, share * (o.weights.empty() ? 1 : o.weights[i % N]), slopes);
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t row = side ? j : i, column = side ? i : j;
        G[row][column] += slopes.sum[j];
        size[row][column] += slopes.size[j];
        rounded[row][column] += slopes.rounded[j];
      }
    }
  const auto gradient = [&](bool of_x) {
    const Rows &mine = of_x ? x : y, &other = of_x ? y : x;
    const std::vector<double>& norm = of_x ? x_norm : y_norm;
    Rows d(n, std::vector<double>(D));
    std::vector<double> reach(n), whole(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t row = of_x ? i : j, column = of_x ? j : i;
        const double by = scale_of(row) / norm[i], length = std::sqrt(dot(other[j], other[j]));
        const double g = G[row][column] * by;
        whole[i] += size[row][column] * by * length;
        reach[i] += rounded[row][column] * by * length;
        for (std::size_t k = 0; k < D; ++k) d[i][k] += g * other[j][k];
      }
      const double along = unit && norm[i] > 1e-12 ? dot(d[i], mine[i]) : 0;
      for (std::size_t k = 0; k < D; ++k) d[i][k] -= along * mine[i][k];
    }
    return std::tuple(d, reach, whole);
  };
  std::tie(r.dx, r.x_reach, r.x_whole) = gradient(true);
  std::tie(r.dy, r.y_reach, r.y_whole) = gradient(false);
  if (symmetric)
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < D; ++k) r.dx[i][k] += r.dy[i][k];
      r.x_reach[i] += r.y_reach[i];
      r.x_whole[i] += r.y_whole[i];
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) r.dlog_scale += G[i][j] * s[i][j];
  if (symmetric) {
    r.dy.assign(r.dx.begin() + static_cast<std::ptrdiff_t>(N), r.dx.end());
    r.y_reach.assign(r.x_reach.begin() + static_cast<std::ptrdiff_t>(N), r.x_reach.end());
    r.y_whole.assign(r.x_whole.begin() + static_cast<std::ptrdiff_t>(N), r.x_whole.end());
  }
  return r;
}

Tensor random(std::int64_t N, std::int64_t D, std::uint64_t seed, DType dtype) {
  return init::normal({N, D}, 1, Rng(seed)).to(dtype);
}
Rows rows_of(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  Rows rows;
  for (std::int64_t i = 0; i < t.size(0); ++i)
    rows.emplace_back(wide.data<double>() + i * t.size(1), wide.data<double>() + (i + 1) * t.size(1));
  return rows;
}

/// The engine's results for elements S, with gradients in S's compute type, against the loop's.
template <class S>
void against_loop(const Tensor& a, const Tensor& b, const SoftmaxOptions& options, double logit) {
  const DType wide = dtype_of<compute_t<S>>;
  const Result want = loop(rows_of(a), rows_of(b), options);
  const Tensor da(a.shape(), wide), db(b.shape(), wide);
  similarity::Workspace work;
  const similarity::Value got =
      similarity::softmax_pairs<S>(work, "policies", similarity::borrow_rows(a), similarity::borrow_rows(b), options,
                                   similarity::borrow_rows_to_write(da), similarity::borrow_rows_to_write(db));
  // Sums of float products of D terms: a logit s is off by about 2^-22 |s|, and everything after it by that.
  const double rounding = std::is_same_v<S, double> ? 1e-12 : 3e-7 * std::max(4.0, logit);
  const double of_G = std::is_same_v<S, bf16> ? (options.memory == Memory::store ? 0x1p-7 : 0x1p-8) : 0;
  CHECK(got.loss == Approx(want.loss).epsilon(rounding).margin(rounding));
  const auto close = [&](const Tensor& d, const Rows& rows, const std::vector<double>& reach,
                         const std::vector<double>& whole) {
    const Rows mine = rows_of(d);
    double worst = 0;
    for (std::size_t i = 0; i < mine.size(); ++i)
      for (std::size_t k = 0; k < mine[i].size(); ++k) {
        const double allowed = of_G * reach[i] + rounding * whole[i] + 1e-14;
        worst = larger(worst, std::abs(mine[i][k] - rows[i][k]) / allowed);
      }
    CHECK(worst <= 1);
  };
  close(da, want.dx, want.x_reach, want.x_whole);
  close(db, want.dy, want.y_reach, want.y_whole);
  CHECK(got.dlog_scale == Approx(want.dlog_scale).margin((of_G + rounding) * std::max(1.0, logit)));
}

template <class S>
void against_loop_everywhere(std::int64_t N, std::int64_t D, DType dtype) {
  const Tensor a = random(N, D, 1, dtype), noise = random(N, D, 2, dtype);
  const Tensor b = (a.to(DType::f64) + noise.to(DType::f64)).to(dtype);
  const auto n = static_cast<std::size_t>(N);
  std::vector<double> weights(n), scales(n);
  std::vector<std::int32_t> ids(n);
  for (std::size_t i = 0; i < n; ++i) {
    weights[i] = 0.25 * static_cast<double>(i % 5), ids[i] = static_cast<int>(i % 9);
    scales[i] = 0.5 + 0.3 * static_cast<double>(i % 4);
  }
  struct Policy {
    const char* name;
    bool weighted, masked, scaled, decoupled;
    double smoothing, hardness, tau_plus;
  };
  const std::vector<Policy> policies{{"plain", false, false, false, false, 0, 0, 0},
                                     {"weights", true, false, false, false, 0, 0, 0},
                                     {"ids", false, true, false, false, 0, 0, 0},
                                     {"weights, ids, row scales", true, true, true, false, 0, 0, 0},
                                     {"row scales", false, false, true, false, 0, 0, 0},
                                     {"smoothing", false, false, false, false, 0.1, 0, 0},
                                     {"smoothing, weights, row scales", true, false, true, false, 0.3, 0, 0},
                                     {"decoupled", false, false, false, true, 0, 0, 0},
                                     {"decoupled, weights, row scales", true, false, true, true, 0, 0, 0},
                                     {"hard negatives", false, false, false, false, 0, 1, 0},
                                     {"hard negatives, weights", true, false, false, false, 0, 0.5, 0},
                                     {"debiased", false, false, false, false, 0, 0, 0.1},
                                     {"hard, debiased", true, false, false, false, 0, 1.5, 0.05}};
  for (const Policy& p : policies)
    for (const Sides sides : {Sides::rows, Sides::both, Sides::symmetric})
      for (const bool unit : {false, true})
        for (const Memory memory : {Memory::store, Memory::recompute}) {
          if (sides == Sides::symmetric && (p.masked || p.scaled || p.smoothing > 0)) continue;
          if (p.decoupled && N == 1) continue;
          const double spread = unit ? 1 : static_cast<double>(D);
          SoftmaxOptions o{.sides = sides,
                           .scale = 5 / spread,
                           .length = unit ? RowLength::normalize : RowLength::any,
                           .decoupled = p.decoupled,
                           .label_smoothing = p.smoothing,
                           .memory = memory};
          if (p.weighted) o.weights = weights;
          if (p.masked) o.ids = ids;
          if (p.scaled) o.row_scales = scales;
          o.hardness = p.hardness;
          o.tau_plus = p.tau_plus;
          INFO(p.name << " sides " << static_cast<int>(sides) << " unit " << unit << " kept "
                      << (memory == Memory::store) << " N " << N << " D " << D << " " << to_string(dtype));
          against_loop<S>(a, b, o, 20);
        }
}

}  // namespace

TEST_CASE("every policy of the softmax losses follows a loop in float64") {
  for (const auto& [N, D] : {std::pair(1, 5), {2, 3}, {7, 33}, {45, 17}}) {
    against_loop_everywhere<double>(N, D, DType::f64);
    against_loop_everywhere<float>(N, D, DType::f32);
    against_loop_everywhere<float>(N, D, DType::bf16);  // widened
  }
}

TEST_CASE("products of bf16 pairs are as exact as they say") {
  if (!similarity::has_bf16_dots()) {
    WARN("SKIPPED: this machine has no products of bf16 pairs");
    return;
  }
  for (const auto& [N, D] : {std::pair(1, 5), {2, 3}, {7, 33}, {45, 17}, {130, 300}})
    against_loop_everywhere<bf16>(N, D, DType::bf16);
  // Rows of any length, and both ends of the temperature.
  Tensor a = random(40, 16, 1, DType::f32), b = random(40, 16, 2, DType::f32);
  for (std::int64_t i = 0; i < 40; ++i)
    for (std::int64_t d = 0; d < 16; ++d) {
      a.data<float>()[i * 16 + d] *= static_cast<float>(std::pow(10.0, i % 13 - 6));
      b.data<float>()[i * 16 + d] *= static_cast<float>(std::pow(10.0, 6 - i % 13));
    }
  for (const Sides sides : {Sides::rows, Sides::both, Sides::symmetric})
    for (const double t : {0.001, 0.01, 0.1, 100.0}) {
      INFO("sides " << static_cast<int>(sides) << " temperature " << t);
      against_loop<bf16>(a.to(DType::bf16), b.to(DType::bf16),
                         {.sides = sides, .scale = 1 / t, .length = RowLength::normalize}, 1 / t);
    }
}

TEST_CASE("products of bf16 pairs give the same bits for any number of threads") {
  if (!similarity::has_bf16_dots()) {
    WARN("SKIPPED: this machine has no products of bf16 pairs");
    return;
  }
  const Tensor a = random(203, 40, 1, DType::bf16), b = random(203, 40, 2, DType::bf16);
  for (const Sides sides : {Sides::rows, Sides::both, Sides::symmetric})
    for (const Memory memory : {Memory::store, Memory::recompute}) {
      std::vector<float> first;
      for (const int count : {1, 2, 3, 7}) {
        set_threads(count);
        const Tensor da(a.shape(), DType::f32), db(b.shape(), DType::f32);
        similarity::Workspace work;
        const auto value = similarity::softmax_pairs<bf16>(
            work, "bits", similarity::borrow_rows(a), similarity::borrow_rows(b),
            {.sides = sides, .scale = 10, .length = RowLength::normalize, .memory = memory, .tile = 32},
            similarity::borrow_rows_to_write(da), similarity::borrow_rows_to_write(db));
        std::vector<float> all(da.span<float>().begin(), da.span<float>().end());
        all.insert(all.end(), db.span<float>().begin(), db.span<float>().end());
        all.push_back(static_cast<float>(value.loss));
        if (first.empty()) first = all;
        REQUIRE(std::memcmp(all.data(), first.data(), all.size() * sizeof(float)) == 0);
      }
      set_threads(0);
    }
}
