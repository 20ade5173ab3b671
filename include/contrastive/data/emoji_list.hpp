// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// One line of Unicode's emoji-test.txt.
struct EmojiEntry {
  std::vector<std::uint32_t> code_points;
  std::string group;
  std::string subgroup;
  std::string name;
};

/// Reads emoji-test.txt (Unicode Technical Standard 51): the fully qualified emoji in the file's order, without the
/// skin-tone variants (U+1F3FB to U+1F3FF), which repeat a picture five times over. Throws `Error` naming the file
/// and the line.
inline std::vector<EmojiEntry> parse_emoji_test(std::string_view text, std::string_view name) {
  std::vector<EmojiEntry> entries;
  std::string group, subgroup;
  const auto trim = [](std::string_view s) {
    while (!s.empty() && (s.back() == ' ' || s.back() == '\r' || s.back() == '\t')) s.remove_suffix(1);
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    return s;
  };
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with("# group:")) {
      group = trim(line.substr(8));
      subgroup.clear();
    }
    if (line.starts_with("# subgroup:")) subgroup = trim(line.substr(11));
    if (line.empty() || line[0] == '#') continue;

    const std::size_t semicolon = line.find(';'), hash = line.find('#');
    require(semicolon != std::string_view::npos && hash != std::string_view::npos && semicolon < hash, "[emoji] ", name,
            ":", number, ": expected `code points ; status # emoji name`");
    EmojiEntry entry;
    bool toned = false;
    for (std::string_view rest = trim(line.substr(0, semicolon)); !rest.empty();) {
      const std::string_view digits = rest.substr(0, rest.find(' '));
      std::uint32_t code = 0;
      for (char c : digits) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        require(digit >= 0 && digits.size() <= 6, "[emoji] ", name, ":", number, ": not a code point: ", digits);
        code = code * 16 + static_cast<std::uint32_t>(digit);
      }
      require(code <= 0x10FFFF, "[emoji] ", name, ":", number, ": not a code point: ", digits);
      toned |= code >= 0x1F3FB && code <= 0x1F3FF;
      entry.code_points.push_back(code);
      rest = trim(rest.substr(digits.size()));
    }
    require(!entry.code_points.empty() && entry.code_points.size() <= 32, "[emoji] ", name, ":", number,
            ": expected 1 to 32 code points");
    if (toned || trim(line.substr(semicolon + 1, hash - semicolon - 1)) != "fully-qualified") continue;
    require(!group.empty() && !subgroup.empty(), "[emoji] ", name, ":", number, ": no group above this line");
    // After the hash: the emoji, the version (E1.0), the name.
    std::string_view tail = trim(line.substr(hash + 1));
    for (int word = 0; word < 2 && tail.find(' ') != std::string_view::npos; ++word)
      tail = trim(tail.substr(tail.find(' ')));
    entry.name = tail;
    entry.group = group;
    entry.subgroup = subgroup;
    entries.push_back(std::move(entry));
  }
  require(!entries.empty(), "[emoji] ", name, ": lists no emoji");
  return entries;
}

}  // namespace contrastive
