// SPDX-License-Identifier: MIT

// Losses over banks, prototypes, teachers and patches, at both ends of every number that they take (range.hpp).

#include "contrastive/objectives/barlow_twins.hpp"
#include "contrastive/objectives/cpc.hpp"
#include "contrastive/objectives/dino.hpp"
#include "contrastive/objectives/distillation.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/objectives/swav.hpp"
#include "contrastive/objectives/vicreg.hpp"
#include "support/range.hpp"

using namespace range;

namespace {

constexpr std::int64_t bank_rows = 9, drawn = 8;

/// A bank of the pairs' second rows and some opposite ones, in the dtype of the features.
MemoryBank bank_of(const Tensor& rows, double Z = 0) {
  MemoryBank bank;
  bank.rows = Buffer(rows.detach());
  bank.Z = Buffer(Tensor::full({}, Z, DType::f64));
  return bank;
}

Rows scores_of(const std::vector<Rows>& x, double t) {
  return dual::products(x[0], dual::still(x[1]), 1 / static_cast<long double>(t));
}

/// - sum_ik q_ik log softmax(s_i / t)_k / rows
Number cross_entropy_with(const Rows& s, const Rows& q, double t) {
  Number total;
  for (std::size_t i = 0; i < s.size(); ++i) {
    dual::Row logits;
    for (const Number& x : s[i]) logits.push_back(x / Number(t));
    const Number all = dual::lse(logits);
    for (std::size_t k = 0; k < logits.size(); ++k) total += dual::still(q[i][k]) * (all - logits[k]);
  }
  return total / static_cast<long double>(s.size());
}

Rows softmax_of(Rows s, double t) {
  for (dual::Row& row : s) {
    for (Number& x : row) x = x / Number(t);
    const Number all = dual::lse(row);
    for (Number& x : row) x = dual::exp(x - all);
  }
  return s;
}

/// Means and variances over the rows: columns of mean 0, and the sums of their squares.
Rows centred(Rows z) {
  const auto rows = static_cast<long double>(z.size());
  for (std::size_t d = 0; d < z[0].size(); ++d) {
    Number mean;
    for (const dual::Row& row : z) mean += row[d] / rows;
    for (dual::Row& row : z) row[d] = row[d] - mean;
  }
  return z;
}
Number product_of_columns(const Rows& a, std::size_t i, const Rows& b, std::size_t j) {
  Number sum;
  for (std::size_t n = 0; n < a.size(); ++n) sum += a[n][i] * b[n][j];
  return sum;
}

}  // namespace

TEST_CASE("losses over a bank are right at every temperature, epsilon and constant Z") {
  const std::vector<std::int64_t> own{0, 1, 2, 3, 4, 5};
  for (const Pairs& p : all_pairs()) {
    const Tensor rows = concat({p.b, -p.b.slice(0, bank_rows - N)});
    const Tensor sampled = bank_of(rows).draw(own, drawn - 1, Rng(2));
    const auto at = [&](std::size_t i, std::size_t k) {
      return static_cast<std::size_t>(sampled.data<std::int64_t>()[i * drawn + k]);
    };
    for (const double t : {3e-3, 0.07, 1.0, 1e4})
      for (const double epsilon : {0.0, 1e-7, 1.0})
        for (const double Z : {0.0, 1e-200, 20.0, 1e250}) {  // 0: of this batch
          const auto formula = [=](const std::vector<Rows>& x) {
            const Rows s = scores_of(x, t);
            const long double c = static_cast<long double>(drawn - 1) / bank_rows, rest = std::log(c + epsilon);
            dual::Row all;
            for (std::size_t i = 0; i < N; ++i)
              for (std::size_t k = 0; k < drawn; ++k) all.push_back(s[i][at(i, k)]);
            const long double log_Z =
                Z > 0 ? std::log(static_cast<long double>(Z))
                      : dual::lse(all).v + std::log(static_cast<long double>(bank_rows) / (N * drawn));
            Number total;
            for (std::size_t i = 0; i < N; ++i)
              for (std::size_t k = 0; k < drawn; ++k) {
                const Number log_P = s[i][at(i, k)] - log_Z;
                total += k == 0 ? dual::softplus(rest - log_P) : dual::softplus(log_P - rest) + (rest - std::log(c));
              }
            return total / N;
          };
          check_range(
              join("nce ", p.name, ", t ", t, ", epsilon ", epsilon, ", Z ", Z), {p.a, rows}, 1 / t, 1 / t,
              [=](const Tensors& x) {
                MemoryBank bank = bank_of(x[1], Z);
                return nce(x[0], bank, sampled, {.temperature = t, .epsilon = epsilon});
              },
              formula);
        }
    for (const double t : temperatures) {
      check_range(
          join("sampled_softmax ", p.name, ", t ", t), {p.a, rows}, 1 / t, 1 / t,
          [=](const Tensors& x) { return sampled_softmax(x[0], bank_of(x[1]), sampled, t); },
          [=](const std::vector<Rows>& x) {
            const Rows s = scores_of(x, t);
            Number total;
            for (std::size_t i = 0; i < N; ++i) {
              dual::Row terms;
              for (std::size_t k = 0; k < drawn; ++k) terms.push_back(s[i][at(i, k)]);
              total += dual::lse(terms) - terms[0];
            }
            return total / N;
          });
      check_range(
          join("bank_softmax ", p.name, ", t ", t), {p.a, rows}, 1 / t, 1 / t,
          [=](const Tensors& x) { return bank_softmax(x[0], bank_of(x[1]), own, t); },
          [=](const std::vector<Rows>& x) {
            return dual::cross_entropy(
                scores_of(x, t), [](std::size_t i) { return i; }, [](std::size_t, std::size_t) { return true; });
          });
    }
  }
  MemoryBank bank(bank_rows, D, Rng(1));
  const Tensor f = all_pairs()[0].a.to(DType::f32), sampled = bank.draw(own, drawn - 1, Rng(2));
  check_refused("the temperature", 3e-3, 1e4, [&](double t) { nce(f, bank, sampled, {.temperature = t}); });
  check_refused("epsilon", 0, 1, [&](double e) { nce(f, bank, sampled, {.epsilon = e}); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { sampled_softmax(f, bank, sampled, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { bank_softmax(f, bank, own, t); });
  check_refused("the momentum", 0, 1, [&](double m) { bank.update(own, f, m); });
}

TEST_CASE("a row of a bank moves by any momentum, also onto its opposite") {
  const std::vector<std::int64_t> own{0};
  const Tensor start = Tensor::from<float>({0.6f, 0.8f}, {1, 2});
  for (const double momentum : {0.0, 0.5, 1.0}) {
    MemoryBank bank = bank_of(start.clone());
    bank.update(own, Tensor::from<float>({0.f, 1.f}, {1, 2}), momentum);
    const double x = momentum * 0.6, y = momentum * 0.8 + (1 - momentum), norm = std::sqrt(x * x + y * y);
    CHECK(bank.rows.data<float>()[0] == Approx(x / norm).margin(1e-7));
    CHECK(bank.rows.data<float>()[1] == Approx(y / norm));
  }
  MemoryBank bank = bank_of(start.clone());
  bank.update(own, start * -1, 0.5);
  for (const float value : bank.rows.span<float>()) CHECK(value == 0);
}

TEST_CASE("predictions of softmax targets are right at every temperature") {
  const Tensor s0 = random(N, 9, 1) * 3, s1 = random(N, 9, 2) * 3, q0 = softmax(random(N, 9, 3) * 3),
               q1 = softmax(random(N, 9, 4) * 3);
  for (const double t : temperatures) {
    check_range(
        join("swapped_prediction, t ", t), {s0, s1, q0, q1}, 12 / t, 1 / t,
        [=](const Tensors& x) {
          return swapped_prediction(std::vector{x[0], x[1]}, std::vector{x[2], x[3]}, t);
        },
        [=](const std::vector<Rows>& x) {
          return (cross_entropy_with(x[0], x[3], t) + cross_entropy_with(x[1], x[2], t)) * 0.5L;
        });
    for (const double share : {0.0, 1e-9, 0.3, 1.0}) {
      const std::vector<std::int64_t> labels{3, 0, 8, 1, 3, 1};
      check_range(
          join("distill, t ", t, ", share ", share), {s0, s1}, 12 / t, share * t + 1,
          [=](const Tensors& x) { return distill(x[0], x[1], labels, share, t); },
          [=](const std::vector<Rows>& x) {
            Number labelled;
            for (std::size_t i = 0; i < N; ++i)
              labelled += dual::lse(x[0][i]) - x[0][i][static_cast<std::size_t>(labels[i])];
            const Number answered = cross_entropy_with(x[0], softmax_of(dual::still(x[1]), t), t);
            return answered * (static_cast<long double>(t) * t * share) + labelled * ((1 - share) / N);
          });
    }
    check_range(
        join("dino_loss, teacher's t ", t), {s0, s1, q0}, 12 / t, 10,
        [=](const Tensors& x) {
          Center center;
          center.center = Buffer(Tensor::full({1, 9}, 0.5, x[0].dtype()));
          return dino_loss(std::vector{x[0], x[1]}, std::vector{x[2]}, center, t, 0.1);
        },
        [=](const std::vector<Rows>& x) { return cross_entropy_with(x[1], softmax_of(dual::still(x[2]), t), 0.1); });
  }
  const Tensors two{s0, s1};
  const Center center(9);
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { swapped_prediction(two, two, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { distill(s0, s1, t); });
  check_refused("the teacher's share", 0, 1, [&](double s) { distill(s0, s1, std::vector<std::int64_t>(N), s); });
  check_refused("the teacher's temperature", 1e-4, 1e4, [&](double t) { dino_targets(s0, center, t); });
  Center moved(9);
  check_refused("the momentum", 0, 1, [&](double m) { moved.update(two, m); });
}

TEST_CASE("Sinkhorn's codes are right at every epsilon, for any number of iterations") {
  const auto codes = [](const Tensor& scores, double epsilon, int iterations) {
    Rows q = rows_of(scores);
    const std::size_t B = q.size(), K = q[0].size();
    for (dual::Row& row : q)
      for (Number& x : row) x = x / Number(epsilon);
    for (int i = 0; i < iterations; ++i) {
      for (std::size_t k = 0; k < K; ++k) {
        dual::Row column;
        for (std::size_t b = 0; b < B; ++b) column.push_back(q[b][k]);
        const Number all = dual::lse(column);
        for (std::size_t b = 0; b < B; ++b) q[b][k] = q[b][k] - all;
      }
      for (dual::Row& row : q) {
        const Number all = dual::lse(row);
        for (Number& x : row) x = x - all;
      }
    }
    return q;
  };
  const Tensor cosines = matmul(normalize(random(24, 8, 1)), normalize(random(10, 8, 2)), false, true);
  Tensor one_for_all = cosines * 0.1, uneven = Tensor::zeros({24, 10}, DType::f64);
  for (int b = 0; b < 24; ++b) {
    one_for_all.data<double>()[b * 10] += 0.9;
    for (int k = 0; k < 10; ++k) uneven.data<double>()[b * 10 + k] = (b < 20) == (k == 0) ? 1 : -1;
  }
  for (const Tensor& scores : {cosines, one_for_all, uneven})
    for (const int iterations : {1, 3, 1000})
      for (const double epsilon : {1e-4, 1e-3, 0.01, 0.05, 1.0, 1e4})
        for (const DType dtype : {DType::f64, DType::f32}) {
          const Tensor given = scores.to(dtype), got = sinkhorn(given, {epsilon, iterations}).to(DType::f64);
          const Rows want = codes(given, epsilon, iterations);
          double worst = 0;
          for (std::size_t i = 0; i < 240; ++i) {
            const double off = std::abs(got.data<double>()[i] - static_cast<double>(std::exp(want[i / 10][i % 10].v)));
            worst = larger(worst, off);
          }
          INFO("epsilon " << epsilon << ", " << iterations << " iterations, " << to_string(dtype));
          CHECK(worst <= rounding(dtype, 2 / epsilon));
        }
  check_refused("epsilon", 1e-4, 1e4, [&](double e) { sinkhorn(uneven, {.epsilon = e}); });
  CHECK_THROWS_WITH(sinkhorn(uneven, {.iterations = 0}), Contains("the iterations must be 1 to 10000, got 0"));
}

TEST_CASE("Barlow Twins and VICReg are right at every weight and epsilon, also of constant columns") {
  Tensor a = random(N, D, 1), b = a + random(N, D, 2) * 0.5;
  for (std::int64_t i = 0; i < N; ++i) a.data<double>()[i * D + 2] = 0.7;  // constant in one view
  for (const double epsilon : {1e-8, 1e-5, 1.0}) {
    for (const double lambda : {0.0, 0.0051, 1e4})
      check_range(
          join("barlow_twins, lambda ", lambda, ", epsilon ", epsilon), {a, b}, 1e-2 / std::sqrt(epsilon), 1 + lambda,
          [=](const Tensors& x) {
            return barlow_twins(x[0], x[1], {lambda, epsilon});
          },
          [=](const std::vector<Rows>& x) {
            const Rows u = centred(x[0]), v = centred(x[1]);
            Number total;
            for (std::size_t i = 0; i < D; ++i)
              for (std::size_t j = 0; j < D; ++j) {
                const Number spread = dual::sqrt(product_of_columns(u, i, u, i) / N + Number(epsilon)) *
                                      dual::sqrt(product_of_columns(v, j, v, j) / N + Number(epsilon));
                const Number c = product_of_columns(u, i, v, j) / N / spread;
                total += i == j ? (1 - c) * (1 - c) : c * c * Number(lambda);
              }
            return total;
          });
    for (const VicRegConfig& config : {VicRegConfig{25, 25, 1, epsilon}, {0, 0, 0, epsilon}, {1e4, 1e4, 1e4, epsilon}})
      check_range(
          join("vicreg, variance ", config.variance, ", epsilon ", epsilon), {a, b}, 1e-2 / std::sqrt(epsilon),
          config.variance, [=](const Tensors& x) { return vicreg(x[0], x[1], config); },
          [=](const std::vector<Rows>& x) {
            Number apart, total;
            for (std::size_t i = 0; i < N; ++i)
              for (std::size_t d = 0; d < D; ++d) apart += (x[0][i][d] - x[1][i][d]) * (x[0][i][d] - x[1][i][d]);
            for (const Rows& z : {centred(x[0]), centred(x[1])})
              for (std::size_t i = 0; i < D; ++i)
                for (std::size_t j = 0; j < D; ++j) {
                  const Number c = product_of_columns(z, i, z, j) / (N - 1);
                  const Number low = 1 - dual::sqrt(c + Number(epsilon));
                  if (i != j) total += c * c * Number(config.covariance / D);
                  if (i == j && low.v > 0) total += low * Number(config.variance / (2 * D));
                }
            return apart * Number(config.invariance / (N * D)) + total;
          });
  }
  check_refused("lambda", 0, 1e4, [&](double l) { barlow_twins(a, b, {.lambda = l}); });
  check_refused("epsilon", 1e-8, 1, [&](double e) { barlow_twins(a, b, {.epsilon = e}); });
  check_refused("epsilon", 1e-8, 1, [&](double e) { vicreg(a, b, {.epsilon = e}); });
  check_refused("the weight of the invariance", 0, 1e4, [&](double w) { vicreg(a, b, {.invariance = w}); });
  check_refused("the weight of the variance", 0, 1e4, [&](double w) { vicreg(a, b, {.variance = w}); });
  check_refused("the weight of the covariance", 0, 1e4, [&](double w) { vicreg(a, b, {.covariance = w}); });
}

TEST_CASE("CPC over drawn negatives is right at every epsilon, also where the own share vanishes") {
  const std::int64_t P = 8, count = 5;
  const Tensor places = draw_positions(P, count, Rng(3));
  for (const double size : {1.0, 6.0, 30.0})
    for (const double epsilon : {1e-30, 1e-11, 1e-3, 1.0})
      check_range(
          join("cpc_loss, features of ", size, ", epsilon ", epsilon), {random(P, 4, 1) * size, random(P, 4, 2)},
          size * 8, size, [=](const Tensors& x) { return detail::drawn_info_nce(x[0], x[1], places, epsilon); },
          [=](const std::vector<Rows>& x) {
            const Rows s = dual::products(x[0], x[1], 1);
            Number total;
            for (std::size_t i = 0; i < static_cast<std::size_t>(P); ++i) {
              dual::Row terms{s[i][i]};
              for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k)
                terms.push_back(s[i][static_cast<std::size_t>(places.data<std::int64_t>()[i * count + k])]);
              total += -dual::log(dual::exp(terms[0] - dual::lse(terms)) + Number(epsilon));
            }
            return total / P;
          });
  const Tensor z = random(6, 4, 1).reshape({2, 3, 1, 4});
  const Tensors W{random(4, 4, 5)}, places_of{draw_positions(2, 3, Rng(1))};
  check_refused("epsilon", 1e-30, 1, [&](double e) { cpc_loss(z, z, W, 1, places_of, e); });
}
