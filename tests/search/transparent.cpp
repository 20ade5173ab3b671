// SPDX-License-Identifier: MIT
//
// What is transparent in a picture is searched as white, whatever colour its file has there.

#include "search/support.hpp"
#include "support/catch.hpp"

using namespace search_test;

namespace {

/// 1 x 3 pixels: transparent black, opaque (100, 0, 50), and a fifth of (200, 0, 0).
constexpr unsigned char clear_png[] = {137, 80,  78,  71, 13, 10, 26,  10, 0,   0,   0,   13,  73,  72,  68,  82,
                                       0,   0,   0,   3,  0,  0,  0,   1,  8,   6,   0,   0,   0,   27,  224, 20,
                                       180, 0,   0,   0,  19, 73, 68,  65, 84,  120, 156, 99,  96,  0,   130, 20,
                                       6,   163, 255, 39, 24, 24, 140, 1,  12,  167, 2,   145, 100, 179, 98,  148,
                                       0,   0,   0,   0,  73, 69, 78,  68, 174, 66,  96,  130};
/// 2 x 1 pixels: transparent, and red.
constexpr unsigned char clear_gif[] = {'G',  'I',  'F', '8', '9', 'a', 2, 0, 1, 0, 0x80, 0, 0,    0,   0, 0,
                                       255,  0,    0,                         // black, red
                                       0x21, 0xf9, 4,   1,   0,   0,   0, 0,  // colour 0 is transparent
                                       0x2c, 0,    0,   0,   0,   2,   0, 1, 0, 0, 2,    2, 0x44, 0xa, 0, 0x3b};

template <std::size_t n>
std::span<const std::uint8_t> bytes(const unsigned char (&file)[n]) {
  return {file, n};
}

}  // namespace

TEST_CASE("transparent parts of PNG and GIF files are white for search") {
  CHECK(decode_to_search(bytes(clear_png), "x.png").pixels ==
        std::vector<std::uint8_t>{255, 255, 255, 100, 0, 50, 244, 204, 204});
  CHECK(detail::sample_of(bytes(clear_png), "x.png", {}).image.pixels[0] == 255);
  CHECK(decode_to_search(bytes(clear_gif), "x.gif").pixels == std::vector<std::uint8_t>{255, 255, 255, 255, 0, 0});
}
