// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/nouns.hpp"

namespace contrastive {

/// How the first of two groups lies to the second.
enum class Relation { none, left, right, above, below };

/// Where a sprite goes over the frames of a clip.
enum class Motion { none, left, right, up, down };

/// Equal sprites of a scene, as its captions name them.
struct SpriteGroup {
  int count = 1;
  std::string size;    // "small", "large" or nothing
  std::string colour;  // "red", or nothing for a sprite that is not tinted
  std::string noun;
};

namespace detail {

constexpr Relation inverse_of(Relation relation) {
  constexpr std::array<Relation, 5> inverse = {Relation::none, Relation::right, Relation::left, Relation::below,
                                               Relation::above};
  return inverse[static_cast<std::size_t>(relation)];
}

/// "a small red apple", "two dogs"
inline std::string phrase_of(const SpriteGroup& group) {
  constexpr std::array<const char*, 8> numbers = {"no", "one", "two", "three", "four", "five", "six", "seven"};
  std::string words;
  for (const std::string* word : {&group.size, &group.colour})
    if (!word->empty()) words += *word + " ";
  if (group.count == 1) return with_article(words + group.noun);
  const auto count = static_cast<std::size_t>(group.count);
  return (count < numbers.size() ? numbers[count] : std::to_string(count)) + (" " + words) + plural_of(group.noun);
}

/// "an apple, two dogs and a cat"
inline std::string list_of(const std::vector<std::string>& phrases) {
  std::string list;
  for (std::size_t i = 0; i < phrases.size(); ++i)
    list += (i == 0 ? "" : i + 1 == phrases.size() ? " and " : ", ") + phrases[i];
  return list;
}

/// The groups by noun alone, without colours and sizes.
inline std::vector<SpriteGroup> plain_groups(const std::vector<SpriteGroup>& groups) {
  std::vector<SpriteGroup> plain;
  for (const SpriteGroup& group : groups) {
    const auto same = std::find_if(plain.begin(), plain.end(), [&](const auto& one) { return one.noun == group.noun; });
    if (same == plain.end())
      plain.push_back({group.count, {}, {}, group.noun});
    else
      same->count += group.count;
  }
  return plain;
}

}  // namespace detail

/// Sentences about groups of sprites, where the relation is that of the first to the second and the motion that of the
/// first.
class SceneCaptions {
 public:
  SceneCaptions(std::vector<SpriteGroup> groups, Relation relation, Motion motion = Motion::none)
      : groups_(std::move(groups)), relation_(relation), motion_(motion) {}

  /// True sentences, each once, from the fullest to the shortest:
  ///   a small red apple left of two dogs, with a cat    a red apple moving left, with two dogs and a cat
  ///   two dogs right of a small red apple, with a cat   two dogs and a cat, with a red apple moving left
  ///   an apple, two dogs and a cat                      an apple moving left
  std::vector<std::string> texts() const {
    const std::vector<std::string> all = phrases(groups_);
    std::vector<std::string> texts = {sentence(all)};
    if (motion_ != Motion::none) {
      if (all.size() > 1) texts.push_back(detail::list_of(without_first(all, 1)) + ", with " + all[0] + moving());
      texts.push_back(phrases(detail::plain_groups(groups_))[0] + moving());
    } else {
      std::vector<std::string> turned = all;
      if (relation_ != Relation::none)
        texts.push_back(related(all[1], detail::inverse_of(relation_), all[0], all));
      else
        texts.push_back(detail::list_of({turned.rbegin(), turned.rend()}));
      texts.push_back(detail::list_of(phrases(detail::plain_groups(groups_))));
    }
    std::vector<std::string> once;
    for (std::string& text : texts)
      if (std::find(once.begin(), once.end(), text) == once.end()) once.push_back(std::move(text));
    return once;
  }

  /// The fullest sentence with the first two groups exchanged, which makes it false: what a tower that sees a bag of words
  /// cannot tell from the true one. Empty where no relation and no motion is said, or there is one group.
  std::string swapped() const {
    std::vector<std::string> all = phrases(groups_);
    if (all.size() < 2 || (relation_ == Relation::none && motion_ == Motion::none)) return {};
    std::swap(all[0], all[1]);
    return sentence(all);
  }

 private:
  static std::vector<std::string> phrases(const std::vector<SpriteGroup>& groups) {
    std::vector<std::string> phrases;
    for (const SpriteGroup& group : groups) phrases.push_back(detail::phrase_of(group));
    return phrases;
  }
  static std::vector<std::string> without_first(const std::vector<std::string>& all, std::size_t count) {
    return {all.begin() + static_cast<std::ptrdiff_t>(count), all.end()};
  }

  std::string sentence(const std::vector<std::string>& all) const {
    if (motion_ != Motion::none)
      return all[0] + moving() + (all.size() > 1 ? ", with " + detail::list_of(without_first(all, 1)) : "");
    if (relation_ != Relation::none) return related(all[0], relation_, all[1], all);
    return detail::list_of(all);
  }
  static std::string related(const std::string& one, Relation relation, const std::string& other,
                             const std::vector<std::string>& all) {
    constexpr std::array<const char*, 5> words = {" and ", " left of ", " right of ", " above ", " below "};
    return one + words[static_cast<std::size_t>(relation)] + other +
           (all.size() > 2 ? ", with " + detail::list_of(without_first(all, 2)) : "");
  }
  std::string moving() const {
    constexpr std::array<const char*, 5> words = {"", " moving left", " moving right", " moving up", " moving down"};
    return words[static_cast<std::size_t>(motion_)];
  }

  std::vector<SpriteGroup> groups_;
  Relation relation_;
  Motion motion_;
};

}  // namespace contrastive
