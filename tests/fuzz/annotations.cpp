// SPDX-License-Identifier: MIT
#include "contrastive/data/annotations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    contrastive::Annotations known;
    contrastive::parse_annotations({reinterpret_cast<const char*>(data), size}, "fuzz", known);
    for (const auto& [key, annotation] : known) {
      if (key.empty()) __builtin_trap();
      for (const std::string& word : annotation.keywords)
        if (word.empty()) __builtin_trap();
    }
  } catch (const contrastive::Error&) {
  }
  return 0;
}
