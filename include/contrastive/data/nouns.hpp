// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace contrastive::detail {

template <std::size_t N>
constexpr bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr bool is_vowel(char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }

/// "an apple", "a unicorn": the article before a word in lower case.
inline std::string with_article(std::string_view word) {
  constexpr std::array<std::string_view, 6> you = {"uni", "eu", "ewe", "ufo", "uk", "use"};  // spoken as in you
  const bool vowel = !word.empty() && is_vowel(word[0]) &&
                     std::none_of(you.begin(), you.end(), [&](std::string_view s) { return word.starts_with(s); });
  const bool silent = word.starts_with("hour") || word.starts_with("heir") || word.starts_with("honest");
  return (vowel || silent ? "an " : "a ") + std::string(word);
}

/// The plural of an English noun in lower case; of two words the second changes.
inline std::string plural_of(std::string_view noun) {
  using Pair = std::pair<std::string_view, std::string_view>;
  constexpr std::array<Pair, 15> irregular = {{{"mouse", "mice"},
                                               {"goose", "geese"},
                                               {"ox", "oxen"},
                                               {"foot", "feet"},
                                               {"tooth", "teeth"},
                                               {"die", "dice"},
                                               {"wolf", "wolves"},
                                               {"leaf", "leaves"},
                                               {"scarf", "scarves"},
                                               {"knife", "knives"},
                                               {"loaf", "loaves"},
                                               {"tomato", "tomatoes"},
                                               {"potato", "potatoes"},
                                               {"mosquito", "mosquitoes"},
                                               {"volcano", "volcanoes"}}};
  constexpr std::array<std::string_view, 8> same = {"deer",   "moose", "bison",  "sheep",
                                                    "shrimp", "squid", "salmon", "series"};
  const std::size_t space = noun.rfind(' ');
  if (space != std::string_view::npos)
    return std::string(noun.substr(0, space + 1)) + plural_of(noun.substr(space + 1));
  for (const auto& [one, many] : irregular)
    if (noun == one) return std::string(many);
  if (is_one_of(noun, same) || noun.ends_with("fish")) return std::string(noun);
  std::string text(noun);
  const char last = noun.back(), before = noun.size() > 1 ? noun[noun.size() - 2] : 'a';
  if (last == 'y' && !is_vowel(before)) return text.substr(0, text.size() - 1) + "ies";
  const bool hisses = last == 's' || last == 'x' || last == 'z' || noun.ends_with("ch") || noun.ends_with("sh");
  return text + (hisses ? "es" : "s");
}

/// The noun of an emoji's English name, for pictures that are tinted and counted: the name without words of colour, where
/// one word of small letters is left that can be counted. Empty for all others: plurals ("grapes"), longer names, what
/// English does not count ("garlic"), and names of no thing ("foggy").
inline std::string noun_of(std::string_view name) {
  constexpr std::array<std::string_view, 11> colours = {"red",  "orange", "yellow", "green", "blue", "purple",
                                                        "pink", "brown",  "black",  "white", "grey"};
  constexpr std::array<std::string_view, 35> uncounted = {
      "bacon",   "badminton", "bowling",  "bread",     "broccoli", "butter",    "camping", "candy", "construction",
      "cooking", "coral",     "dango",    "dna",       "fire",     "flatbread", "fog",     "foggy", "fondue",
      "garlic",  "ice",       "lacrosse", "leafy",     "locked",   "luggage",   "mate",    "oden",  "popcorn",
      "sake",    "salt",      "soap",     "spaghetti", "sushi",    "unlocked",  "wood",    "yarn"};
  std::string noun;
  while (!name.empty()) {
    const std::size_t space = std::min(name.find(' '), name.size());
    const std::string_view word = name.substr(0, space);
    name.remove_prefix(std::min(space + 1, name.size()));
    if (is_one_of(word, colours)) continue;
    if (!noun.empty()) return {};
    noun = word;
  }
  const bool small = std::all_of(noun.begin(), noun.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  const bool many = noun.ends_with('s') && !noun.ends_with("ss") && !noun.ends_with("us");
  return small && noun.size() > 1 && !many && !is_one_of(noun, uncounted) ? noun : std::string();
}

}  // namespace contrastive::detail
