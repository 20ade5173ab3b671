// SPDX-License-Identifier: MIT
#include "contrastive/search/duplicates.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "search/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;
using namespace search_test;

namespace {

/// A picture of its own for each number: waves of colours.
Image waves(std::uint64_t number, int height = 150, int width = 200) {
  Stream stream(Rng(number) / "waves");
  Image image(height, width, 3);
  std::vector<double> sum(image.pixels.size(), 0.0);
  for (int wave = 0; wave < 12; ++wave) {
    const double down = 14 * stream.normal(), across = 14 * stream.normal(), phase = 6.28 * stream.uniform();
    const double colour[3] = {stream.normal(), stream.normal(), stream.normal()};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          sum[static_cast<std::size_t>((y * width + x) * 3 + c)] +=
              colour[c] * std::sin(down * y / height + across * x / width + phase);
  }
  for (std::size_t i = 0; i < sum.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(128 + 25 * sum[i], 0.0, 255.0));
  return image;
}

Image part(const Image& image, int top, int left, int height, int width) {
  Image inner(height, width, image.channels);
  for (int y = 0; y < height; ++y)
    std::copy_n(image.row(top + y) + left * image.channels, width * image.channels, inner.row(y));
  return inner;
}

Image mirrored(const Image& image) {
  Image other = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c)
        other.row(y)[x * image.channels + c] = image.row(y)[(image.width - 1 - x) * image.channels + c];
  return other;
}

/// Bars of nearly one colour above and below.
Image with_bars(const Image& image, int bar) {
  Image tall(image.height + 2 * bar, image.width, image.channels);
  for (std::size_t i = 0; i < tall.pixels.size(); ++i) tall.pixels[i] = static_cast<std::uint8_t>(i % 5);
  for (int y = 0; y < image.height; ++y) std::copy_n(image.row(y), image.width * image.channels, tall.row(bar + y));
  return tall;
}

Image darker(const Image& image) {
  Image other = image;
  for (std::uint8_t& value : other.pixels) value = static_cast<std::uint8_t>(value * 6 / 10 + 20);
  return other;
}

double same(const Image& a, const Image& b) { return same_picture(PictureSketch(a), PictureSketch(b)); }

}  // namespace

TEST_CASE("a picture is the same as its parts, its mirror image, other sizes, and with bars") {
  for (std::uint64_t number = 0; number < 6; ++number) {
    INFO(number);
    const Image image = waves(number);
    CHECK(same(image, image) > 0.9999);
    CHECK(same(image, mirrored(image)) > 0.99);
    CHECK(same(image, darker(image)) > 0.99);
    CHECK(same(image, thumbnail(image, 90)) > 0.98);
    CHECK(same(image, with_bars(image, 30)) > 0.98);
    const Image piece = part(image, 20, 35, 110, 150);
    CHECK(same(image, piece) > 0.95);
    CHECK(same(piece, image) == same(image, piece));
    CHECK(same(image, mirrored(with_bars(darker(piece), 12))) > 0.95);
    for (std::uint64_t other = 0; other < number; ++other) CHECK(same(image, waves(other)) < 0.85);
  }
  // One colour shows nothing, and a sliver is no part.
  Image plain(40, 60, 1);
  CHECK(same(plain, plain) == 0);
  CHECK(same(waves(1), part(waves(1), 0, 0, 150, 30)) == 0);
}

TEST_CASE("duplicates are found among what the encoder puts near, and hang together in groups") {
  Folder folder;
  const auto write = [&](const std::string& name, const Image& image) { write_file(folder / name, encode_png(image)); };
  write("a.png", thumbnail(waves(1), 120));
  write("b.png", waves(1));
  write("c.png", waves(2));
  write("d.png", part(waves(1), 10, 20, 130, 170));
  write("e.png", waves(3));
  write("f.png", mirrored(waves(3)));
  write("g.png", waves(3));
  ColourModel colours;  // mirrored or smaller, the mean colour is the same
  NamedModel model = colours.named();
  model.model.text_rows = {};
  const std::string file = folder / ".index";
  IndexUpdate(folder.path.string(), file, model, {}, {}).run({});
  const IndexFile index = IndexFile::open(file);
  REQUIRE(index.size() == 7);
  const IndexedModel* rows = index.find(model.hash);
  REQUIRE(rows != nullptr);
  CHECK(rows->table.dimension == 4);
  std::vector<std::optional<SketchedImage>> sketches(7);
  std::vector<std::uint8_t> allowed(7, 1);
  for (std::size_t i = 0; i < 7; ++i) {
    const std::string path = (folder.path / index.path(i)).string();
    const std::vector<std::byte> bytes = read_file(path);
    const Image image = decode_to_search(detail::bytes_of(bytes), path);
    sketches[i] = SketchedImage{PictureSketch(image), {image.height, image.width}};
  }
  const auto names = [&](const std::vector<DuplicateGroup>& groups) {
    std::vector<std::string> all;
    for (const DuplicateGroup& group : groups) {
      all.emplace_back();
      for (const Hit& hit : group.images) all.back() += index.path(static_cast<std::size_t>(hit.row))[0];
    }
    return all;
  };
  const std::vector<SamePair> pairs = same_pairs(index, rows->table, allowed, sketches);
  CHECK(names(duplicate_groups(pairs, sketches)) == std::vector<std::string>{"bad", "efg"});
  for (const SamePair& pair : pairs)
    if (pair.first == 4 && pair.second == 6) CHECK(pair.score == 1);  // the same bytes
  // Only what is allowed; what could not be read is in no pair.
  allowed[1] = 0;
  sketches[1].reset();
  sketches[5].reset();
  CHECK(names(duplicate_groups(same_pairs(index, rows->table, allowed, sketches), sketches)) ==
        std::vector<std::string>{"da", "eg"});
  // A control: the encoder proposes, so that nothing is found of what it does not look at.
  CHECK(same_pairs(index, rows->table, std::vector<std::uint8_t>(7, 0), sketches).empty());
  CHECK(duplicate_groups({}, sketches).empty());
  // A chain is no group: 0 is like 1, and 1 like 2, but 2 was not like 0, the largest.
  std::vector<std::optional<SketchedImage>> chain(3, SketchedImage{});
  chain[0]->size = {30, 30};
  chain[1]->size = {20, 20};
  chain[2]->size = {10, 10};
  const std::vector<DuplicateGroup> star = duplicate_groups({{0.96, 0, 1}, {0.97, 1, 2}}, chain);
  REQUIRE(star.size() == 1);
  REQUIRE(star[0].images.size() == 2);
  CHECK(star[0].images[0].row == 0);
  CHECK(star[0].images[1].row == 1);
}
