// SPDX-License-Identifier: MIT

// What a page shows is drawn fairly, and is what it says.

#include "contrastive/train/results.hpp"

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/train/trainer.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// Picture i has the value i in two bytes; two classes, sorted. Those of `bad` cannot be read.
struct Sorted {
  std::size_t count;
  std::vector<std::size_t> bad = {};

  std::size_t size() const { return count; }
  Image image(std::size_t i) const {
    require(std::find(bad.begin(), bad.end(), i) == bad.end(), "[decode] ", i, " is broken");
    Image image(8, 8, 3);
    for (std::size_t k = 0; k < image.pixels.size(); ++k)
      image.pixels[k] = static_cast<std::uint8_t>(k % 3 == 0 ? i / 256 : k % 3 == 1 ? i % 256 : 0);
    return image;
  }
  int label(std::size_t i) const { return i >= count / 2; }
  std::vector<std::string> class_names() const { return {"ant", "bee"}; }
  std::string name() const { return "sorted"; }
};

/// The index of each picture as a point on half a circle: the nearest by cosine is the nearest by index.
FeatureSet features(const AnyDataset& set, std::size_t whole) {
  return encode_set(set, center_view(8, 8, {}), [&](const Tensor& x) {
    Tensor z({x.size(0), 2});
    for (std::int64_t n = 0; n < x.size(0); ++n) {
      const float* pixel = x.data<float>() + n * 8 * 8 * 3;
      const double i = 255. * (256. * static_cast<double>(pixel[0]) + static_cast<double>(pixel[1]));
      z.data<float>()[2 * n] = static_cast<float>(std::cos(3.1 * i / static_cast<double>(whole)));
      z.data<float>()[2 * n + 1] = static_cast<float>(std::sin(3.1 * i / static_cast<double>(whole)));
    }
    return z;
  });
}

std::string picture(const AnyDataset& set, std::size_t i) { return Picture(set.image(i)).png; }

}  // namespace

TEST_CASE("neighbours are shown for pictures drawn from all, each with its own picture and class", "[train]") {
  const AnyDataset train = Sorted{400}, test = Sorted{400, {7, 11}};
  const auto bank = random_subset(train, 300, Rng(5));  // as a limit would have it
  const auto some = random_subset(test, 350, Rng(6));
  const std::vector<NeighbourRow> rows = neighbour_rows(bank, features(bank, 400), some, features(some, 400), 40, 3);
  REQUIRE(rows.size() == 40);
  std::size_t bees = 0, before = 0;
  for (const NeighbourRow& row : rows) {
    std::size_t i = 0;  // which picture of the set this is
    while (i < 400 && (i == 7 || i == 11 || picture(test, i) != row.query.png)) ++i;
    REQUIRE(i < 400);
    CHECK((before == 0 || i > before));  // none twice
    before = i;
    CHECK(row.label == (i < 200 ? "ant" : "bee"));
    bees += i >= 200;
    REQUIRE(row.hits.size() == 3);
    for (const NeighbourRow::Hit& hit : row.hits) {
      std::size_t j = i >= 12 ? i - 12 : 0;  // three of four pictures are in the bank: the nearest is close by
      while (j < 400 && picture(train, j) != hit.picture.png) ++j;
      CHECK(j <= i + 12);
      CHECK(hit.label == (j < 200 ? "ant" : "bee"));
    }
  }
  CHECK(bees > 10);  // of 40: 20 +- 3
  CHECK(bees < 30);
  // Few pictures: each once. (12 and 10 showed the last one three times.)
  const AnyDataset twelve = Sorted{12};
  const auto all = neighbour_rows(twelve, features(twelve, 12), twelve, features(twelve, 12), 10, 1);
  REQUIRE(all.size() == 10);
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) CHECK(all[a].query.png != all[b].query.png);
}

TEST_CASE("the map shows test pictures of all classes, with their own labels and thumbnails", "[train]") {
  const AnyDataset test = Sorted{600};
  const EmbeddingMap map = embedding_map(test, features(test, 600), 60);
  REQUIRE(map.points.size() == 60);
  std::vector<Image> shown;
  int bees = 0;
  const Tensor rows = detail::shown_rows("map", 600, 60);
  for (std::size_t p = 0; p < 60; ++p) {
    const auto i = static_cast<std::size_t>(rows.data<std::int64_t>()[p]);
    CHECK(map.points[p].label == (i >= 300));
    bees += map.points[p].label;
    shown.push_back(test.image(i));
  }
  CHECK(std::abs(bees - 30) < 12);  // a deviation of sqrt(60 / 4 * 540 / 599) = 3.7
  CHECK(map.thumbnails.picture.png == PictureSheet(shown, 40).picture.png);
}

TEST_CASE("the gallery of views shows readable pictures of all classes", "[train]") {
  std::vector<std::size_t> bad;
  for (std::size_t i = 0; i < 400; i += 2) bad.push_back(i);
  const AnyDataset set = Sorted{400, bad};
  const Gallery gallery = view_gallery(set, simclr_cifar(8), 0, 40);
  REQUIRE(gallery.rows.size() == 40);
  int bees = 0;
  for (const Gallery::Row& row : gallery.rows) bees += row.caption == "bee";
  CHECK(bees > 10);
  CHECK(bees < 30);
  CHECK(view_gallery(Sorted{6, {0, 1, 2, 3, 5}}, simclr_cifar(8), 0).rows.size() == 1);
  CHECK(random_pictures(Sorted{3, {0, 1, 2}}, 8, Rng(0)).empty());
}

TEST_CASE("views are shown in the colours of their pictures, however they were normalised", "[train]") {
  const Sorted set{20};
  for (const Normalize& normalize : {Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}, imagenet_statistics, Normalize{}})
    for (const Gallery::Row& row : view_gallery(set, center_view(8, 8, normalize), 0).rows) {
      REQUIRE(row.pictures.size() == 4);
      for (const Picture& view : row.pictures) CHECK(view.png == row.pictures[0].png);
    }
}
