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
#include <variant>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/setting.hpp"

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

/// The flag of a setting, with its value as the default.
inline void add_flag(CLI::App& cli, const contrastive::Setting& one) {
  std::visit(
      [&](auto* field) {
        using Field = std::remove_cvref_t<decltype(*field)>;
        const std::string flag = std::string("--") + one.name;
        if constexpr (std::is_same_v<Field, bool>) {
          cli.add_flag(flag, *field, one.help);
        } else {
          CLI::Option* const option = cli.add_option(flag, *field, one.help)->capture_default_str()->take_last();
          if constexpr (std::is_arithmetic_v<Field>)
            option->transform(within(static_cast<Field>(one.least), static_cast<Field>(one.most)));
        }
      },
      one.field);
}

}  // namespace app
