// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "contrastive/core/host_device.hpp"

/// What a number and a vector of numbers (the compilers' extension) have in common, for code that takes either.
namespace contrastive::simd {

// Compilers remark on calls that return wide vectors; ours are all inlined. g++ has another remark, on arguments, that no
// pragma reaches: functions take vectors by reference.
#if defined(__GNUC__)  // clang too
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace detail {

template <class T>
struct Element {
  using type = T;
  using Bits = std::int32_t;
};
template <class T>
requires requires(T t) { t[0]; }
struct Element<T> {
  using type = std::remove_cvref_t<decltype(std::declval<T>()[0])>;
  using Bits = decltype(std::declval<T>() < std::declval<T>());
};

}  // namespace detail

/// The type of a lane; a number is its own.
template <class T>
using element_t = typename detail::Element<T>::type;
/// Integers as wide as the lanes of a vector, or as a float.
template <class T>
using bits_t = typename detail::Element<T>::Bits;

/// std::bit_cast, but never a call: without optimisation that would hand over vectors as the baseline does.
template <class To, class From>
CONTRASTIVE_HD_INLINE To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

/// A number in every lane.
template <class T, class S>
CONTRASTIVE_HD_INLINE constexpr T splat(S number) {
  T lanes{};
  return lanes += static_cast<element_t<T>>(number);  // `T{} + number`: g++ fills lane by lane
}

}  // namespace contrastive::simd
