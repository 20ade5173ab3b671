// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <type_traits>

#include "contrastive/core/bounds.hpp"

/// What the flags of all programs share.
namespace app {

/// For `transform` of a flag: a number from `least` to `most`, both included. Whole numbers are decimal (010 is ten), have
/// a sign or none and no exponent; NaN and infinity lie in no bounds.
template <class T>
CLI::Validator within(T least, T most) {
  const std::string bounds =
      contrastive::join(contrastive::detail::in_full(least), " to ", contrastive::detail::in_full(most));
  const auto check = [=](std::string& text) -> std::string {
    std::conditional_t<std::integral<T>, std::int64_t, double> value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::invalid_argument || end != text.data() + text.size())
      return contrastive::join("must be a ", std::integral<T> ? "whole " : "", "number, got ", text);
    if (error != std::errc() ||
        !(static_cast<decltype(value)>(least) <= value && value <= static_cast<decltype(value)>(most)))
      return contrastive::join("must be ", bounds, ", got ", text);
    if constexpr (std::integral<T>) text = std::to_string(value);
    return {};
  };
  return CLI::Validator(check, bounds);
}

/// The sentence of an exception.
inline std::string sentence_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "out of memory: a smaller --batch or --image-size takes less";
  return error.what();
}

}  // namespace app
