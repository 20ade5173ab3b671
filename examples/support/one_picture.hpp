// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/data/decode.hpp"

/// Shared by programs that ask a run about one picture.
namespace app {

using namespace contrastive;

/// Words joined by commas, each once; `flag` is where they come from.
inline std::vector<std::string> words_of(const std::string& flag, const std::string& list) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string word = list.substr(begin, end - begin);
    word.erase(0, word.find_first_not_of(' '));
    word.erase(word.find_last_not_of(' ') + 1);
    require(!word.empty(), "[settings] ", flag, " has an empty word: ", list);
    require(std::ranges::find(words, word) == words.end(), "[settings] ", flag, " names ", word, " twice");
    words.push_back(word);
    begin = end + 1;
  }
  return words;
}

/// A view of an image, (1, H, W, C).
inline Tensor seen_through(const AnyAugment& view, const Image& image) {
  Sample sample;
  sample.image = image;
  sample.full = {image.height, image.width};
  const Tensor row(view.views().at(0).shape(1));
  void* const out[] = {row.view().data};
  view(sample, Rng(0), out, {});
  return row;
}

}  // namespace app
