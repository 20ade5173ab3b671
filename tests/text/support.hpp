// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/text/unicode.hpp"
#include "support/catch.hpp"

inline std::string text_golden(const std::string& name) { return CONTRASTIVE_GOLDEN_DIR "/text/" + name; }

inline contrastive::Json golden_json(const std::string& name) {
  return contrastive::parse_json(contrastive::read_text(text_golden(name)), name);
}

using Ids = std::vector<std::int32_t>;

/// Texts of all kinds: bytes that are mostly not UTF-8, characters from anywhere, and words with endings and signs.
inline std::string random_text(contrastive::Stream& random) {
  static const std::vector<std::string> parts = {"a",
                                                 "photo",
                                                 "Dogs",
                                                 " ",
                                                 "  ",
                                                 "\n",
                                                 "'s",
                                                 "'LL",
                                                 "'",
                                                 "''",
                                                 "2024",
                                                 "½",
                                                 "é",
                                                 "naïve",
                                                 "Σ",
                                                 "ΟΔΟΣ",
                                                 "İ",
                                                 "日本語",
                                                 "👍🏽",
                                                 "!?",
                                                 "&amp;",
                                                 "<b>",
                                                 "<|endoftext|>",
                                                 "<start_of_text>",
                                                 "ſ",
                                                 "'ſ",
                                                 "\u0345",
                                                 "e\u0301",
                                                 "â€™",
                                                 "Ã©",
                                                 "ﬁ",
                                                 "\u00A0",
                                                 "_",
                                                 "-",
                                                 "supercalifragilistic"};
  const auto kind = random.below(3);
  std::string text;
  for (std::uint64_t left = random.below(kind == 2 ? 12 : 40); left > 0; --left) {
    if (kind == 0)
      text += static_cast<char>(random.bits());
    else if (kind == 1)
      contrastive::detail::append_utf8(text,
                                       static_cast<char32_t>(random.below(random.below(4) == 0 ? 0xD800 : 0x250)));
    else
      text += parts[random.below(parts.size())];
  }
  return text;
}
