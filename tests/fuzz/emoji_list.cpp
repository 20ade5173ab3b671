// SPDX-License-Identifier: MIT
#include "contrastive/data/emoji_list.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto entries = contrastive::parse_emoji_test({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const auto& entry : entries)
      if (entry.code_points.empty() || entry.group.empty()) __builtin_trap();
  } catch (const contrastive::Error&) {
  }
  return 0;
}
