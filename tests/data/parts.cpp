// SPDX-License-Identifier: MIT

// Parts of a set: classes matched by name, and subsets drawn fairly.

#include <cmath>
#include <numeric>

#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/match_classes.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/subset.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Names = std::vector<std::string>;

/// Picture i is one grey pixel of value i.
AnyDataset part(const std::string& title, const Names& classes, const std::vector<int>& labels) {
  ArrayDataset set{.title = title, .height = 1, .width = 1, .channels = 1, .labels = labels, .classes = classes};
  set.pixels.resize(labels.size());
  std::iota(set.pixels.begin(), set.pixels.end(), std::uint8_t{0});
  return set;
}

/// Names of the classes of all pictures, and the pictures.
std::vector<std::pair<std::string, int>> content(const AnyDataset& set) {
  std::vector<std::pair<std::string, int>> all;
  for (std::size_t i = 0; i < set.size(); ++i)
    all.emplace_back(set.class_names().at(static_cast<std::size_t>(set.label(i))), set.image(i).pixels[0]);
  return all;
}

using Content = std::vector<std::pair<std::string, int>>;

}  // namespace

TEST_CASE("two parts of a set are matched by the names of their classes", "[data]") {
  const CapturedErrors errors;
  const AnyDataset train = part("train", {"ant", "bee", "cat"}, {0, 1, 2, 2});

  SECTION("parts that match come back as they are") {
    const AnyDataset test = part("test", {"ant", "bee", "cat"}, {2, 1, 0});
    const MatchedParts matched = match_classes(train, test);
    CHECK(matched.note.empty());
    CHECK(content(matched.test) == Content{{"cat", 0}, {"bee", 1}, {"ant", 2}});
    CHECK(content(matched.train) == content(train));
  }
  SECTION("a class that test does not have shifts nothing") {
    const AnyDataset test = part("test", {"ant", "cat"}, {0, 1, 1});
    const MatchedParts matched = match_classes(train, test);
    CHECK(matched.test.class_names() == Names{"ant", "bee", "cat"});
    CHECK(matched.test.label(1) == 2);
    CHECK(content(matched.test) == content(test));
    CHECK(matched.note == "[classes] test does not have the classes bee");
    CHECK(match_classes(matched.train, matched.test).note.empty());  // once said
  }
  SECTION("a class that train does not have is left out") {
    const AnyDataset test = part("test", {"aardvark", "ant", "bee", "cat", "dog"}, {0, 1, 2, 3, 4, 4, 1});
    const MatchedParts matched = match_classes(train, test);
    CHECK(content(matched.test) == Content{{"ant", 1}, {"bee", 2}, {"cat", 3}, {"ant", 6}});
    CHECK(matched.note == "[classes] 3 pictures of test are left out: train has none of their classes (aardvark, dog)");
    CHECK(matched.test.describe(3) == "sample 6 of test");
  }
  SECTION("so is one that is empty in train") {
    const MatchedParts matched =
        match_classes(part("train", {"ant", "bee"}, {0, 0}), part("test", {"ant", "bee"}, {1, 0}));
    CHECK(content(matched.test) == Content{{"ant", 1}});
    CHECK_THAT(matched.note, Contains("train has none of their classes (bee)"));
  }
  SECTION("the order of the names does not matter") {
    const AnyDataset test = part("test", {"cat", "ant", "bee"}, {0, 1, 2});
    CHECK(content(match_classes(train, test).test) == content(test));
    CHECK(errors.text().empty());
  }
  SECTION("pictures without a label are left out of both") {
    const MatchedParts matched =
        match_classes(part("train", {"ant", "bee"}, {-1, 0, 1}), part("test", {"ant", "bee"}, {1, -1, -1, 0}));
    CHECK(content(matched.train) == Content{{"ant", 1}, {"bee", 2}});
    CHECK(content(matched.test) == Content{{"bee", 0}, {"ant", 3}});
    CHECK(matched.note ==
          "[classes] 1 pictures of train have no label and are left out; 2 pictures of test have no label and are left "
          "out");
  }
  SECTION("classes in which nothing is common are refused") {
    CHECK_THROWS_WITH(
        match_classes(train, part("test", {"dog", "eel"}, {0, 1})),
        Contains("[classes] test has no labelled picture of a class of train: dog, eel against ant, bee, cat"));
    CHECK_THROWS_WITH(match_classes(train, part("test", {}, {})), Contains("no labels against ant, bee, cat"));
    CHECK_THROWS_WITH(match_classes(part("train", {"ant"}, {-1}), part("test", {"ant"}, {0})),
                      Contains("ant against ant"));
  }
  SECTION("what is no class is refused") {
    CHECK_THROWS_WITH(match_classes(train, part("test", {"ant", "bee"}, {0, 2})),
                      Contains("test: picture 1 has label 2, expected -1 or an index into 2 class names"));
    CHECK_THROWS_WITH(match_classes(part("train", {"ant"}, {0, -2}), train), Contains("picture 1 has label -2"));
    CHECK_THROWS_WITH(match_classes(train, part("test", {"ant", "ant"}, {0, 1})),
                      Contains("test: two classes are called ant"));
  }
  SECTION("equal lists match by position, whatever the names") {
    const AnyDataset numbered = part("train", {"x", "x"}, {0, 1});
    CHECK(match_classes(numbered, part("test", {"x", "x"}, {1, 0})).test.label(0) == 1);
  }
}

TEST_CASE("a class folder that is missing, empty or more shifts no label", "[data]") {
  TemporaryFolder folder;
  for (const char* name : {"train/ant/1.bmp", "train/bee/1.bmp", "train/cat/1.bmp", "test/bee/1.bmp", "test/bee/2.bmp",
                           "test/cat/1.bmp", "test/zebra/1.bmp"})
    folder.write(name, bmp_file(1, 1, 0, 0, 0));
  folder.write("test/ant/1.webp", "not read");
  const CapturedErrors errors;
  const MatchedParts matched =
      match_classes(open_dataset("folder", folder.path(), "train"), open_dataset("folder", folder.path(), "test"));
  REQUIRE(matched.test.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string name = matched.test.class_names()[static_cast<std::size_t>(matched.test.label(i))];
    CHECK_THAT(matched.test.describe(i), Contains("/test/" + name + "/"));
  }
  CHECK_THAT(errors.text(), Contains("test: 1 .webp not read; no picture in the classes ant\n") &&
                                Contains("1 pictures of folder " + folder.path("test") + " are left out: folder " +
                                         folder.path("train") + " has none of their classes (zebra)\n"));
}

TEST_CASE("a matched part reads, plans, describes and counts as the set does", "[data]") {
  TemporaryFolder folder;
  folder.write("train/a/1.bmp", bmp_file(1, 1, 1, 2, 3));
  folder.write("test/a/1.bmp", bmp_file(1, 1, 4, 5, 6));
  folder.write("test/b/1.bmp", bmp_file(1, 1, 7, 8, 9));
  folder.write("test/a/2.bmp", "broken");
  const CapturedErrors errors;
  const AnyDataset test = open_dataset("folder", folder.path(), "test");
  const AnyDataset matched = match_classes(open_dataset("folder", folder.path(), "train"), test).test;
  REQUIRE(matched.size() == 2);
  CHECK(matched.image(0).pixels == std::vector<std::uint8_t>{4, 5, 6});
  CHECK_FALSE(matched.image_or_report(1).has_value());
  CHECK(matched.unreadable() == 1);
  CHECK(test.unreadable() == 1);
  CHECK(matched.describe(1) == folder.path("test/a/2.bmp"));
  CHECK(matched.name() == test.name());
}

TEST_CASE("a subset is drawn fairly, without replacement, by its stream alone", "[data]") {
  const AnyDataset set = part("sorted", {"ant", "bee"}, [] {
    std::vector<int> labels(200, 0);
    std::fill(labels.begin() + 100, labels.end(), 1);
    return labels;
  }());
  CHECK(random_subset(set, 200, Rng(1)).size() == 200);
  CHECK(random_subset(set, 500, Rng(1)).size() == 200);
  CHECK(random_subset(set, 0, Rng(1)).size() == 0);
  // How often each picture is drawn, 40 of 200 in 1000 draws: binomial, 200 +- 12.6; the largest of 200 is below 4.5 of these.
  std::vector<int> drawn(200, 0);
  double second_class = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const AnyDataset some = random_subset(set, 40, Rng(seed));
    REQUIRE(some.size() == 40);
    int before = -1;
    for (std::size_t i = 0; i < 40; ++i) {
      const int value = some.image(i).pixels[0];
      REQUIRE(value > before);  // each once, in order
      before = value;
      ++drawn[static_cast<std::size_t>(value)];
      CHECK(some.label(i) == (value >= 100));
      second_class += some.label(i);
    }
  }
  for (const int count : drawn) CHECK(std::abs(count - 200) < 57);
  // Of 40000 pictures half; the deviation of a draw's count is sqrt(40 / 4 * 160 / 199) = 2.84, of the mean's share 0.0022.
  CHECK(std::abs(second_class / 40000 - 0.5) < 0.009);
  const auto values = [&](std::uint64_t seed) { return content(random_subset(set, 7, Rng(seed))); };
  CHECK(values(3) == values(3));
  CHECK(values(3) != values(4));
}
