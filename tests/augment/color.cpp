// SPDX-License-Identifier: MIT
#include "contrastive/augment/color.hpp"

#include <cmath>

#include "augment/golden_image.hpp"
#include "contrastive/augment/image_ops.hpp"
#include "contrastive/io/json.hpp"

using namespace contrastive;

TEST_CASE("colour operations give Pillow's bytes", "[augment]") {
  const Golden golden = load_golden("augment/colour.safetensors");
  int seen = 0;
  const Json ops = parse_json(golden.metadata("ops"));
  for (const auto& [name, op] : ops.items()) {
    if (name.rfind("tensor_", 0) == 0 || !op.contains("factor")) continue;
    const Image input = golden_image(golden, "input/" + op.at("input").get<std::string>());
    const double f = op.at("factor").get<double>();
    const std::string kind = op.at("op").get<std::string>();
    const Image out = kind == "adjust_brightness"   ? adjust_brightness(input, f)
                      : kind == "adjust_contrast"   ? adjust_contrast(input, f)
                      : kind == "adjust_saturation" ? adjust_saturation(input, f)
                                                    : adjust_hue(input, f);
    INFO(name);
    CHECK(largest_difference(out, golden_image(golden, name)) == 0);
    ++seen;
  }
  CHECK(seen >= 75);
}

TEST_CASE("grey, solarise, posterise, equalise, autocontrast and invert give Pillow's bytes", "[augment]") {
  const Golden golden = load_golden("augment/colour.safetensors");
  for (const std::string set : {"sq", "grad", "tiny"}) {
    const Image input = golden_image(golden, "input/" + set);
    INFO(set);
    CHECK(largest_difference(to_grayscale(input, 1), golden_image(golden, "grayscale1/" + set)) == 0);
    CHECK(largest_difference(to_grayscale(input, 3), golden_image(golden, "grayscale3/" + set)) == 0);
    CHECK(largest_difference(adjust_color(input, std::array{ColorStep{ColorOp::grayscale}}),
                             golden_image(golden, "grayscale3/" + set)) == 0);
    CHECK(largest_difference(equalize(input), golden_image(golden, "equalize/" + set)) == 0);
    CHECK(largest_difference(autocontrast(input), golden_image(golden, "autocontrast/" + set)) == 0);
    CHECK(largest_difference(invert(input), golden_image(golden, "invert/" + set)) == 0);
    for (const int bits : {2, 4, 6})
      CHECK(largest_difference(posterize(input, bits),
                               golden_image(golden, "posterize/" + set + "/" + std::to_string(bits))) == 0);
    for (const int threshold : {0, 1, 128, 200, 256})
      CHECK(largest_difference(solarize(input, threshold),
                               golden_image(golden, "solarize/" + set + "/" + std::to_string(threshold))) == 0);
  }
}

TEST_CASE("jitter chains give Pillow's bytes in either order", "[augment]") {
  const Golden golden = load_golden("augment/colour.safetensors");
  const Image input = golden_image(golden, "input/sq");
  const ColorStep b{ColorOp::brightness, 1.3}, c{ColorOp::contrast, 0.7}, s{ColorOp::saturation, 1.5},
      h{ColorOp::hue, 0.08};
  CHECK(largest_difference(adjust_color(input, std::array{b, c, s, h}), golden_image(golden, "chain/0123")) == 0);
  CHECK(largest_difference(adjust_color(input, std::array{h, c, s, b}), golden_image(golden, "chain/3120")) == 0);
  CHECK(largest_difference(adjust_color(input, std::array{b, c, s, h}), golden_image(golden, "chain/3120")) > 0);
}

namespace {

/// Pillow's own arithmetic (Convert.c), float and double as it has them.
void pillow_hue(int shift, int& r, int& g, int& b) {
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  int uh = 0, us = 0;
  if (high != low) {
    const float range = static_cast<float>(high - low), s = range / static_cast<float>(high);
    const float rc = static_cast<float>(high - r) / range, gc = static_cast<float>(high - g) / range,
                bc = static_cast<float>(high - b) / range;
    float h = r == high   ? bc - gc
              : g == high ? static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc))
                          : static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
    h = static_cast<float>(std::fmod(static_cast<double>(h) / 6.0 + 1.0, 1.0));
    uh = static_cast<int>(static_cast<double>(h) * 255.0);
    us = static_cast<int>(static_cast<double>(s) * 255.0);
  }
  uh = (uh + shift) & 255;
  r = g = b = high;
  if (us == 0) return;
  const int i = static_cast<int>(std::floor(uh * 6.0 / 255.0));
  const float f = static_cast<float>(uh * 6.0 / 255.0 - static_cast<double>(static_cast<float>(i)));
  const float fs = static_cast<float>(us / 255.0);
  const double v = high;
  const int p = static_cast<int>(std::round(v * (1.0 - static_cast<double>(fs))));
  const int q = static_cast<int>(std::round(v * (1.0 - static_cast<double>(fs * f))));
  const int t = static_cast<int>(std::round(v * (1.0 - static_cast<double>(fs) * (1.0 - static_cast<double>(f)))));
  const int order[6][3] = {{high, t, p}, {q, high, p}, {p, high, t}, {p, q, high}, {t, p, high}, {high, p, q}};
  r = order[i % 6][0], g = order[i % 6][1], b = order[i % 6][2];
}

}  // namespace

TEST_CASE("the hue arithmetic in float32 equals Pillow's", "[augment]") {
  // Every (high, middle, low) in each of the six orders;
  // the shift varies so that the way back meets many (h, s, v).
  static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  std::int64_t wrong = 0;
  for (int high = 0; high < 256; ++high) {
    const int shift = (high * 37 + 11) & 255;
    Canvas canvas;
    canvas.reshape(high + 1, 6 * (high + 1), 3);
    std::int64_t at = 0;
    for (int middle = 0; middle <= high; ++middle)
      for (int low = 0; low <= high; ++low)
        for (int o = 0; o < 6; ++o, ++at) {
          const int sorted[3] = {high, middle, std::min(low, middle)};
          for (int k = 0; k < 3; ++k) canvas.plane(order[o][k])[at] = static_cast<std::uint8_t>(sorted[k]);
        }
    Canvas shifted;
    shifted.reshape(canvas.height(), canvas.width(), 3);
    for (int c = 0; c < 3; ++c)
      std::memcpy(shifted.plane(c), canvas.plane(c), static_cast<std::size_t>(canvas.count()));
    adjust_color(shifted, std::array{ColorStep{ColorOp::hue, (shift > 127 ? shift - 256 : shift) / 256.0}});
    const int applied = static_cast<int>((shift > 127 ? shift - 256 : shift) / 256.0 * 255.0) & 255;
    for (std::int64_t i = 0; i < canvas.count(); ++i) {
      int r = canvas.plane(0)[i], g = canvas.plane(1)[i], b = canvas.plane(2)[i];
      pillow_hue(applied, r, g, b);
      wrong += r != shifted.plane(0)[i] || g != shifted.plane(1)[i] || b != shifted.plane(2)[i];
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("contrast turns about the mean of the picture alone, padding left out", "[augment]") {
  for (const int width : {1, 3, 15, 16, 17, 63, 64, 65, 200}) {
    Image image(1, width, 3);
    std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{200});
    CHECK(largest_difference(adjust_contrast(image, 0.0), image) == 0);
    CHECK(largest_difference(adjust_contrast(image, 1.7), image) == 0);
  }
}

TEST_CASE("colour on grey pictures: brightness and contrast act, the rest does not", "[augment]") {
  const Image grey = to_grayscale(formula_image("grey", 9, 31));
  CHECK(largest_difference(adjust_saturation(grey, 0.2), grey) == 0);
  CHECK(largest_difference(adjust_hue(grey, 0.3), grey) == 0);
  const Image rgb = to_grayscale(grey, 3);
  CHECK(largest_difference(to_grayscale(adjust_brightness(rgb, 0.6)), adjust_brightness(grey, 0.6)) == 0);
  CHECK(largest_difference(to_grayscale(adjust_contrast(rgb, 0.6)), adjust_contrast(grey, 0.6)) == 0);
  CHECK_THROWS_WITH(adjust_hue(rgb, 0.6), Contains("[adjust_hue] expected a shift within"));
}

TEST_CASE("additive brightness shifts and clamps", "[augment]") {
  Image image(1, 3, 3);
  image.pixels = {0, 100, 250, 1, 2, 3, 128, 254, 255};
  const Image out = adjust_color(image, std::array{ColorStep{ColorOp::additive_brightness, 20.0 / 255.0}});
  CHECK(out.pixels == std::vector<std::uint8_t>{20, 120, 255, 21, 22, 23, 148, 255, 255});
}
