// SPDX-License-Identifier: MIT
#include "contrastive/data/phrase_boxes.hpp"

// Captions with phrases and their boxes: lines of JSON, and COCO's form with tokens_positive.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse : {&contrastive::parse_phrase_lines, &contrastive::parse_phrase_json}) try {
      for (const contrastive::PhrasedImage& one : parse(text, "fuzz")) {
        for (const std::string& phrase : one.phrases)
          if (phrase.empty()) __builtin_trap();
        for (const contrastive::TrueBox& box : one.boxed.boxes)
          if (box.box.label < 0 || box.box.label >= std::ssize(one.phrases) || box.box.left < 0 ||
              box.box.right < box.box.left || box.box.bottom < box.box.top)
            __builtin_trap();
      }
    } catch (const contrastive::Error&) {
    }
  return 0;
}
