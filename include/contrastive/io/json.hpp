// SPDX-License-Identifier: MIT
#pragma once

#if !__has_include(<nlohmann/json.hpp>)
#error "contrastive: io/ and train/ need nlohmann-json (Debian and Ubuntu: nlohmann-json3-dev)"
#endif
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "contrastive/core/error.hpp"
#include "contrastive/io/utf8.hpp"

namespace contrastive {

/// JSON whose objects keep the order of their members. A member is looked for one by one.
using Json = nlohmann::ordered_json;

/// Reads one complete text; `name` is the file's, for messages. Throws one sentence on anything that is not strict JSON in
/// UTF-8, on repeated member names and beyond 64 levels of nesting. A byte-order mark at the start is skipped.
Json parse_json(std::string_view text, std::string_view name = "text");

/// `indent` -1: one line, else that many spaces a level. NaN and infinite numbers, which JSON lacks, become null, and
/// bytes that are not UTF-8 the replacement character (`detail::as_utf8` shows them as Latin-1).
std::string dump_json(const Json& value, int indent = -1);

namespace detail {

/// What nlohmann-json says, without its name and number of the error; cut where it quotes a long text.
inline std::string sentence_of(const Json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t begin = text.starts_with("[json.exception") ? text.find("] ") + 2 : 0;
  return as_utf8(text.substr(begin, 200));
}

/// Whether the value is a whole number that int64 holds.
inline bool is_whole_number(const Json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
}

}  // namespace detail

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/io/json_parts.hpp"  // IWYU pragma: export
#endif
