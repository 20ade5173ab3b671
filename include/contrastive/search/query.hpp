// SPDX-License-Identifier: MIT
#pragma once

#include <cctype>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// A term of a query: words or the path of an image, times a weight.
struct QueryTerm {
  enum class Kind { words, image };
  Kind kind = Kind::words;
  double weight = 1;
  std::string text;
  friend bool operator==(const QueryTerm&, const QueryTerm&) = default;
};

inline constexpr std::size_t most_query_bytes = 4096, most_query_terms = 16;
inline constexpr double most_query_weight = 1000;

namespace detail {

inline std::string_view without_outer_spaces(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes "0.5:" off the beginning; "10:30" stays, for it is a time.
inline double take_weight(std::string_view& text) {
  double weight = 1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight, std::chars_format::fixed);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || text.empty() || !std::isdigit(static_cast<unsigned char>(text[0])) ||
      length >= text.size() || text[length] != ':')
    return 1;
  const std::string_view rest = text.substr(length + 1);
  if (!rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0]))) return 1;
  require(weight > 0 && weight <= most_query_weight, "[settings] a weight of a query must be above 0 and at most ",
          most_query_weight, ", got ", text.substr(0, length));
  text = rest;
  return weight;
}

inline QueryTerm query_term(std::string_view text, double sign) {
  text = without_outer_spaces(text);
  const double weight = sign * take_weight(text);
  text = without_outer_spaces(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = without_outer_spaces(text.substr(1, text.size() - 2));
  require(!text.empty(), "[settings] a term of the query is empty");
  const bool image = text.starts_with("./") || text.starts_with("../") || text.starts_with("/");
  return {image ? QueryTerm::Kind::image : QueryTerm::Kind::words, weight, std::string(text)};
}

}  // namespace detail

/// Reads `dog + 0.5:"snow" - ./cat.jpg`: terms between a plus or a minus that stands alone, between spaces and outside of
/// quotation marks; each with a weight before a colon, 1 where there is none. A term that begins with `./`, `../` or `/`
/// is the path of an image. Throws `[settings] ...` with one sentence on anything else.
inline std::vector<QueryTerm> parse_query(std::string_view text) {
  require(text.size() <= most_query_bytes, "[settings] a query has at most ", most_query_bytes, " bytes, got ",
          text.size());
  require(text.find('\0') == text.npos, "[settings] a query has no zero in it");
  std::vector<QueryTerm> terms;
  double sign = 1;
  std::size_t begin = 0;
  bool quoted = false;
  const auto is_space = [&](std::size_t i) {
    return i >= text.size() || std::isspace(static_cast<unsigned char>(text[i]));
  };
  text = detail::without_outer_spaces(text);
  if (!text.empty() && (text[0] == '+' || text[0] == '-') && is_space(1)) {
    sign = text[0] == '+' ? 1 : -1;
    begin = 1;
  }
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    const bool alone = i > 0 && is_space(i - 1) && is_space(i + 1);
    if (quoted || !alone || (text[i] != '+' && text[i] != '-')) continue;
    terms.push_back(detail::query_term(text.substr(begin, i - begin), sign));
    sign = text[i] == '+' ? 1 : -1;
    begin = i + 1;
  }
  terms.push_back(detail::query_term(text.substr(begin), sign));
  require(terms.size() <= most_query_terms, "[settings] a query has at most ", most_query_terms, " terms, got ",
          terms.size());
  return terms;
}

/// The arguments of a program as one query.
inline std::string join_arguments(std::span<const std::string> arguments) {
  std::string text;
  for (const std::string& one : arguments) text += (text.empty() ? "" : " ") + one;
  return text;
}

}  // namespace contrastive
