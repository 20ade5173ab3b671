// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/nouns.hpp"

namespace contrastive {

/// Which names of a list a caption holds. Words are runs of letters, digits, ' and - (and all that is not ASCII), in small
/// letters; a name is found as a whole, or as its plural, and of names that overlap the longer one that begins first:
/// "hot dog", not "dog".
class CaptionNouns {
 public:
  explicit CaptionNouns(const std::vector<std::string>& names) {
    require(!names.empty(), "[caption_nouns] expected names, got none");
    for (const std::string& name : names) {
      const std::string one = joined(words_of(name));
      require(!one.empty(), "[caption_nouns] \"", name, "\" has no word");
      known_.emplace(one, name);
      longest_ = std::max(longest_, words_of(name).size());
    }
    for (const std::string& name : names) known_.emplace(detail::plural_of(joined(words_of(name))), name);
  }

  /// Each name once, as the list has it, in the order in which they first stand in the caption.
  std::vector<std::string> operator()(std::string_view caption) const {
    const std::vector<std::string> words = words_of(caption);
    std::vector<std::string> found;
    for (std::size_t at = 0; at < words.size();) {
      std::size_t taken = 1;
      for (std::size_t count = std::min(longest_, words.size() - at); count > 0; --count) {
        const auto known = known_.find(joined({words.begin() + static_cast<std::ptrdiff_t>(at),
                                               words.begin() + static_cast<std::ptrdiff_t>(at + count)}));
        if (known == known_.end()) continue;
        if (std::ranges::find(found, known->second) == found.end()) found.push_back(known->second);
        taken = count;
        break;
      }
      at += taken;
    }
    return found;
  }

 private:
  static std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    const auto end = [&] {
      if (!word.empty()) words.push_back(detail::lower(word));
      word.clear();
    };
    for (const char c : text) {
      const bool inside = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'' ||
                          c == '-' || static_cast<unsigned char>(c) >= 0x80;
      inside ? word.push_back(c) : end();
    }
    end();
    return words;
  }
  static std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
  }

  std::map<std::string, std::string> known_;  // a name or its plural, in small letters -> the name
  std::size_t longest_ = 1;
};

}  // namespace contrastive
