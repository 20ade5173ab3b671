// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// What CLDR says of a character or a sequence of them.
struct Annotation {
  std::string name;                   // "dog face"; empty where there is none
  std::vector<std::string> keywords;  // "dog", "face", "pet"
};

/// By the characters in UTF-8, without U+FE0F.
using Annotations = std::map<std::string, Annotation, std::less<>>;

namespace detail {

/// U+FFFD for what is no character.
inline std::string to_utf8(std::uint32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) || code == 0) code = 0xFFFD;
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
}

/// The key of a sequence in `Annotations`.
inline std::string annotation_key(const std::vector<std::uint32_t>& code_points) {
  std::string key;
  for (const std::uint32_t code : code_points)
    if (code != 0xFE0F) key += to_utf8(code);
  return key;
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The text between two places of `separator`, one after the other, without blanks around; empty ones are left out.
inline std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) parts.emplace_back(part);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

/// XML's five entities, and characters by number; anything else stays as it is.
inline std::string without_entities(std::string_view text) {
  constexpr std::pair<std::string_view, char> known[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find('&'), end = text.find(';', begin);
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    const std::string_view name = end - begin <= 10 ? text.substr(begin + 1, end - begin - 1) : std::string_view();
    std::string meant;
    for (const auto& [word, character] : known)
      if (name == word) meant = character;
    if (name.starts_with('#') && name.size() > 1) {
      const bool hexadecimal = name[1] == 'x';
      const std::string_view digits = name.substr(hexadecimal ? 2 : 1);
      const std::size_t stray = digits.find_first_not_of(hexadecimal ? "0123456789abcdefABCDEF" : "0123456789");
      if (!digits.empty() && stray == std::string_view::npos)
        meant = to_utf8(static_cast<std::uint32_t>(std::stoull(std::string(digits), nullptr, hexadecimal ? 16 : 10)));
    }
    out += meant.empty() ? "&" : meant;
    text.remove_prefix(meant.empty() ? begin + 1 : end + 1);
  }
  return out;
}

}  // namespace detail

/// Reads a file of CLDR's annotations (Unicode Technical Standard 35, part 2) and adds what it says to `known`, in place of
/// what stood there. Throws `Error` naming the file and the line where a tag or a comment does not end.
inline void parse_annotations(std::string_view xml, std::string_view name, Annotations& known) {
  const auto find = [&](std::string_view what, std::size_t from) {
    const std::size_t at = xml.find(what, from);
    if (at == std::string_view::npos)
      fail("[annotations] ", name, ":",
           1 + std::count(xml.begin(), xml.begin() + static_cast<std::ptrdiff_t>(from), '\n'), ": expected ", what,
           " before the end of the file");
    return at;
  };
  const auto attribute = [&](std::string_view tag, std::string_view key) -> std::string_view {
    for (std::size_t at = tag.find(key); at != std::string_view::npos; at = tag.find(key, at + 1)) {
      const std::size_t open = at + key.size() + 1;
      if (tag[at - 1] != ' ' || open >= tag.size() || tag[open - 1] != '=' || (tag[open] != '"' && tag[open] != '\''))
        continue;
      const std::size_t close = tag.find(tag[open], open + 1);
      if (close != std::string_view::npos) return tag.substr(open + 1, close - open - 1);
    }
    return {};
  };
  for (std::size_t at = xml.find('<'); at != std::string_view::npos; at = xml.find('<', at)) {
    if (xml.substr(at, 4) == "<!--") {
      at = find("-->", at) + 3;
      continue;
    }
    const std::size_t end = find(">", at);
    const std::string_view tag = xml.substr(at, end - at);
    at = end + 1;
    if (!tag.starts_with("<annotation ") || tag.ends_with('/')) continue;
    const std::size_t close = find("</annotation>", at);
    const std::string text = detail::without_entities(detail::trimmed(xml.substr(at, close - at)));
    at = close + 13;
    const std::string key = detail::without_entities(attribute(tag, "cp"));
    if (key.empty() || text.empty() || text == "↑↑↑") continue;  // arrows: as in the language above
    Annotation& annotation = known[key];
    if (attribute(tag, "type") == "tts")
      annotation.name = text;
    else
      annotation.keywords = detail::split_list(text, '|');
  }
}

/// The names and keywords of emoji in a language by its CLDR code ("de", "zh_Hant", "pt_PT"), from a folder with
/// annotations/ and annotationsDerived/ (Debian's unicode-cldr-core). Throws `Error` naming the folder or the language.
inline Annotations read_annotations(const std::string& language, const std::string& folder) {
  const auto file_of = [&](const char* part, const std::string& code) {
    return folder + "/" + part + "/" + code + ".xml";
  };
  require(detail::is_folder(folder + "/annotations"), "[annotations] ", folder,
          ": no folder annotations inside: install the package unicode-cldr-core");
  bool letters = !language.empty() && language != "root";
  for (const char c : language)
    letters &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  const std::string code = language == "nb" ? "no" : language;
  if (!letters || !detail::is_file(file_of("annotations", code))) {
    std::size_t count = 0;
    for (const auto& entry : detail::entries_of(folder + "/annotations"))
      count += entry.extension() == ".xml" && entry.stem() != "root";
    fail("[annotations] CLDR has no language ", language, " (--language): expected one of the ", count, " in ", folder,
         "/annotations, such as de, en, es, ja or zh");
  }
  // What a language inherits (CLDR's parentLocales): the language without its region, except where the script is another.
  std::vector<std::string> chain = {code};
  const std::size_t cut = code.find('_');
  const std::string base = code.substr(0, cut);
  if (base == "en" && cut != std::string::npos && code != "en_001") chain.push_back("en_001");
  if (base == "es" && cut != std::string::npos && code != "es_419") chain.push_back("es_419");
  if (const std::size_t last = code.rfind('_'); last != cut) chain.push_back(code.substr(0, last));
  const std::size_t script = cut == std::string::npos ? 0 : std::min(code.find('_', cut + 1), code.size()) - cut - 1;
  if (cut != std::string::npos && (script != 4 || code.starts_with("sr_Cyrl"))) chain.push_back(base);
  if (code == "nn") chain.push_back("no");
  Annotations known;
  for (auto one = chain.rbegin(); one != chain.rend(); ++one)
    for (const char* part : {"annotations", "annotationsDerived"})
      if (const std::string path = file_of(part, *one); detail::is_file(path))
        parse_annotations(read_text(path), path, known);
  return known;
}

}  // namespace contrastive
