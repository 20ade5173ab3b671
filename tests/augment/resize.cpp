// SPDX-License-Identifier: MIT
#include "contrastive/augment/resize.hpp"

#include "augment/golden_image.hpp"
#include "contrastive/augment/image_ops.hpp"
#include "contrastive/io/json.hpp"

using namespace contrastive;

namespace {

Filter filter_named(const std::string& name) {
  if (name == "nearest") return Filter::nearest;
  if (name == "bilinear") return Filter::bilinear;
  if (name == "bicubic") return Filter::bicubic;
  REQUIRE(name == "lanczos");
  return Filter::lanczos;
}

int integer(const Json& value, const char* name) { return static_cast<int>(value.at(name).get<std::int64_t>()); }

}  // namespace

TEST_CASE("resize and resized_crop give Pillow's bytes", "[augment]") {
  const Golden golden = load_golden("augment/geometry.safetensors");
  const Json ops = parse_json(golden.metadata("ops"));
  int crops = 0, resizes = 0;
  for (const auto& [name, op] : ops.items()) {
    if (name.rfind("tensor_", 0) == 0) continue;
    const Image input = golden_image(golden, "input/" + op.at("input").get<std::string>());
    const std::string kind = op.at("op").get<std::string>();
    INFO(name);
    if (kind == "hflip") {
      CHECK(largest_difference(hflip(input), golden_image(golden, name)) == 0);
      continue;
    }
    const int height = static_cast<int>(op.at("size")[0].get<std::int64_t>());
    const int width = static_cast<int>(op.at("size")[1].get<std::int64_t>());
    const Filter filter = filter_named(op.at("interpolation").get<std::string>());
    if (kind == "resize") {
      CHECK(largest_difference(resize(input, height, width, filter), golden_image(golden, name)) == 0);
      ++resizes;
    } else {
      const CropBox box{integer(op, "top"), integer(op, "left"), integer(op, "height"), integer(op, "width")};
      CHECK(largest_difference(resized_crop(input, box, height, width, filter), golden_image(golden, name)) == 0);
      ++crops;
    }
  }
  CHECK(crops == 24);
  CHECK(resizes == 12);
}

TEST_CASE("resampling a window equals cropping first", "[augment]") {
  const Image image = formula_image("window", 61, 83);
  for (const CropBox box :
       {CropBox{0, 0, 61, 83}, CropBox{60, 82, 1, 1}, CropBox{7, 20, 40, 33}, CropBox{3, 0, 17, 83}})
    for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic, Filter::lanczos})
      for (const int size : {1, 3, 16, 31, 32, 70}) {
        Canvas canvas;
        resample(image,
                 {double(box.top), double(box.left), double(box.height), double(box.width), size, size, 0, 0, size,
                  size, filter},
                 3, canvas);
        CHECK(largest_difference(to_image(canvas), resized_crop(image, box, size, size, filter)) == 0);
      }
}

TEST_CASE("a kept part equals the same part of the whole", "[augment]") {
  const Image image = formula_image("part", 40, 57);
  const Image whole = resize(image, 50, 71, Filter::bicubic);
  Canvas canvas;
  resample(image, {0, 0, 40, 57, 50, 71, 11, 23, 19, 33, Filter::bicubic}, 3, canvas);
  CHECK(largest_difference(to_image(canvas), crop(whole, {11, 23, 19, 33})) == 0);
}

TEST_CASE("channels are converted: RGB to grey before, grey to RGB after", "[augment]") {
  const Image image = formula_image("channels", 29, 18);
  const Placement place{2, 1, 20, 15, 24, 24, 0, 0, 24, 24, Filter::bilinear};
  Canvas direct, from_grey, replicated;
  resample(image, place, 1, direct);
  resample(to_grayscale(image), place, 1, from_grey);
  CHECK(largest_difference(to_image(direct), to_image(from_grey)) == 0);
  resample(to_grayscale(image), place, 3, replicated);
  CHECK(largest_difference(to_image(replicated), to_grayscale(to_image(direct), 3)) == 0);
}

TEST_CASE("CLIP's preprocessing gives Pillow's bytes", "[augment]") {
  const Golden golden = load_golden("augment/clip_preprocess.safetensors");
  const Json ops = parse_json(golden.metadata("ops"));
  for (const std::string name : {"p0", "p1", "p2", "p3", "p4"}) {
    const Image out = clip_preprocess(golden_image(golden, name + "/input"), integer(ops.at(name), "n_px"));
    CHECK(largest_difference(out, golden_image(golden, name + "/cropped")) == 0);
  }
  const Image real = formula_image(ops.at("real").at("image_key").get<std::string>(), 375, 500);
  const Image out = clip_preprocess(real, 224);
  const Image strided = golden_image(golden, "real/cropped_strided");  // rows 3::8, columns 5::8
  int largest = 0;
  for (int y = 0; y < 28; ++y)
    for (int x = 0; x < 28 * 3; ++x)
      largest = std::max(largest, std::abs(out.row(3 + 8 * y)[(5 + 8 * (x / 3)) * 3 + x % 3] - strided.row(y)[x]));
  CHECK(largest == 0);
  const auto rows = golden.tensor("real/cropped_rows").span<std::uint8_t>();  // rows 0, 111, 223
  for (int i = 0; i < 3; ++i)
    CHECK(std::equal(rows.begin() + i * 672, rows.begin() + (i + 1) * 672, out.row(i == 0 ? 0 : i == 1 ? 111 : 223)));
}

TEST_CASE("resample refuses what it cannot do", "[augment]") {
  const Image image(4, 5, 3);
  Canvas canvas;
  CHECK_THROWS_WITH(resample(image, {0, 0, 5, 5, 8, 8, 0, 0, 8, 8, Filter::bilinear}, 3, canvas),
                    Contains("[resample] window") && Contains("not inside"));
  CHECK_THROWS_WITH(resample(image, {0, 0, 4, 5, 8, 8, 4, 0, 8, 8, Filter::bilinear}, 3, canvas),
                    Contains("cannot keep"));
  CHECK_THROWS_WITH(resample(Image(), {0, 0, 1, 1, 8, 8, 0, 0, 8, 8, Filter::bilinear}, 3, canvas),
                    Contains("[resample] expected"));
  Image lying(4, 5, 3);
  lying.height = 40;
  CHECK_THROWS_WITH(resample(lying, {0, 0, 4, 5, 8, 8, 0, 0, 8, 8, Filter::bilinear}, 3, canvas), Contains("60 bytes"));
  CHECK_THROWS_WITH(center_placement(4, 5, 8, 9, Filter::bilinear), Contains("cannot keep 9"));
}
