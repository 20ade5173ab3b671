// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/annotations.hpp"
#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/colour_font.hpp"
#include "contrastive/data/emoji_list.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// Where the emoji come from, and how they are sorted into classes.
struct EmojiOptions {
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";  // fonts-noto-color-emoji
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";            // unicode-data
  std::string label = "group";                                             // or "subgroup"
  std::string language = {};                            // CLDR codes, "de,en,zh"; empty: the English names of the list
  std::string cldr = "/usr/share/unicode/cldr/common";  // unicode-cldr-core
};

namespace detail {

inline std::vector<EmojiEntry> read_emoji_list(const EmojiOptions& options) {
  require(is_file(options.list), "[emoji] ", options.list, ": no such file: install the package unicode-data");
  return parse_emoji_test(read_text(options.list), options.list);
}

/// What CLDR calls the emoji in one language.
struct EmojiLanguage {
  bool english;
  Annotations known;
};

inline std::vector<EmojiLanguage> read_languages(const EmojiOptions& options) {
  std::vector<EmojiLanguage> languages;
  for (const std::string& language : split_list(options.language, ','))
    languages.push_back({language == "en", read_annotations(language, options.cldr)});
  return languages;
}

/// What an emoji is called in each language: its name, then its keywords, joined. The list's name stands in for an English
/// one that CLDR does not have yet.
inline std::vector<std::string> emoji_texts(const EmojiEntry& entry, const std::vector<EmojiLanguage>& languages) {
  if (languages.empty()) return {entry.name};
  std::vector<std::string> texts;
  for (const EmojiLanguage& language : languages) {
    const auto found = language.known.find(annotation_key(entry.code_points));
    if (found == language.known.end() || found->second.name.empty()) {
      if (language.english) texts.push_back(entry.name);
      continue;
    }
    texts.push_back(found->second.name);
    std::string keywords;
    for (const std::string& word : found->second.keywords) keywords += (keywords.empty() ? "" : ", ") + word;
    if (!keywords.empty() && keywords != found->second.name) texts.push_back(std::move(keywords));
  }
  return texts;
}

}  // namespace detail

/// Emoji as pictures on white, with what they are called.
struct EmojiSet : ArrayDataset {
  std::vector<std::vector<std::string>> captions;  // of each picture

  std::vector<std::string> texts(std::size_t i) const { return captions.at(i); }
};

/// The pictures of an emoji font (Debian's fonts-noto-color-emoji, 136 x 128, on white), with the groups or subgroups
/// of Unicode's emoji-test.txt as classes; skin-tone variants are left out. About one picture in five, chosen by a
/// hash of its code points, is the test split. `split` is "train", "test" or "all". Without `options.language` an emoji has
/// one text, its English name; with it, a name and its keywords in each language, from Unicode's CLDR, and emoji that none of
/// the languages names are left out.
inline EmojiSet read_emoji(const std::string& split, const EmojiOptions& options = {}) {
  require(split == "train" || split == "test" || split == "all", "[emoji] split is train, test or all, got ", split);
  require(options.label == "group" || options.label == "subgroup", "[emoji] label is group or subgroup, got ",
          options.label);
#if defined(CONTRASTIVE_WITH_FONTS)
  const std::vector<EmojiEntry> entries = detail::read_emoji_list(options);
  const std::vector<detail::EmojiLanguage> languages = detail::read_languages(options);
  detail::ColourFont font(options.font);
  EmojiSet set{{.title = "emoji " + split}, {}};
  std::size_t nameless = 0;
  for (const EmojiEntry& entry : entries) {
    // Classes are numbered over the whole list, so that both splits agree.
    const std::string& name = options.label == "group" ? entry.group : entry.subgroup;
    auto found = std::find(set.classes.begin(), set.classes.end(), name);
    if (found == set.classes.end()) found = set.classes.insert(found, name);
    const int label = static_cast<int>(found - set.classes.begin());

    Rng key = Rng(0) / "emoji split";
    for (std::uint32_t code : entry.code_points) key = key / code;
    if (split != "all" && (split == "test") != (key.key() % 5 == 0)) continue;
    const Image bitmap = font.bitmap(entry.code_points);
    std::vector<std::string> texts = detail::emoji_texts(entry, languages);
    if (bitmap.pixels.empty()) continue;
    if (texts.empty()) {
      ++nameless;
      continue;
    }
    const Image image = detail::on_white(bitmap);
    if (set.height == 0) set.height = image.height, set.width = image.width;
    if (image.height != set.height || image.width != set.width) continue;
    set.pixels.insert(set.pixels.end(), image.pixels.begin(), image.pixels.end());
    set.labels.push_back(label);
    set.captions.push_back(std::move(texts));
  }
  if (nameless > 0)
    std::fprintf(stderr, "[emoji] %s: %zu emoji without a name in %s are left out\n", set.title.c_str(), nameless,
                 options.language.c_str());
  require(!set.labels.empty(), "[emoji] ", options.font, ": draws none of the emoji of ", options.list,
          languages.empty() ? "" : " that have a name in " + options.language);
  return set;
#else
  fail(
      "[emoji] this program was built without FreeType and HarfBuzz (CONTRASTIVE_WITH_FONTS, packages "
      "libfreetype-dev and libharfbuzz-dev)");
#endif
}

}  // namespace contrastive
