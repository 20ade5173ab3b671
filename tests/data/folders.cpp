// SPDX-License-Identifier: MIT

// Folders as classes and as parts of a set.

#include "contrastive/data/decode.hpp"
#include "contrastive/data/match_classes.hpp"
#include "contrastive/data/open.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

using Names = std::vector<std::string>;

AnyDataset open(const TemporaryFolder& folder, const std::string& split = "train") {
  return open_dataset("folder", folder.path(), split);
}

void write_pictures(const TemporaryFolder& folder, const Names& names) {
  for (const std::string& name : names) folder.write(name, bmp_file(1, 1, 7, 8, 9));
}

}  // namespace

TEST_CASE("image folders", "[data]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(open_dataset("folder", folder.path("none"), "train"),
                    Contains(folder.path("none")) && Contains("no such folder"));
  CHECK_THROWS_WITH(open(folder), Contains("the folder is empty"));
  CHECK_THROWS_WITH(open_dataset("folder", "", "train"), Contains("--root is missing"));
  folder.write("notes.txt", "no picture");
  CHECK_THROWS_WITH(open(folder), Contains(folder.path()) && Contains("none of the 1 files"));
  CHECK_THROWS_WITH(open_dataset("folder", folder.path("notes.txt"), "train"), Contains("is a file"));

  SECTION("with classes, nested and sorted") {
    folder.write("b/2.bmp", bmp_file(2, 3, 1, 2, 3));
    folder.write("b/deep/er/1.BMP", bmp_file(1, 1, 4, 5, 6));
    folder.write("a/x.bmp", bmp_file(1, 1, 7, 8, 9));
    folder.write("a/.hidden.bmp", "");
    const AnyDataset set = open(folder);
    REQUIRE(set.size() == 3);
    CHECK(set.class_names() == Names{"a", "b"});
    CHECK(set.label(0) == 0);
    CHECK(set.label(2) == 1);
    CHECK(set.describe(2) == folder.path("b/deep/er/1.BMP"));
    CHECK(set.image(1).width == 3);
    CHECK(set.image(0).pixels == std::vector<std::uint8_t>{7, 8, 9});
    CHECK_THROWS_WITH(open(folder, "test"), Contains("test or val"));
  }
  SECTION("without classes") {
    write_pictures(folder, {"2.bmp", "1.bmp"});
    folder.write("notes/readme.md", "no picture: no class");
    const AnyDataset set = open(folder);
    CHECK(set.size() == 2);
    CHECK(set.label(0) == -1);
    CHECK_FALSE(set.has_labels());
    CHECK(set.describe(0) == folder.path("1.bmp"));
  }
  SECTION("a corrupt picture is named when it is read") {
    folder.write("a/1.jpg", "this is text");
    const AnyDataset set = open(folder);
    CHECK_THROWS_WITH(set.image(0), Contains(folder.path("a/1.jpg")));
    CHECK_FALSE(set.image_or_report(0).has_value());
    CHECK_FALSE(set.image_or_report(0).has_value());
    CHECK(set.unreadable() == 1);
  }
}

TEST_CASE("what a folder holds and is not read is counted by kind in one line", "[data]") {
  TemporaryFolder folder;
  write_pictures(folder, {"ant/1.bmp", "cat/1.bmp", "cat/2.bmp", "beside.bmp"});
  for (int i = 0; i < 3; ++i) folder.write("bee/" + std::to_string(i) + ".webp", "a kind that is not read");
  folder.write("cat/deep/4.WebP", "another");
  folder.write("cat/notes.txt", "text");
  folder.write("ant/README", "text");
  folder.write("ant/.DS_Store", "hidden");
  const CapturedErrors errors;
  const AnyDataset set = open(folder);
  CHECK(errors.text() ==
        "[folder] " + folder.path() +
            ": 4 .webp, 1 without a suffix, 1 .txt not read; no picture in the classes bee; 1 pictures "
            "beside the class folders are not used\n");
  CHECK(set.class_names() == Names{"ant", "bee", "cat"});  // bee is a class all the same
  CHECK(set.size() == 3);
  CHECK(set.label(1) == 2);

  TemporaryFolder none;
  for (int i = 0; i < 8; ++i)
    none.write("a/" + std::to_string(i) + (i < 2 ? ".tiff" : ".k" + std::to_string(i)), "text");
  CHECK_THROWS_WITH(open(none),
                    Contains("none of the 8 files here is a .jpg, .jpeg, .jfif, .png or .bmp picture, but 2 "
                             ".tiff, 1 .k2, 1 .k3, 1 .k4, 1 .k5, 1 .k6, 1 of 1 other kinds (--root)"));
}

TEST_CASE("a .jfif is a JPEG", "[data]") {
  TemporaryFolder folder;
  const auto file = read_file(golden_path("decode/q90_444.jpg"));
  folder.write("a/1.JFIF", std::string(as_text(file)));
  const CapturedErrors errors;
  const AnyDataset set = open(folder);
  REQUIRE(set.size() == 1);
  CHECK(set.image(0).pixels == read_image(golden_path("decode/q90_444.jpg")).pixels);
  CHECK(errors.text().empty());
}

TEST_CASE("the parts of a set in folders are found in any case", "[data]") {
  const auto [train, test] = GENERATE(table<std::string, std::string>({{"train", "test"},
                                                                       {"Train", "Test"},
                                                                       {"TRAINING", "Testing"},
                                                                       {"train", "val"},
                                                                       {"Training", "VALID"},
                                                                       {"train", "Validation"}}));
  INFO(train << " and " << test);
  TemporaryFolder folder;
  write_pictures(folder, {train + "/ant/1.bmp", test + "/ant/1.bmp", test + "/bee/2.bmp"});
  folder.write("annotations/1.xml", "a folder without pictures is no matter");
  CHECK(open(folder).class_names() == Names{"ant"});
  CHECK(open(folder, "test").class_names() == Names{"ant", "bee"});
}

TEST_CASE("test comes before val, and val can be asked for", "[data]") {
  TemporaryFolder folder;
  write_pictures(folder,
                 {"train/a/1.bmp", "test/a/1.bmp", "test/a/2.bmp", "val/a/1.bmp", "val/a/2.bmp", "val/a/3.bmp"});
  CHECK(open(folder).size() == 1);
  CHECK(open(folder, "test").size() == 2);
  CHECK(open(folder, "val").size() == 3);
  CHECK_THROWS_WITH(open(folder, "half"), Contains("split is train, test or val, got half"));

  TemporaryFolder alone;
  write_pictures(alone, {"test/a/1.bmp"});
  CHECK(open(alone, "test").size() == 1);
  CHECK_THROWS_WITH(open(alone), Contains("has no folder train inside"));
}

TEST_CASE("folders that could be parts or classes are refused with what was found", "[data]") {
  TemporaryFolder folder;
  const auto refused = [&](const Names& files, const std::string& found) {
    const TemporaryFolder mixed;
    write_pictures(mixed, files);
    for (const char* split : {"train", "test"})
      CHECK_THROWS_WITH(open(mixed, split), Contains("[folder] " + mixed.path() + ": " + found + "; expected "));
  };
  refused({"ant/1.bmp", "bee/1.bmp", "test/ant/1.bmp"}, "test beside other folders with pictures, ant, bee");
  refused({"ant/1.bmp", "bee/1.bmp", "Test/1.bmp"}, "Test beside other folders with pictures, ant, bee");
  refused({"ant/1.bmp", "train/bee/1.bmp"}, "train beside other folders with pictures, ant");
  refused({"ant/1.bmp", "train/bee/1.bmp", "test/bee/1.bmp"}, "train, test beside other folders with pictures, ant");
  refused({"bus/1.bmp", "train/1.bmp", "test/bus/1.bmp"}, "train, test beside other folders with pictures, bus");
  refused({"train/a/1.bmp", "Train/a/1.bmp"}, "two folders for one part, among Train, train");
  refused({"train/a/1.bmp", "val/a/1.bmp", "valid/a/1.bmp"}, "two folders for one part, among train, val, valid");
  refused({"1.bmp", "2.bmp", "test/3.bmp"}, "test beside 2 pictures, and no train");
}

TEST_CASE("a class may have the name of a part where nothing else is meant", "[data]") {
  TemporaryFolder vehicles;
  write_pictures(vehicles, {"bus/1.bmp", "train/1.bmp", "tram/1.bmp"});
  CHECK(open(vehicles).class_names() == Names{"bus", "train", "tram"});
  CHECK_THROWS_WITH(open(vehicles, "test"), Contains("no folder test or val"));

  TemporaryFolder coins;
  write_pictures(coins, {"valid/1.bmp", "invalid/1.bmp"});
  CHECK(open(coins).class_names() == Names{"invalid", "valid"});

  TemporaryFolder both;  // one level down names are classes whatever they are
  write_pictures(both,
                 {"train/bus/1.bmp", "train/train/1.bmp", "test/bus/1.bmp", "test/train/1.bmp", "test/test/1.bmp"});
  CHECK(open(both).class_names() == Names{"bus", "train"});
  CHECK(open(both, "test").class_names() == Names{"bus", "test", "train"});

  TemporaryFolder bare;  // a part without classes, and a picture that shows the set
  write_pictures(bare, {"train/1.bmp", "train/2.bmp", "overview.bmp"});
  const CapturedErrors errors;
  CHECK(open(bare).size() == 2);
  CHECK_THAT(errors.text(), Contains("1 pictures beside the folder of the training part are not used"));
}
