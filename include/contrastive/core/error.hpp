// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

namespace contrastive {

/// The one exception of the library. Its text names the operation in brackets, then what was expected and what
/// came: `[matmul] inner sizes differ: (256, 128) x (64, 256)`.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {

inline void append(std::string& text, std::string_view part) { text += part; }
inline void append(std::string& text, const char* part) { text += part; }
inline void append(std::string& text, char part) { text += part; }
inline void append(std::string& text, bool part) { text += part ? "true" : "false"; }
inline void append(std::string& text, std::integral auto part) { text += std::to_string(part); }

inline void append(std::string& text, std::floating_point auto part) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", static_cast<double>(part));
  text += digits;
}

template <class T>
// clang-format off
  requires requires(const T& value) { { to_string(value) } -> std::convertible_to<std::string>; }
// clang-format on
void append(std::string& text, const T& part) { text += to_string(part); }

}  // namespace detail

/// Joins strings, numbers and whatever has a `to_string` found by argument-dependent lookup.
template <class... Parts>
std::string join(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(join(parts...));
}

/// Throws `Error` unless `condition`. The message is only put together when it is needed.
template <class... Parts>
constexpr void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(parts...);
}

}  // namespace contrastive
