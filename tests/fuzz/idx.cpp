// SPDX-License-Identifier: MIT
#include "contrastive/data/idx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const contrastive::IdxArray array = contrastive::parse_idx({data, size}, "fuzz");
    std::size_t count = 1;
    for (std::size_t one : array.sizes) count *= one;
    if (count != array.values.size()) std::abort();
  } catch (const contrastive::Error&) {
  }
  return 0;
}
