// SPDX-License-Identifier: MIT

// Labels, words and boxes on images.

#include "contrastive/media/draw.hpp"

#include "support/catch.hpp"

using namespace contrastive;

namespace {
Rgb at(const Image& image, int y, int x) {
  const std::uint8_t* p = image.row(y) + 3 * x;
  return {p[0], p[1], p[2]};
}
int count(const Image& image, Rgb colour) {
  int found = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) found += at(image, y, x) == colour;
  return found;
}
}  // namespace

TEST_CASE("each label has a colour, and neighbours differ") {
  for (std::int64_t a = 0; a < 40; ++a)
    for (std::int64_t b = std::max<std::int64_t>(0, a - 3); b < a; ++b) {
      int apart = 0;
      for (std::size_t c = 0; c < 3; ++c) apart += std::abs(colour_of_label(a)[c] - colour_of_label(b)[c]);
      CHECK(apart > 60);
    }
}

TEST_CASE("labels are laid over an image with their words, and pixels without stay") {
  Image grey(16, 16, 1);
  std::fill(grey.pixels.begin(), grey.pixels.end(), std::uint8_t{90});
  std::vector<std::int64_t> labels(256, -1);
  for (std::size_t p = 0; p < 128; ++p) labels[p] = 1;
  labels[255] = 0;  // a label without a word
  const Image shown = labelled_image(grey, labels, {"", "cat"}, 4);
  CHECK((shown.height == 64 && shown.width == 64 && shown.channels == 3));
  CHECK(at(shown, 63, 63) == Rgb{90, 90, 90});
  const Rgb colour = colour_of_label(1);
  Rgb mixed{};
  for (std::size_t c = 0; c < 3; ++c) mixed[c] = static_cast<std::uint8_t>((90 + 2 * colour[c]) / 3);
  CHECK(at(shown, 0, 0) == mixed);
  CHECK(count(shown, mixed) == 64 * 32 - 9 * 19);  // all but the word's ground
  CHECK(count(shown, colour) == 10 + 14 + 11);     // points of c, a, t
}

TEST_CASE("a word stays inside, and a box is its outline") {
  Image image(20, 40, 3);
  draw_word(image, -5, 100, "x", {255, 255, 255});
  CHECK(count(image, {20, 20, 20}) + count(image, {255, 255, 255}) == 9 * 7);
  Image other(20, 40, 3);
  draw_box(other, {10, 5, 20, 12, 0}, "", {9, 8, 7});
  CHECK(count(other, {9, 8, 7}) == 2 * 10 + 2 * 5);
  CHECK((at(other, 5, 10) == Rgb{9, 8, 7} && at(other, 11, 19) == Rgb{9, 8, 7} && at(other, 12, 20) == Rgb{0, 0, 0}));
  draw_box(other, {-10, -10, 100, 100, 0}, "too large", {9, 8, 7});  // what lies outside is left out
}
