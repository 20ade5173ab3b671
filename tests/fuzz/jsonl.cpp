// SPDX-License-Identifier: MIT
#include "contrastive/data/caption_json.hpp"

// Lines of JSON, and one JSON file in COCO's, Karpathy's or our form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse : {&contrastive::parse_caption_lines, &contrastive::parse_caption_json}) try {
      for (const auto& record : parse(text, "fuzz"))
        if (record.place.empty()) __builtin_trap();
    } catch (const contrastive::Error&) {
    }
  return 0;
}
