// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/search/query.hpp"

/// What a page may ask: read from addresses that anybody may have written. Nothing in here opens a file: images are
/// numbers of the index.
namespace contrastive {

inline constexpr std::size_t most_address_bytes = 8192, most_page_hits = 1200, most_page_count = 100,
                             most_marked_images = 12;

/// A search: words, images that are to be like or unlike, and which of the hits.
struct PageRequest {
  std::string query;  // words alone; empty where there are none
  std::vector<std::int64_t> like, unlike;
  std::size_t from = 0, count = 40;
};

namespace detail {

/// %41 and + as forms have them. Throws on a % that two hexadecimal digits do not follow.
inline std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    require(i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2,
            "[page] a % without two hexadecimal digits");
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

/// A whole number of decimal digits alone, from 0 to below `end`.
inline std::int64_t page_number(std::string_view text, std::int64_t end, const char* what) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && stop == text.data() + text.size() && text[0] != '-' && value < end, "[page] ", what,
          " must be a whole number below ", end);
  return value;
}

inline std::vector<std::int64_t> page_numbers(std::string_view text, std::int64_t end, const char* what) {
  std::vector<std::int64_t> numbers;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    require(numbers.size() < most_marked_images, "[page] ", what, " has more than ", most_marked_images, " images");
    numbers.push_back(page_number(text.substr(0, comma), end, what));
    text.remove_prefix(comma == text.size() ? comma : comma + 1);
  }
  return numbers;
}

}  // namespace detail

/// Reads `/search?q=a+dog&like=3,17&unlike=4&from=40&count=40`, of an index with so many images. Throws `[page] ...`.
inline PageRequest parse_page_request(std::string_view target, std::int64_t images) {
  require(target.size() <= most_address_bytes, "[page] the address has more than ", most_address_bytes, " bytes");
  PageRequest request;
  const std::size_t mark = target.find('?');
  std::string_view rest = mark == target.npos ? std::string_view() : target.substr(mark + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end == rest.size() ? end : end + 1);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = detail::percent_decoded(pair.substr(0, equals));
    const std::string value = detail::percent_decoded(equals == pair.size() ? "" : pair.substr(equals + 1));
    if (name == "q")
      request.query = value;
    else if (name == "like")
      request.like = detail::page_numbers(value, images, "like");
    else if (name == "unlike")
      request.unlike = detail::page_numbers(value, images, "unlike");
    else if (name == "from")
      request.from = static_cast<std::size_t>(detail::page_number(value, most_page_hits, "from"));
    else if (name == "count")
      request.count = static_cast<std::size_t>(detail::page_number(value, most_page_count + 1, "count"));
  }
  require(request.query.size() <= most_query_bytes, "[page] the query has more than ", most_query_bytes, " bytes");
  return request;
}

/// The number in `/thumb/12` or `/image/12`, or nothing where the path is no such.
inline std::optional<std::int64_t> image_number(std::string_view path, std::string_view folder, std::int64_t images) {
  if (!path.starts_with(folder)) return std::nullopt;
  path.remove_prefix(folder.size());
  if (path.empty() || path.size() > 18 || path.find_first_not_of("0123456789") != path.npos) return std::nullopt;
  std::int64_t number = 0;
  std::from_chars(path.data(), path.data() + path.size(), number);
  return number < images ? std::optional(number) : std::nullopt;
}

/// Words of a page as terms of a query: no file of the machine can be asked for.
inline std::vector<QueryTerm> parse_page_query(std::string_view query) {
  std::vector<QueryTerm> terms = parse_query(query);
  for (const QueryTerm& term : terms)
    require(term.kind == QueryTerm::Kind::words,
            "[page] the page searches by words and by images that it shows, not by ", "files of the machine");
  return terms;
}

}  // namespace contrastive
