// SPDX-License-Identifier: MIT
#include "contrastive/data/decode.hpp"

#include <cmath>
#include <filesystem>

#include "contrastive/core/rng.hpp"
#include "contrastive/io/json.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

struct Difference {
  int max = 0;
  double mean = 0;
};

Difference compare(const Image& image, const Tensor& expected) {  // expected: (H, W, 3) u8
  REQUIRE(expected.shape() == Shape{image.height, image.width, 3});
  Difference difference;
  const auto values = expected.span<std::uint8_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int d = std::abs(int{values[i]} - int{image.pixels[i]});
    difference.max = std::max(difference.max, d);
    difference.mean += d / static_cast<double>(values.size());
  }
  return difference;
}

std::vector<std::uint8_t> bytes_of(const std::string& path) {
  const auto file = read_file(path);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(file.data());
  return {begin, begin + file.size()};
}

bool same(const Image& a, const Image& b, const Region& region) {
  for (int y = region.top; y < region.top + region.height; ++y) {
    const auto* pa = a.row(y) + 3 * region.left;
    const auto* pb = b.row(y) + 3 * region.left;
    if (!std::equal(pa, pa + 3 * region.width, pb)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("every file of the golden set decodes to Pillow's pixels or is refused", "[decode]") {
  const Golden golden = load_golden("decode/pillow_pixels.safetensors");
  const Json expected = parse_json(read_text(golden_path("decode/expected.json")), "expected.json");
  int good = 0, refused = 0;
  for (const Json& entry : expected.at("files")) {
    const std::string name = entry.at("file").get<std::string>();
    INFO(name);
    const std::string path = golden_path("decode/" + name);
    if (entry.at("pillow").get<std::string>() != "ok") {
      CHECK_THROWS_WITH(read_image(path), Contains(name));
      ++refused;
      continue;
    }
    const Image image = read_image(path);
    REQUIRE(image.channels == 3);
    ++good;
    if (name == "grey16.png") {
      // The high byte, where Pillow saturates: native values are 16-bit.
      const Tensor native = golden.tensor("native/grey16.png");
      for (std::int64_t i = 0; i < native.count(); ++i)
        REQUIRE(image.pixels[static_cast<std::size_t>(3 * i)] == (native.data<std::int32_t>()[i] >> 8));
      continue;
    }
    const bool turned = name.starts_with("exif");
    const Difference difference = compare(image, golden.tensor(turned ? "transposed/" + name : name));
    const bool jpeg = bytes_of(path)[0] == 0xFF;
    CHECK(difference.max <= (jpeg ? 4 : 0));
    CHECK(difference.mean <= 0.2);
#if defined(CONTRASTIVE_WITH_JPEG)
    CHECK(difference.max <= 1);  // the same library as Pillow's, perhaps another release
#endif
  }
  CHECK(good == 28);
  CHECK(refused == 9);
}

TEST_CASE("a lying header is refused before memory is taken", "[decode]") {
  CHECK_THROWS_WITH(read_image(golden_path("decode/huge_header.png")), Contains("pixels"));
  auto jpeg = bytes_of(golden_path("decode/q90_444.jpg"));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {  // SOF0: height and width
      jpeg[i + 5] = 0x20, jpeg[i + 7] = 0x20;
      break;
    }
  CHECK_THROWS_WITH(decode_image(jpeg, "liar.jpg"), Contains("liar.jpg") && Contains("pixels"));
  auto bmp = bytes_of(golden_path("decode/rgb.bmp"));
  bmp[19] = 0x40;
  CHECK_THROWS_WITH(decode_image(bmp, "liar.bmp"), Contains("truncated"));
}

TEST_CASE("no prefix of a good file decodes", "[decode]") {
  const std::string name = GENERATE("rgb.png", "q75_420.jpg", "progressive.jpg", "rgb.bmp", "cmyk.jpg");
  const auto file = bytes_of(golden_path("decode/" + name));
  for (std::size_t size = 0; size < file.size(); size += 1 + size / 60) {
    INFO(name << " cut to " << size);
    CHECK_THROWS_AS(decode_image({file.data(), size}, name), Error);
  }
  CHECK_NOTHROW(decode_image(file, name));
}

TEST_CASE("damaged files throw or decode, never more", "[decode]") {
  const std::string name = GENERATE("rgb.png", "q50_422.jpg", "progressive.jpg", "exif6.jpg", "rgb.bmp", "palette.png");
  const auto file = bytes_of(golden_path("decode/" + name));
  Stream draw(Rng(1) / name);
  for (int round = 0; round < 200; ++round) {
    auto damaged = file;
    for (int i = 0; i < 4; ++i) damaged[draw.below(damaged.size())] = static_cast<std::uint8_t>(draw.bits());
    try {
      const Image image = decode_image(damaged, name);
      CHECK(image.pixels.size() == static_cast<std::size_t>(image.height) * image.width * 3);
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Contains(name));
    }
  }
}

TEST_CASE("of a GIF file the first frame is read, as Pillow reads it, or the file is refused", "[decode]") {
  const std::string name = GENERATE("two_frames.gif", "interlaced.gif");
  const auto file = bytes_of(golden_path("../fuzz/corpus/image/" + name));
  const Image image = decode_image(file, name);
  CHECK(image.height == 23);
  CHECK(image.width == 37);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) sum += static_cast<std::int64_t>(i + 1) * image.pixels[i];
  CHECK(sum == 412691274);  // of Pillow's RGB bytes
  for (std::size_t size = 0; size < 840; ++size) CHECK_THROWS_AS(decode_image({file.data(), size}, name), Error);
  auto liar = file;
  liar[6] = liar[7] = liar[8] = liar[9] = 0xFF;
  CHECK_THROWS_WITH(decode_image(liar, name), Contains("cannot hold"));
  Stream draw(Rng(1) / name);
  for (int round = 0; round < 200; ++round) {
    auto damaged = file;
    for (int i = 0; i < 4; ++i) damaged[draw.below(damaged.size())] = static_cast<std::uint8_t>(draw.bits());
    try {
      decode_image(damaged, name);
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Contains(name));
    }
  }
}

TEST_CASE("errors name the file and the reason", "[decode]") {
  CHECK_THROWS_WITH(read_image("no/such/picture.png"), Contains("no/such/picture.png"));
  CHECK_THROWS_WITH(read_image(golden_path("decode/text.jpg")), Contains("not a JPEG, PNG, BMP or GIF"));
  CHECK_THROWS_WITH(read_image(golden_path("decode/zero_bytes.jpg")), Contains("empty"));
  CHECK_THROWS_WITH(read_image(golden_path("decode/truncated_half.jpg")), Contains("truncated_half.jpg"));
  CHECK_THROWS_WITH(read_image(golden_path("decode/truncated.png")), Contains("truncated"));
  CHECK_THROWS_WITH(read_image(golden_path("decode/bad_crc.png")), Contains("checksum"));
}

TEST_CASE("all eight orientations stand upright", "[decode]") {
  // Corner values of the upright picture: a b / c d, for a 2 x 3 picture stored in each of the eight ways.
  Image upright_image(2, 3, 1);
  for (std::size_t i = 0; i < 6; ++i) upright_image.pixels[i] = static_cast<std::uint8_t>(i);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO(orientation);
    const bool exchange = orientation >= 5;
    Image stored(exchange ? 3 : 2, exchange ? 2 : 3, 1);
    // Exif 2.3, table 6: where the stored row 0 and column 0 lie in the upright picture.
    for (int r = 0; r < stored.height; ++r)
      for (int c = 0; c < stored.width; ++c) {
        int y = 0, x = 0;
        switch (orientation) {
          case 1: y = r, x = c; break;          // row 0 top, column 0 left
          case 2: y = r, x = 2 - c; break;      // top, right
          case 3: y = 1 - r, x = 2 - c; break;  // bottom, right
          case 4: y = 1 - r, x = c; break;      // bottom, left
          case 5: y = c, x = r; break;          // left, top
          case 6: y = c, x = 2 - r; break;      // right, top
          case 7: y = 1 - c, x = 2 - r; break;  // right, bottom
          default: y = 1 - c, x = r; break;     // left, bottom
        }
        stored.row(r)[c] = upright_image.row(y)[x];
      }
    const Image turned = detail::upright(stored, orientation);
    REQUIRE(turned.height == 2);
    REQUIRE(turned.width == 3);
    CHECK(turned.pixels == upright_image.pixels);
  }
}

TEST_CASE("the orientation is read in either byte order and as any whole number", "[decode]") {
  const bool little = GENERATE(true, false);
  const auto [type, bytes] = GENERATE(table<int, int>({{1, 1}, {3, 2}, {4, 4}}));  // BYTE, SHORT, LONG
  const auto tiff = [little, bytes = bytes](std::uint32_t orientation, int kind) {
    std::vector<std::uint8_t> block(26, 0xEE);  // what follows a short value is not looked at
    const auto put = [&](std::size_t at, std::uint32_t value, int count) {
      for (int i = 0; i < count; ++i)
        block[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> 8 * (little ? i : count - 1 - i));
    };
    block[0] = block[1] = little ? 'I' : 'M';
    put(2, 42, 2), put(4, 8, 4), put(8, 1, 2);
    put(10, 0x0112, 2), put(12, static_cast<std::uint32_t>(kind), 2), put(14, 1, 4), put(18, orientation, bytes);
    return block;
  };
  INFO((little ? "little" : "big") << "-endian, type " << type);
  for (std::uint32_t orientation = 1; orientation <= 8; ++orientation)
    CHECK(detail::tiff_orientation(tiff(orientation, type)) == static_cast<int>(orientation));
  CHECK(detail::tiff_orientation(tiff(0, type)) == 1);
  CHECK(detail::tiff_orientation(tiff(9, type)) == 1);
  CHECK(detail::tiff_orientation(tiff(6, 2)) == 1);   // a text
  CHECK(detail::tiff_orientation(tiff(6, 12)) == 1);  // a double, which lies elsewhere
}

#if defined(CONTRASTIVE_WITH_JPEG)
TEST_CASE("a region of a JPEG has the bits of the whole picture", "[decode]") {
  const std::string name = GENERATE("progressive_420_big.jpg", "restart.jpg", "q90_444.jpg", "q50_422.jpg", "cmyk.jpg",
                                    "exif6.jpg", "grey.jpg", "q30_420_odd.jpg");
  const auto file = bytes_of(golden_path("decode/" + name));
  const Image full = decode_image(file, name);
  Stream draw(Rng(7) / name);
  for (int round = 0; round < 40; ++round) {
    Region region;
    region.height = 1 + static_cast<int>(draw.below(static_cast<std::uint64_t>(full.height)));
    region.width = 1 + static_cast<int>(draw.below(static_cast<std::uint64_t>(full.width)));
    region.top = static_cast<int>(draw.below(static_cast<std::uint64_t>(full.height - region.height + 1)));
    region.left = static_cast<int>(draw.below(static_cast<std::uint64_t>(full.width - region.width + 1)));
    const Image part = decode_image(file, name, [&](int H, int W) {
      CHECK(H == full.height);
      CHECK(W == full.width);
      return region;
    });
    REQUIRE(part.height == full.height);
    INFO(name << " " << region.top << " " << region.left << " " << region.height << " " << region.width);
    CHECK(same(part, full, region));
  }
}

TEST_CASE("a truncated JPEG is refused also when the region lies in the intact part", "[decode]") {
  const auto top = [](int, int W) { return Region{0, 0, 2, W, 1}; };
  CHECK_THROWS_WITH(read_image(golden_path("decode/truncated_half.jpg"), top), Contains("truncated"));
}

TEST_CASE("a JPEG decodes at a reduced scale", "[decode]") {
  const std::string path = golden_path("decode/progressive_420_big.jpg");  // 80 x 64
  const Image full = read_image(path);
  for (int reduce : {2, 4, 8}) {
    const Image small = read_image(path, [&](int H, int W) { return Region{0, 0, H, W, reduce}; });
    REQUIRE(small.height == full.height / reduce);
    REQUIRE(small.width == full.width / reduce);
    double mean_small = 0, mean_full = 0;
    for (auto v : small.pixels) mean_small += v / static_cast<double>(small.pixels.size());
    for (auto v : full.pixels) mean_full += v / static_cast<double>(full.pixels.size());
    CHECK(std::abs(mean_small - mean_full) < 1.0);
  }
  CHECK(reduction_for(900, 1200, 224) == 4);
  CHECK(reduction_for(447, 1200, 224) == 1);
  CHECK(reduction_for(448, 1200, 224) == 2);
}
#endif
