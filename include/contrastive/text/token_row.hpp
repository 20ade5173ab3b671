// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// How much of a row a text takes.
struct TokenCount {
  std::int64_t length = 0;  // ids before the padding, start and end among them
  bool truncated = false;   // the text had more tokens than the row has room for
};

/// The ids of a text, padded to a fixed length.
struct TokenRow : TokenCount {
  std::vector<std::int32_t> ids;
};

namespace detail {

/// Fills a row with start, the ids that `each(emit)` emits, end and padding. What is too long is cut, so that the end
/// token survives. `each` stops when emit returns false.
template <class Each>
TokenCount fill_row(std::span<std::int32_t> row, std::int32_t start, std::int32_t end, std::int32_t pad, Each&& each) {
  require(row.size() >= 2, "[tokenizer] a row has room for start and end at least, not ", row.size());
  std::size_t filled = 0;
  row[filled++] = start;
  const bool complete = each([&](std::int32_t id) {
    if (filled + 1 == row.size()) return false;
    row[filled++] = id;
    return true;
  });
  row[filled++] = end;
  const TokenCount length{static_cast<std::int64_t>(filled), !complete};
  while (filled < row.size()) row[filled++] = pad;
  return length;
}

}  // namespace detail
}  // namespace contrastive
