// SPDX-License-Identifier: MIT
//
// What the random steps draw, and how often.
#include <cmath>
#include <map>

#include "augment/golden_image.hpp"
#include "contrastive/augment/image_ops.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"

using namespace contrastive;

namespace {

struct Moments {
  double sum = 0, squares = 0;
  int count = 0;
  void add(double x) { sum += x, squares += x * x, ++count; }
  double mean() const { return sum / count; }
  double variance() const { return std::max(0.0, squares / count - mean() * mean()); }
};

/// Within five standard errors of both samples, and 3 % in variance.
void compare(const Moments& ours, const Json& theirs, int draws) {
  const double mean = theirs.at("mean").get<double>(), variance = theirs.at("var").get<double>();
  const double error = std::sqrt(ours.variance() / ours.count + variance / draws);
  CHECK(std::fabs(ours.mean() - mean) <= 5 * error + 1e-9);
  CHECK(std::fabs(ours.variance() - variance) <= 0.03 * variance + 1e-9);
}

template <class Step>
Drawn once(const Step& step, Canvas& canvas, std::uint64_t n) {
  Stream stream(Rng(5) / n);
  Drawn drawn;
  step(canvas, stream, drawn);
  return drawn;
}

}  // namespace

TEST_CASE("RandomResizedCrop draws like torchvision", "[augment]") {
  const Json golden = parse_json(read_text(golden_path("augment/random_resized_crop_moments.json")));
  const int draws = static_cast<int>(golden.at("draws").get<std::int64_t>());
  for (const Json& c : golden.at("cases")) {
    const int H = static_cast<int>(c.at("height").get<std::int64_t>()),
              W = static_cast<int>(c.at("width").get<std::int64_t>());
    const auto range = [&](const char* name) {
      return Range{c.at(name)[0].get<double>(), c.at(name)[1].get<double>()};
    };
    RandomResizedCrop crop;
    crop.area = range("scale");
    crop.ratio = range("ratio");
    Moments area, aspect, top, left, height, width;
    for (int n = 0; n < 200000; ++n) {
      Stream stream(Rng(7) / static_cast<std::uint64_t>(n));
      const CropBox box = crop.draw_crop(H, W, stream);
      area.add(double(box.height) * box.width / (double(H) * W));
      aspect.add(std::log(double(box.width) / box.height));
      if (H > box.height) top.add(double(box.top) / (H - box.height));
      if (W > box.width) left.add(double(box.left) / (W - box.width));
      height.add(box.height);
      width.add(box.width);
    }
    INFO(H << " x " << W << ", area from " << crop.area.low);
    compare(area, c.at("area_fraction"), draws);
    compare(aspect, c.at("log_aspect"), draws);
    compare(height, c.at("height_px"), draws);
    compare(width, c.at("width_px"), draws);
    // null where the box always has the full height
    if (const auto rows = c.find("relative_top"); rows != c.end() && !rows->is_null()) compare(top, *rows, draws);
    if (const auto columns = c.find("relative_left"); columns != c.end() && !columns->is_null())
      compare(left, *columns, draws);
  }
}

TEST_CASE("ColorJitter: every order, factors within bounds, absent components keep their place", "[augment]") {
  const ColorJitter jitter{0.4, 1.5, 0.8, 0.2};
  std::map<std::array<std::int8_t, 4>, int> orders;
  Moments brightness, contrast, hue;
  Canvas canvas;
  canvas.reshape(1, 1, 3);
  for (int n = 0; n < 24000; ++n) {
    const Drawn d = once(jitter, canvas, static_cast<std::uint64_t>(n));
    ++orders[d.order];
    brightness.add(d.brightness), contrast.add(d.contrast), hue.add(d.hue);
    REQUIRE((d.brightness >= 0.6 && d.brightness <= 1.4 && d.contrast >= 0 && d.contrast <= 2.5 &&
             d.saturation >= 0.2 && d.saturation <= 1.8 && std::fabs(d.hue) <= 0.2));
  }
  CHECK(orders.size() == 24);
  double chi = 0;
  for (const auto& [order, count] : orders) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  CHECK(chi < 60);  // 23 degrees of freedom: beyond 60 once in 10^5
  CHECK(brightness.mean() == Approx(1.0).margin(0.01));
  CHECK(brightness.variance() == Approx(0.8 * 0.8 / 12).epsilon(0.05));
  CHECK(contrast.mean() == Approx(1.25).margin(0.03));
  CHECK(hue.mean() == Approx(0.0).margin(0.005));

  const ColorJitter some{0.0, 0.5, 0.0, 0.1};
  const Image image = formula_image("jitter", 20, 30);
  for (std::uint64_t n = 0; n < 20; ++n) {
    to_canvas(image, canvas);
    const Drawn d = once(some, canvas, n);
    CHECK(d.brightness == 1.0);
    CHECK(d.saturation == 1.0);
    std::vector<ColorStep> steps;
    for (const std::int8_t op : d.order) {
      if (op == 1) steps.push_back({ColorOp::contrast, d.contrast});
      if (op == 3) steps.push_back({ColorOp::hue, d.hue});
    }
    CHECK(largest_difference(to_image(canvas), adjust_color(image, steps)) == 0);
  }
}

TEST_CASE("steps act with their probability and note it", "[augment]") {
  const Image image = formula_image("steps", 12, 14);
  Canvas canvas;
  int flips = 0, greys = 0, solarised = 0, applied = 0, erased = 0;
  const int draws = 4000;
  for (int n = 0; n < draws; ++n) {
    const auto index = static_cast<std::uint64_t>(n);
    to_canvas(image, canvas);
    const bool flipped = once(RandomFlip{0.5}, canvas, index).flipped;
    REQUIRE(largest_difference(to_image(canvas), flipped ? hflip(image) : image) == 0);
    to_canvas(image, canvas);
    const bool grey = once(RandomGrayscale{0.2}, canvas, index).grey;
    REQUIRE(largest_difference(to_image(canvas), grey ? to_grayscale(image, 3) : image) == 0);
    to_canvas(image, canvas);
    const bool solar = once(RandomSolarize{0.2, 128}, canvas, index).solarised;
    REQUIRE(largest_difference(to_image(canvas), solar ? solarize(image, 128) : image) == 0);
    to_canvas(image, canvas);
    const double sigma = once(RandomApply(0.3, GaussianBlur{{0.5, 2.0}, 5}), canvas, index).sigma;
    REQUIRE((sigma == 0.0 || (sigma >= 0.5 && sigma <= 2.0)));
    REQUIRE(largest_difference(to_image(canvas), sigma > 0 ? gaussian_blur(image, sigma, 5) : image) == 0);
    to_canvas(image, canvas);
    const CropBox box = once(RandomErasing{0.5}, canvas, index).erased;
    const Image after = to_image(canvas);
    for (int y = 0; y < 12; ++y)
      for (int x = 0; x < 14; ++x) {
        const bool inside = y >= box.top && y < box.top + box.height && x >= box.left && x < box.left + box.width;
        for (int c = 0; c < 3; ++c) REQUIRE(after.row(y)[x * 3 + c] == (inside ? 0 : image.row(y)[x * 3 + c]));
      }
    flips += flipped, greys += grey, solarised += solar, applied += sigma > 0, erased += box.height > 0;
  }
  const auto within = [&](int count, double p) {
    return std::fabs(count - draws * p) < 5 * std::sqrt(draws * p * (1 - p));
  };
  CHECK(within(flips, 0.5));
  CHECK(within(greys, 0.2));
  CHECK(within(solarised, 0.2));
  CHECK(within(applied, 0.3));
  CHECK(within(erased, 0.5));
}

TEST_CASE("flip of every width", "[augment]") {
  for (int width = 1; width < 70; ++width) {
    const Image image = formula_image("flip", 3, width);
    Canvas canvas;
    to_canvas(image, canvas);
    hflip(canvas);
    CHECK(largest_difference(to_image(canvas), hflip(image)) == 0);
  }
}
