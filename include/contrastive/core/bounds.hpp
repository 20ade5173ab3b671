// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdlib>
#include <string>
#include <type_traits>

#include "contrastive/core/error.hpp"

/// The numbers that losses, evaluations and programs take, each with the ends between which its results are right.
namespace contrastive {

namespace detail {

/// As `join` writes it where that is the number, else with all its digits: what is refused is not written as the bound.
inline std::string in_full(double value) {
  const std::string text = join(value);
  if (!std::isfinite(value) || std::strtod(text.c_str(), nullptr) == value) return text;
  char digits[40];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}
inline std::string in_full(std::integral auto value) { return std::to_string(value); }

}  // namespace detail

/// Throws `[op] NAME must be LEAST to MOST, got VALUE` unless least <= value <= most; NaN is not.
template <class T>
void require_within(const char* op, const char* name, T value, std::type_identity_t<T> least,
                    std::type_identity_t<T> most) {
  require(least <= value && value <= most, "[", op, "] ", name, " must be ", detail::in_full(least), " to ",
          detail::in_full(most), ", got ", detail::in_full(value));
}

/// Of a softmax. A float carries a logit of 1 / t to about 1e-7 / t: at the least temperature three digits of a
/// probability are left, and at the most the difference of two softmaxes has as many.
inline void check_temperature(const char* op, double temperature, const char* name = "the temperature") {
  require_within(op, name, temperature, 1e-4, 1e4);
}

/// The logarithm of an inverse temperature, as a model learns it: scales of 4.5e-5 to 2.2e4.
inline void check_log_scale(const char* op, double log_scale) {
  require_within(op, "the log scale", log_scale, -10, 10);
}

}  // namespace contrastive
