// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "contrastive/core/error.hpp"
#include "contrastive/core/host_device.hpp"

namespace contrastive {

enum class DType : std::uint8_t { f32, f64, bf16, f16, i32, i64, u8 };

/// Brain float: the upper half of a float32. Arithmetic is done in float.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  CONTRASTIVE_HD explicit bf16(float value) {
    std::uint32_t u = bit_copy<std::uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u)
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40u);  // a NaN stays one
    else
      bits = static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);  // nearest, ties to even
  }
  CONTRASTIVE_HD operator float() const { return bit_copy<float>(static_cast<std::uint32_t>(bits) << 16); }

  template <class To, class From>
  CONTRASTIVE_HD static To bit_copy(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
  }
};

/// IEEE half precision, for storage and exchange (weights in files); arithmetic is done in float.
struct f16 {
  std::uint16_t bits = 0;

  f16() = default;
  CONTRASTIVE_HD explicit f16(float value) {
    const std::uint32_t u = bf16::bit_copy<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude >= 0x47800000u) {  // 65536 and above, infinity, NaN
      bits = static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u));
    } else if (magnitude < 0x38800000u) {  // subnormal halves: let float addition do the rounding
      const float shifted = bf16::bit_copy<float>(magnitude) + 0.5f;
      bits = static_cast<std::uint16_t>(sign | (bf16::bit_copy<std::uint32_t>(shifted) - 0x3f000000u));
    } else {
      const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
      bits = static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
    }
  }
  CONTRASTIVE_HD operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return bf16::bit_copy<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
    // Multiplying by 2^112 renormalises subnormals exactly.
    const float value = bf16::bit_copy<float>(magnitude << 13) * 5.192296858534828e33f;
    return bf16::bit_copy<float>(sign | bf16::bit_copy<std::uint32_t>(value));
  }
};

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* to_string(DType dtype) {
  constexpr const char* names[] = {"f32", "f64", "bf16", "f16", "i32", "i64", "u8"};
  return names[static_cast<int>(dtype)];
}

constexpr bool is_float(DType dtype) { return dtype <= DType::f16; }

namespace detail {
template <class T>
struct DTypeOf;
// clang-format off
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<bf16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<f16> { static constexpr DType value = DType::f16; };
template <> struct DTypeOf<std::int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<std::int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<std::uint8_t> { static constexpr DType value = DType::u8; };
template <class T>
struct TypeTag { using type = T; };
// clang-format on
}  // namespace detail

template <class T>
inline constexpr DType dtype_of = detail::DTypeOf<T>::value;

/// The type a value is computed in: float for the 16-bit types, itself otherwise.
// clang-format off
template <class T> struct ComputeType { using type = T; };
template <> struct ComputeType<bf16> { using type = float; };
template <> struct ComputeType<f16> { using type = float; };
// clang-format on
template <class T>
using compute_t = typename ComputeType<T>::type;

/// Calls `f` with a tag whose `::type` is the C++ type of a dtype that is computed with (f32, f64, bf16).
template <class F>
decltype(auto) dispatch_compute(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(detail::TypeTag<float>{});
    case DType::f64: return f(detail::TypeTag<double>{});
    case DType::bf16: return f(detail::TypeTag<bf16>{});
    default: fail("[", op, "] computes in f32, f64 or bf16, got ", to_string(dtype));
  }
}

/// The same over every dtype.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(detail::TypeTag<float>{});
    case DType::f64: return f(detail::TypeTag<double>{});
    case DType::bf16: return f(detail::TypeTag<bf16>{});
    case DType::f16: return f(detail::TypeTag<f16>{});
    case DType::i32: return f(detail::TypeTag<std::int32_t>{});
    case DType::i64: return f(detail::TypeTag<std::int64_t>{});
    case DType::u8: return f(detail::TypeTag<std::uint8_t>{});
  }
  fail("[dtype] unknown value");
}

}  // namespace contrastive
