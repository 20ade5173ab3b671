// SPDX-License-Identifier: MIT
#include "contrastive/data/decode.hpp"

// JPEG, PNG, BMP and GIF: the whole picture, and a region or a reduced scale chosen by the first bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contrastive;
  try {
    const Image image = decode_image({data, size}, "fuzz");
    if (image.pixels.size() != static_cast<std::size_t>(image.height) * image.width * 3) std::abort();
    decode_image({data, size}, "fuzz", [&](int H, int W) {
      const int a = data[size / 2], b = data[size / 3];
      return Region{a * H / 512, b * W / 512, 1 + b * H / 520, 1 + a * W / 520, 1 << (a % 4)};
    });
  } catch (const Error&) {
  }
  return 0;
}
