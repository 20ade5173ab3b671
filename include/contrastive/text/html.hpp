// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "contrastive/text/html_tables.hpp"
#include "contrastive/text/legacy_tables.hpp"

namespace contrastive::detail {

/// Character references by name, without the ampersand.
class HtmlEntities {
 public:
  explicit HtmlEntities(std::string_view table) {
    while (!table.empty()) {
      const std::size_t end = table.find(' '), equals = table.find('=');
      std::u32string text;
      for (std::size_t at = equals; at < end; at = table.find('+', at + 1)) {
        std::uint32_t code = 0;
        std::from_chars(table.data() + at + 1, table.data() + end, code, 16);
        text += static_cast<char32_t>(code);
      }
      entities_.emplace(table.substr(0, equals), text);
      table.remove_prefix(end + 1);
    }
  }

  const std::u32string* find(std::string_view name) const {
    const auto found = entities_.find(name);
    return found == entities_.end() ? nullptr : &found->second;
  }

  /// HTML5's own.
  static const HtmlEntities& html5() {
    static const HtmlEntities entities(html_entities);
    return entities;
  }
  /// Those that ftfy adds: &EACUTE; for &Eacute;.
  static const HtmlEntities& in_capitals() {
    static const HtmlEntities entities(html_entities_upper);
    return entities;
  }

 private:
  std::unordered_map<std::string_view, std::u32string> entities_;
};

struct CharacterReference {
  std::u32string text;
  std::size_t length;  // of what it replaces
};

/// What a number stands for in HTML5: bytes of Windows-1252 for what would be C1 controls, U+FFFD for what is no
/// character, nothing for controls and noncharacters.
inline std::u32string numbered_character(std::uint32_t number) {
  if (number >= 0x80 && number < 0xA0) return {page_cp1252[number - 0x80]};
  if (number == 0 || (number >= 0xD800 && number < 0xE000) || number > 0x10FFFF) return {0xFFFD};
  const bool control =
      (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') || number == 0x7F;
  const bool noncharacter = (number >= 0xFDD0 && number < 0xFDF0) || (number & 0xFFFE) == 0xFFFE;
  if (control || noncharacter) return {};
  return {static_cast<char32_t>(number)};
}

/// &#233; or &#xE9;, also without its semicolon, at the start of `text`.
inline std::optional<CharacterReference> numbered_reference(std::u32string_view text) {
  if (text.size() < 3 || text[0] != '&' || text[1] != '#') return std::nullopt;
  const bool hex = text[2] == 'x' || text[2] == 'X';
  const std::size_t begin = hex ? 3 : 2;
  std::size_t at = begin;
  std::uint32_t number = 0;
  for (; at < text.size(); ++at) {
    const char32_t c = text[at], small = c | 0x20;
    std::uint32_t digit = 16;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (hex && small >= 'a' && small <= 'f') digit = small - 'a' + 10;
    if (digit == 16) break;
    if (number <= 0x10FFFF) number = number * (hex ? 16 : 10) + digit;
  }
  if (at == begin) return std::nullopt;
  if (at < text.size() && text[at] == ';') ++at;
  return CharacterReference{numbered_character(number), at};
}

/// &eacute; at the start of `text`, or the longest name of those that HTML5 has without a semicolon.
inline std::optional<CharacterReference> named_reference(std::u32string_view text) {
  std::string name;
  for (std::size_t i = 1; i < text.size() && name.size() < 32; ++i) {
    const char32_t c = text[i];
    if (c >= 0x80 || c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' || c == ';')
      break;
    name += static_cast<char>(c);
  }
  if (name.size() + 1 < text.size() && text[name.size() + 1] == ';') name += ';';
  for (; name.size() > 1; name.pop_back())
    if (const std::u32string* found = HtmlEntities::html5().find(name))
      return CharacterReference{*found, name.size() + 1};
  return std::nullopt;
}

/// `text` with what `reference` finds at an ampersand replaced; what was put in is not looked at again.
template <class Reference>
std::u32string replace_references(std::u32string_view text, Reference&& reference) {
  std::u32string out;
  for (;;) {
    const std::size_t ampersand = text.find(U'&');
    out += text.substr(0, ampersand);
    if (ampersand == text.npos) return out;
    text.remove_prefix(ampersand);
    const std::optional<CharacterReference> found = reference(text);
    out += found ? found->text : U"&";
    text.remove_prefix(found ? found->length : 1);
  }
}

/// Character references as the HTML5 standard reads them, as Python's `html.unescape` does: &eacute; &#233; &#xE9;, and
/// &eacute without a semicolon.
inline std::u32string unescape_html(std::u32string_view text) {
  return replace_references(text, [](std::u32string_view at) {
    std::optional<CharacterReference> found = numbered_reference(at);
    return found ? found : named_reference(at);
  });
}

/// A reference that ends in a semicolon at the start of `text`, also in the capitals that ftfy knows.
inline std::optional<CharacterReference> reference_with_semicolon(std::u32string_view text) {
  constexpr std::size_t longest = 24;
  const bool number = text.size() > 1 && text[1] == '#';
  const std::size_t begin = number ? 2 : 1;
  std::string name;
  for (std::size_t i = begin; i < text.size() && name.size() <= longest; ++i) {
    const char32_t c = text[i], small = c | 0x20;
    if (!((c >= '0' && c <= '9') || (small >= 'a' && small <= 'z'))) break;
    name += static_cast<char>(c);
  }
  const std::size_t length = begin + name.size() + 1;
  if (name.empty() || name.size() > longest || length > text.size() || text[length - 1] != ';') return std::nullopt;
  if (number) {
    const std::optional<CharacterReference> found = numbered_reference(text);
    return found && found->length == length && found->text != U";" ? found : std::nullopt;
  }
  name += ';';
  const std::u32string* found = HtmlEntities::html5().find(name);
  if (found == nullptr) found = HtmlEntities::in_capitals().find(name);
  if (found == nullptr) return std::nullopt;
  return CharacterReference{*found, length};
}

/// The cautious way of ftfy's `unescape_html`: only with a semicolon, so that "this&not that" stays as it is. An ampersand
/// that begins another ampersand ("&amp;amp;") is followed at once; ftfy comes back for each.
inline std::u32string unescape_html_with_semicolon(std::u32string_view text) {
  return replace_references(text, [](std::u32string_view at) {
    std::optional<CharacterReference> found = reference_with_semicolon(at);
    while (found && found->text == U"&") {
      const auto next = reference_with_semicolon(U"&" + std::u32string(at.substr(found->length, 26)));
      if (!next || next->text != U"&") break;
      found->length += next->length - 1;
    }
    return found;
  });
}

}  // namespace contrastive::detail
