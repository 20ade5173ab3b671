// SPDX-License-Identifier: MIT
#include "contrastive/io/json.hpp"

#include <cstdlib>

// What parses is written out and parsed again to the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using contrastive::Json;
  try {
    const std::string text = Json::parse({reinterpret_cast<const char*>(data), size}, "fuzz").dump();
    if (Json::parse(text, "again").dump() != text) std::abort();
  } catch (const contrastive::Error&) {
  }
  return 0;
}
