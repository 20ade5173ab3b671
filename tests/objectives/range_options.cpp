// SPDX-License-Identifier: MIT

// The options of the softmax losses at both ends of what they take (range.hpp): label smoothing, weights, scales of rows,
// hard and debiased negatives.

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "support/range.hpp"

using namespace range;
using similarity::SoftmaxOptions;

namespace {

/// A row's loss, from its logits, its positive's place and who else takes part.
using RowLoss =
    std::function<Number(const dual::Row& s, std::size_t positive, const std::vector<std::size_t>& negatives)>;

/// A softmax loss of pairs with a row's loss of its own: over rows (info_nce), rows and columns (clip_loss) or all rows
/// of both (nt_xent).
struct Form {
  const char* name;
  std::function<Tensor(const Tensors&, const SoftmaxOptions&)> loss;
  int sides;  // 0: symmetric
};
std::vector<Form> forms(double scale) {
  const double t = 1 / scale;
  return {{"rows",
           [=](const Tensors& x, const SoftmaxOptions& o) {
             return similarity::on_tape(detail::InfoNceCall(t, o), x[0], x[1]);
           },
           1},
          {"both",
           [=](const Tensors& x, const SoftmaxOptions& o) {
             return similarity::on_tape(detail::ClipCall(std::log(scale), o), x[0], x[1]);
           },
           2},
          {"symmetric",
           [=](const Tensors& x, const SoftmaxOptions& o) {
             return similarity::on_tape(detail::NtXentCall(t, false, o), x[0], x[1]);
           },
           0}};
}
Formula formula_of(int sides, double scale, std::vector<double> weights, std::vector<double> scales,
                   const RowLoss& loss) {
  return [=](const std::vector<Rows>& x) {
    const bool unit = sides != 2, symmetric = sides == 0;
    const Rows a = symmetric ? dual::under(x[0], x[1]) : x[0], b = symmetric ? a : x[1];
    const Rows s = dual::products(unit ? dual::unit(a) : a, unit ? dual::unit(b) : b, Number(scale));
    const std::size_t n = s.size();
    Number total;
    for (int side = 0; side < (sides == 2 ? 2 : 1); ++side)
      for (std::size_t i = 0; i < n; ++i) {
        dual::Row logits;
        for (std::size_t j = 0; j < n; ++j)
          logits.push_back((side ? s[j][i] : s[i][j]) * Number(scales.empty() ? 1 : scales[side ? j : i]));
        const std::size_t positive = symmetric ? (i + N) % n : i;
        std::vector<std::size_t> negatives;
        for (std::size_t j = 0; j < n; ++j)
          if (j != positive && !(symmetric && j == i)) negatives.push_back(j);
        total += loss(logits, positive, negatives) * Number(weights.empty() ? 1 : weights[i % N]);
      }
    return total / static_cast<long double>(sides == 1 ? N : 2 * N);
  };
}

/// log sum over the positive and the negatives
Number all_of(const dual::Row& s, std::size_t positive, const std::vector<std::size_t>& negatives) {
  dual::Row terms{s[positive]};
  for (const std::size_t j : negatives) terms.push_back(s[j]);
  return dual::lse(terms);
}
Number plain(const dual::Row& s, std::size_t positive, const std::vector<std::size_t>& negatives) {
  return all_of(s, positive, negatives) - s[positive];
}

}  // namespace

TEST_CASE("label smoothing is right from 0 to 1") {
  for (const Pairs& p : all_pairs())
    for (const double scale : {0.01, 1.0, 14.0, 1e4})
      for (const double e : {0.0, 1e-6, 0.1, 1.0})
        for (const Form& form : forms(scale)) {
          if (form.sides == 0) continue;
          check_range(
              join("smoothing ", e, " of ", form.name, " ", p.name, ", scale ", scale), {p.a, p.b}, scale, scale,
              [&](const Tensors& x) { return form.loss(x, {.label_smoothing = e}); },
              formula_of(form.sides, scale, {}, {}, [=](const dual::Row& s, std::size_t i, const auto& negatives) {
                Number mean;
                for (const Number& x : s) mean += x / static_cast<long double>(s.size());
                return all_of(s, i, negatives) - s[i] * (1 - static_cast<long double>(e)) - mean * Number(e);
              }));
        }
  const Pairs p = all_pairs()[0];
  check_refused("the label smoothing", 0, 1, [&](double e) { forms(1)[0].loss({p.a, p.b}, {.label_smoothing = e}); });
}

TEST_CASE("weights and scales of rows are right at both ends") {
  const std::vector<double> weights{0, 1e-6, 1, 0.5, 1e6, 3};
  for (const Pairs& p : all_pairs())
    for (const double scale : {0.1, 2.0}) {
      const std::vector<double> scales{1e-4, 1, 0.5, 20, 1e4, 3};
      for (const Form& form : forms(scale)) {
        check_range(
            join("weights of ", form.name, " ", p.name, ", scale ", scale), {p.a, p.b}, scale, 1e6 * scale,
            [&](const Tensors& x) { return form.loss(x, {.weights = weights}); },
            formula_of(form.sides, scale, weights, {}, plain));
        if (form.sides == 0) continue;
        check_range(
            join("row scales of ", form.name, " ", p.name, ", scale ", scale), {p.a, p.b}, 1e4 * scale, 1e4 * scale,
            [&](const Tensors& x) { return form.loss(x, {.row_scales = scales}); },
            formula_of(form.sides, scale, {}, scales, plain));
      }
    }
  const Pairs p = all_pairs()[0];
  const auto with = [&](double weight, double scale) {
    const std::vector<double> weights(N, weight), scales(N, scale);
    forms(2)[0].loss({p.a, p.b}, {.weights = weights, .row_scales = scales});
  };
  check_refused("the weights", 0, 1e6, [&](double w) { with(w, 1); });
  check_refused("the scale of a row", 5e-6, 12500, [&](double s) { with(1, s); });
}

TEST_CASE("hard and debiased negatives are right at every hardness and share of false ones") {
  for (const Pairs& p : all_pairs())
    for (const double scale : {0.01, 1.0, 14.0, 100.0, 1e4})
      for (const double hardness : {0.0, 1e-3, 1.0, 50.0, 1e4})
        for (const double tau : {0.0, 0.1, 0.99}) {
          if (scale * (1 + hardness) > 2.5e4 || (hardness > 0 && scale * hardness < 1e-5)) continue;
          const auto row = [=](const dual::Row& s, std::size_t i, const std::vector<std::size_t>& negatives) {
            dual::Row above, below;
            for (const std::size_t j : negatives)
              above.push_back(s[j] * (1 + static_cast<long double>(hardness))),
                  below.push_back(s[j] * Number(hardness));
            const auto n = static_cast<long double>(negatives.size());
            const Number ratio = dual::lse(above) - dual::lse(below) + std::log(n) - s[i];  // log R / e^s_i
            const Number floor = std::log(n) - Number(scale) - s[i];
            if (ratio.v > 5000 && ratio.v - std::log(1 - tau) > floor.v)
              return ratio - std::log(1 - static_cast<long double>(tau));
            const Number debiased = (dual::exp(ratio) - n * tau) / (1 - static_cast<long double>(tau));
            if (ratio.v <= 5000 && debiased.v > std::exp(floor.v)) return dual::log1p(debiased);
            return dual::softplus(floor);
          };
          for (const Form& form : forms(scale))
            check_range(
                join("hardness ", hardness, ", tau ", tau, " of ", form.name, " ", p.name, ", scale ", scale),
                {p.a, p.b}, (1 + scale * (1 + hardness)) / (1 - tau), scale * (1 + hardness) / (1 - tau),
                [&](const Tensors& x) { return form.loss(x, {.hardness = hardness, .tau_plus = tau}); },
                formula_of(form.sides, scale, {}, {}, row));
        }
  const Pairs p = all_pairs()[0];
  const auto hard = [&](double hardness, double tau) {
    forms(2)[0].loss({p.a, p.b}, {.hardness = hardness, .tau_plus = tau});
  };
  for (const double h : {-1.0, 1e-7, 2e4, std::nan(""), static_cast<double>(INFINITY)})
    CHECK_THROWS_WITH(hard(h, 0), Contains("hardness must be "));
  check_refused("tau_plus", 0, 0.99, [&](double t) { hard(1, t); });
}
