// SPDX-License-Identifier: MIT
#include "contrastive/io/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    contrastive::parse_npy({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
  } catch (const contrastive::Error&) {
  }
  return 0;
}
