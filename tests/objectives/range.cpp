// SPDX-License-Identifier: MIT

// Losses over pairs, at both ends of every number that they take (range.hpp): by the engine and by the dense forms.

#include "support/range.hpp"

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/invariant_spread.hpp"
#include "contrastive/objectives/nnclr.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/soft_targets.hpp"
#include "contrastive/objectives/sup_con.hpp"

using namespace range;

namespace {

std::size_t diagonal(std::size_t i) { return i; }
std::size_t partner(std::size_t i) { return (i + N) % (2 * N); }
bool everything(std::size_t, std::size_t) { return true; }
bool others(std::size_t i, std::size_t j) { return i != j; }

Number inverse(double t) { return 1 / static_cast<long double>(t); }

Formula info_nce_of(double t) {
  return [=](const std::vector<Rows>& x) {
    return dual::cross_entropy(dual::products(dual::unit(x[0]), dual::unit(x[1]), inverse(t)), diagonal, everything);
  };
}

Rows turned(const Rows& s) {
  Rows across = s;
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < s.size(); ++j) across[i][j] = s[j][i];
  return across;
}

}  // namespace

TEST_CASE("softmax losses are right at every temperature that they take") {
  for (const Pairs& p : all_pairs())
    for (const double t : temperatures) {
      const std::string at = join(" ", p.name, ", t ", t);
      const double logit = 1 / t, slope = 1 / t;
      const auto both = [&](const std::string& name, const Tensors& inputs, const Loss& loss, const Loss& dense,
                            const Formula& formula) {
        check_range(name + at, inputs, logit, slope, loss, formula);
        check_range(name + " dense" + at, inputs, logit, slope, dense, formula);
      };
      both(
          "info_nce", {p.a, p.b}, [=](const Tensors& x) { return info_nce(x[0], x[1], t); },
          [=](const Tensors& x) { return dense::info_nce(x[0], x[1], t); }, info_nce_of(t));
      check_range(
          "nnclr" + at, {p.a, p.b}, logit, slope,
          [=](const Tensors& x) { return nnclr_loss(x[0], x[1], x[0], x[1], t); }, info_nce_of(t));
      both(
          "nt_xent", {p.a, p.b}, [=](const Tensors& x) { return nt_xent(x[0], x[1], t); },
          [=](const Tensors& x) { return dense::nt_xent(x[0], x[1], t); },
          [=](const std::vector<Rows>& x) {
            const Rows z = dual::unit(dual::under(x[0], x[1]));
            return dual::cross_entropy(dual::products(z, z, inverse(t)), partner, others);
          });
      both(
          "info_nce of a queue", {p.a, p.b, normalize(random(9, D, 8))},
          [=](const Tensors& x) { return info_nce(x[0], x[1], x[2].detach(), t); },
          [=](const Tensors& x) { return dense::info_nce(x[0], x[1], x[2].detach(), t); },
          [=](const std::vector<Rows>& x) {
            const Rows queries = dual::unit(x[0]);
            Rows s = dual::products(queries, dual::still(x[2]), inverse(t));
            const Rows own = dual::products(queries, dual::unit(x[1]), inverse(t));
            for (std::size_t i = 0; i < s.size(); ++i) s[i].insert(s[i].begin(), own[i][i]);
            return dual::cross_entropy(
                s, [](std::size_t) { return std::size_t{0}; }, everything);
          });
    }
  const Pairs p = all_pairs()[0];
  const std::vector<std::int32_t> labels(N, 1);
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { info_nce(p.a, p.b, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { info_nce(p.a, p.b, p.a, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { nt_xent(p.a, p.b, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { decoupled_info_nce(p.a, p.b, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { sup_con(p.a, labels, {.temperature = t}); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { nnclr_loss(p.a, p.b, p.a, p.b, t); });
  check_refused("the temperature", 1e-4, 1e4, [&](double t) { invariant_spread(p.a, p.b, t); });
}

TEST_CASE("learned scales are right at every value that is taken, and so are SigLIP's biases") {
  for (const Pairs& p : all_pairs())
    for (const double log_scale : {-10.0, -3.0, 0.0, std::log(1 / 0.07), std::log(100.0), 10.0}) {
      const std::string at = join(" ", p.name, ", log scale ", log_scale);
      const double scale = std::exp(log_scale);
      const Formula clip = [](const std::vector<Rows>& x) {
        const Rows s = dual::products(x[0], x[1], dual::exp(x[2][0][0]));
        return (dual::cross_entropy(s, diagonal, everything) + dual::cross_entropy(turned(s), diagonal, everything)) *
               0.5L;
      };
      check_range(
          "clip_loss" + at, {p.a, p.b, scalar(log_scale)}, scale, scale,
          [](const Tensors& x) { return clip_loss(x[0], x[1], x[2]); }, clip);
      check_range(
          "clip_loss dense" + at, {p.a, p.b, scalar(log_scale)}, scale, scale,
          [](const Tensors& x) { return dense::clip_loss(x[0], x[1], x[2]); }, clip);
      check_range(
          "soft_target_info_nce" + at, {p.a, p.b, scalar(log_scale), softmax(random(N, N, 5))}, scale, scale,
          [](const Tensors& x) { return soft_target_info_nce(x[0], x[1], x[2], x[3]); },
          [](const std::vector<Rows>& x) {
            const Rows s = dual::products(x[0], x[1], dual::exp(x[2][0][0]));
            Number total;
            for (std::size_t i = 0; i < N; ++i)
              for (std::size_t j = 0; j < N; ++j) total += dual::still(x[3][i][j]) * (dual::lse(s[i]) - s[i][j]);
            return total / N;
          });
      for (const double bias : {-1e4, -10.0, 0.0, 10.0, 1e4}) {
        const Tensors inputs{p.a, p.b, scalar(log_scale), scalar(bias)};
        const Formula siglip = [](const std::vector<Rows>& x) {
          const Rows s = dual::products(x[0], x[1], dual::exp(x[2][0][0]));
          Number total;
          for (std::size_t i = 0; i < N; ++i)
            for (std::size_t j = 0; j < N; ++j) {
              const Number z = s[i][j] + x[3][0][0];
              total += dual::softplus(i == j ? -z : z);
            }
          return total / N;
        };
        const double logit = scale + std::abs(bias);
        check_range(
            join("siglip_loss", at, ", bias ", bias), inputs, logit, scale,
            [](const Tensors& x) { return siglip_loss(x[0], x[1], x[2], x[3]); }, siglip);
        check_range(
            join("siglip_loss dense", at, ", bias ", bias), inputs, logit, scale,
            [](const Tensors& x) { return dense::siglip_loss(x[0], x[1], x[2], x[3]); }, siglip);
      }
    }
  const Pairs p = all_pairs()[0];
  const Tensor targets = softmax(random(N, N, 5));
  check_refused("the log scale", -10, 10, [&](double s) { clip_loss(p.a, p.b, scalar(s)); });
  check_refused("the log scale", -10, 10, [&](double s) { siglip_loss(p.a, p.b, scalar(s), scalar(0)); });
  check_refused("the bias", -1e4, 1e4, [&](double b) { siglip_loss(p.a, p.b, scalar(0), scalar(b)); });
  check_refused("the log scale", -10, 10, [&](double s) { similarity_logsumexp(p.a, p.b, scalar(s)); });
  check_refused("the log scale", -10, 10, [&](double s) { soft_target_info_nce(p.a, p.b, scalar(s), targets); });
}

TEST_CASE("the decoupled loss weighs positives rightly at every sigma, and the supervised one at every base") {
  for (const Pairs& p : all_pairs())
    for (const double t : temperatures)
      for (const double other : {0.0, 1e-4, 1e-3, 0.01, 0.5, 1.0, 1e4}) {
        const auto dcl = [=](const std::vector<Rows>& x) {
          const Rows z = dual::unit(dual::under(x[0], x[1])), s = dual::products(z, z, inverse(t));
          std::vector<long double> w(N, 1);
          if (other > 0) {
            dual::Row cosines;
            for (std::size_t i = 0; i < N; ++i) cosines.push_back(dual::dot(z[i], z[i + N]) * inverse(other));
            for (std::size_t i = 0; i < N; ++i) w[i] = 2 - N * std::exp(cosines[i].v - dual::lse(cosines).v);
          }
          Number total;
          for (std::size_t i = 0; i < 2 * N; ++i) {
            dual::Row terms;
            for (std::size_t j = 0; j < 2 * N; ++j)
              if (j != i && j != partner(i)) terms.push_back(s[i][j]);
            total += dual::lse(terms) - s[i][partner(i)] * w[i % N];
          }
          return total / (2 * N);
        };
        check_range(
            join("decoupled_info_nce ", p.name, ", t ", t, ", sigma ", other), {p.a, p.b},
            1 / t + (other > 0 ? N / other / t : 0), N / t,
            [=](const Tensors& x) { return decoupled_info_nce(x[0], x[1], t, other); }, dcl);
        if (other == 0) continue;
        const std::vector<std::int32_t> labels{3, 3, 8, 1, 3, 1};
        check_range(
            join("sup_con ", p.name, ", t ", t, ", base ", other), {p.a}, 1 / t, 1 / other,
            [=](const Tensors& x) { return sup_con(x[0], labels, {.temperature = t, .base_temperature = other}); },
            [=](const std::vector<Rows>& x) {
              const Rows z = dual::unit(x[0]), s = dual::products(z, z, inverse(t));
              Number total;
              for (std::size_t i = 0; i < N; ++i) {
                dual::Row terms;
                Number positives, count;
                for (std::size_t j = 0; j < N; ++j) {
                  if (j == i) continue;
                  terms.push_back(s[i][j]);
                  if (labels[i] == labels[j]) positives += s[i][j], count += 1;
                }
                if (count.v > 0) total += dual::lse(terms) - positives / count;
              }
              return total * (static_cast<long double>(t) / other / N);
            });
      }
  const Pairs p = all_pairs()[0];
  const std::vector<std::int32_t> labels(N, 1);
  check_refused("sigma", 1e-4, 1e4, [&](double s) { decoupled_info_nce(p.a, p.b, 0.1, s); });
  check_refused("the base temperature", 1e-4, 1e4, [&](double b) { sup_con(p.a, labels, {.base_temperature = b}); });
}

TEST_CASE("InvaSpread's negatives count where one of them is nearly certain") {
  for (const Pairs& p : all_pairs())
    for (const double t : temperatures)
      for (const long double m : {1.0L, 1.0001L, 10.0L}) {
        const auto spread = [=](const std::vector<Rows>& x) {
          const Rows z = dual::unit(dual::under(x[0], x[1])), s = dual::products(z, dual::still(z), inverse(t));
          Number total;
          for (std::size_t i = 0; i < 2 * N; ++i) {
            // log of the denominator, of which `without` may be left out once
            const auto denominator = [&](std::size_t without) {
              dual::Row terms;
              for (std::size_t j = 0; j < 2 * N; ++j) {
                const long double weight = j == partner(i) ? 1 : j == without ? m - 1 : m;
                if (j != i && weight > 0) terms.push_back(s[i][j] + Number(std::log(weight)));
              }
              return dual::lse(terms);
            };
            const Number all = denominator(2 * N);
            total += all - s[i][partner(i)];
            for (std::size_t j = 0; j < 2 * N; ++j)
              if (j != i && j != partner(i)) total += (all - denominator(j)) * m;
          }
          return total / (2 * N);
        };
        const double weight = static_cast<double>(m);
        check_range(
            join("invariant_spread ", p.name, ", t ", t, ", m ", weight), {p.a, p.b}, 1 / t, 10 / t,
            [=](const Tensors& x) { return invariant_spread(x[0], x[1], t, weight); }, spread);
      }
  const Pairs p = all_pairs()[0];
  check_refused("the negatives' weight", 0.1, 10, [&](double m) { invariant_spread(p.a, p.b, 1, m); });
  // Row 0 equals row 1, which is a negative of it, and is far from its pair: P is nearly 1 / m.
  const Tensor rows = Tensor::from({1.f, 0.f, 1.f, 0.f}, {2, 2}), pairs = Tensor::from({-1.f, 0.f, 0.f, 1.f}, {2, 2});
  CHECK(std::isfinite(invariant_spread(rows, pairs, 0.1, 1).item()));
  CHECK_THROWS_WITH(invariant_spread(rows, pairs, 0.1, 0.5), Contains("P_ij below 1"));
}
