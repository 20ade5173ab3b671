// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

/// Mean and variance from sums. Numbers are summed less a pivot that lies among them, which keeps the squares from
/// cancelling when the mean is large beside the spread.
namespace contrastive::cpu::detail {

/// The mean and the biased variance of n numbers, from the sum of what they are beyond `pivot` and of its square.
template <class A>
void moments(double sum, double square, double n, A pivot, A& mean, A& var) {
  const double offset = sum / n, spread = square / n - offset * offset;
  mean = static_cast<A>(static_cast<double>(pivot) + offset);
  var = static_cast<A>(spread < 0 ? 0 : spread);
}

/// Such sums of C channels over some rows, each part of the rows with pivots of its own; over `size(C)` doubles.
struct PartSums {
  double* data;
  std::int64_t C;

  static constexpr std::int64_t size(std::int64_t C) { return 3 * C + 1; }
  double& rows() const { return data[0]; }
  double* pivot() const { return data + 1; }
  double* sum() const { return data + 1 + C; }
  double* square() const { return data + 1 + 2 * C; }

  /// Takes another part's rows in.
  void add(const PartSums& other) const {
    for (std::int64_t c = 0; c < C; ++c) {
      const double shift = other.pivot()[c] - pivot()[c], moved = other.rows() * shift;
      square()[c] += other.square()[c] + shift * (2 * other.sum()[c] + moved);
      sum()[c] += other.sum()[c] + moved;
    }
    rows() += other.rows();
  }
};

}  // namespace contrastive::cpu::detail
