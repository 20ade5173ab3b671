// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

/// Losses as loops over numbers that carry a derivative, in long double: what a loss and its gradient have to be, from
/// the formula alone.
namespace dual {

/// A value and its derivative by one input.
struct Number {
  long double v = 0, d = 0;
  Number() = default;
  Number(long double value, long double derivative = 0) : v(value), d(derivative) {}
};
inline Number operator+(Number a, Number b) { return {a.v + b.v, a.d + b.d}; }
inline Number operator-(Number a, Number b) { return {a.v - b.v, a.d - b.d}; }
inline Number operator-(Number a) { return {-a.v, -a.d}; }
inline Number operator*(Number a, Number b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Number operator/(Number a, Number b) { return {a.v / b.v, (a.d - a.v / b.v * b.d) / b.v}; }
inline Number& operator+=(Number& a, Number b) { return a = a + b; }
inline Number exp(Number a) { return {std::exp(a.v), std::exp(a.v) * a.d}; }
inline Number log(Number a) { return {std::log(a.v), a.d / a.v}; }
inline Number log1p(Number a) { return {std::log1p(a.v), a.d / (1 + a.v)}; }
inline Number sqrt(Number a) { return {std::sqrt(a.v), a.d == 0 ? 0 : a.d / (2 * std::sqrt(a.v))}; }
inline Number pow(Number a, long double e) { return {std::pow(a.v, e), a.d == 0 ? 0 : e * std::pow(a.v, e - 1) * a.d}; }
/// The same value, a constant.
inline Number still(Number a) { return {a.v, 0}; }

using Row = std::vector<Number>;
using Rows = std::vector<Row>;

inline Number dot(const Row& a, const Row& b) {
  Number sum;
  for (std::size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
  return sum;
}
inline Rows still(Rows rows) {
  for (Row& row : rows)
    for (Number& x : row) x = still(x);
  return rows;
}
inline Rows unit(Rows rows) {
  for (Row& row : rows) {
    const Number norm = sqrt(dot(row, row));
    for (Number& x : row) x = x / norm;
  }
  return rows;
}
inline Rows under(Rows top, const Rows& bottom) {
  top.insert(top.end(), bottom.begin(), bottom.end());
  return top;
}

/// log sum exp
inline Number lse(const Row& terms) {
  Number top = terms.at(0), sum;
  for (const Number& x : terms)
    if (x.v > top.v) top = x;
  for (const Number& x : terms) sum += exp(x - top);
  return top + log(sum);
}
/// log(1 + e^x)
inline Number softplus(Number x) { return x.v > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

/// Mean over the rows i of s of log sum_{j: takes(i, j)} e^s_ij - s_i,target(i).
template <class Target, class Takes>
Number cross_entropy(const Rows& s, Target target, Takes takes) {
  Number total;
  for (std::size_t i = 0; i < s.size(); ++i) {
    Row terms;
    for (std::size_t j = 0; j < s[i].size(); ++j)
      if (takes(i, j)) terms.push_back(s[i][j]);
    total += lse(terms) - s[i][target(i)];
  }
  return total / Number(static_cast<long double>(s.size()));
}

/// scale x_i . y_j
inline Rows products(const Rows& x, const Rows& y, Number scale) {
  Rows s;
  for (const Row& row : x) {
    s.emplace_back();
    for (const Row& column : y) s.back().push_back(dot(row, column) * scale);
  }
  return s;
}

}  // namespace dual
