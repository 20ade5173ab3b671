// SPDX-License-Identifier: MIT
#include "contrastive/data/caption_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const auto& record : contrastive::parse_caption_table({reinterpret_cast<const char*>(data), size}, "fuzz"))
      if (record.image.empty() || record.captions.size() != 1 || record.place.empty()) __builtin_trap();
  } catch (const contrastive::Error&) {
  }
  return 0;
}
