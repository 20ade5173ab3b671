// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "contrastive/text/html.hpp"
#include "contrastive/text/normalize.hpp"
#include "contrastive/text/repair.hpp"
#include "contrastive/text/unicode.hpp"

namespace contrastive {

/// Which program's ids a CLIP tokenizer gives. They differ in how they clean text and in what they take for a special
/// token in it.
///   openai        openai/CLIP, clip/simple_tokenizer.py with ftfy: `<|startoftext|>` and `<|endoftext|>` are special.
///   open_clip     open_clip 3.3.0, SimpleTokenizer: the same with `<start_of_text>` and `<end_of_text>`.
///   hugging_face  transformers 5, CLIPTokenizer: no repairs but NFC, no character references, no final sigma; the
///                 tokens of OpenAI, in small letters only; pads with the end token instead of 0.
enum class ClipDialect { openai, open_clip, hugging_face };

namespace detail {

/// White space at the ends goes, within it becomes one space each.
inline std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string out;
  bool space = false;
  for (const char32_t code : text) {
    if (UnicodeTables::get().kind(code) == CharacterKind::space) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += U' ';
    space = false;
    out += code;
  }
  return out;
}

}  // namespace detail

/// A text as the tokenizer of a dialect splits it: repaired, character references resolved (twice, as in CLIP), white
/// space collapsed, in small letters. Bytes that are not UTF-8 are U+FFFD.
inline std::string clean_text(std::string_view text, ClipDialect dialect) {
  using namespace detail;
  const std::u32string characters = from_utf8(text);
  if (dialect == ClipDialect::hugging_face)
    return to_utf8(lower_case(collapse_spaces(compose(characters)), /*final_sigma=*/false));
  const std::u32string whole = unescape_html(unescape_html(repair_text(characters)));
  return to_utf8(lower_case(collapse_spaces(whole), /*final_sigma=*/true));
}

/// A text as SigLIP wants it: repaired as for CLIP, underscores to spaces, without ASCII punctuation, in small letters,
/// white space collapsed (big_vision's `canonicalize_text`, as called by open_clip).
inline std::string canonicalize_text(std::string_view text) {
  using namespace detail;
  std::u32string kept;
  for (const char32_t code : unescape_html(unescape_html(repair_text(from_utf8(text))))) {
    const bool letter_or_digit = (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    if (code == '_')
      kept += U' ';
    else if (code <= ' ' || code >= 0x7F || letter_or_digit)
      kept += code;
  }
  return to_utf8(collapse_spaces(lower_case(kept, /*final_sigma=*/true)));
}

}  // namespace contrastive
