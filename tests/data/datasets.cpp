// SPDX-License-Identifier: MIT
#include <algorithm>
#include <numeric>

#include "contrastive/data/cifar.hpp"
#include "contrastive/data/emoji.hpp"
#include "contrastive/data/gzip.hpp"
#include "contrastive/data/idx.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/data/stl10.hpp"
#include "data/support.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

std::vector<std::uint8_t> idx_file(std::vector<std::uint32_t> sizes, std::size_t values) {
  std::vector<std::uint8_t> file = {0, 0, 8, static_cast<std::uint8_t>(sizes.size())};
  for (std::uint32_t size : sizes)
    for (int shift : {24, 16, 8, 0}) file.push_back(static_cast<std::uint8_t>(size >> shift));
  for (std::size_t i = 0; i < values; ++i) file.push_back(static_cast<std::uint8_t>(i % 7));
  return file;
}

/// Records of label bytes and three constant planes 10, 20, 30 plus the record's number.
std::vector<std::uint8_t> cifar_file(std::size_t records, std::size_t label_bytes) {
  std::vector<std::uint8_t> file;
  for (std::size_t i = 0; i < records; ++i) {
    for (std::size_t b = 0; b < label_bytes; ++b) file.push_back(static_cast<std::uint8_t>(i % 10));
    for (int c = 0; c < 3; ++c) file.insert(file.end(), 1024, static_cast<std::uint8_t>(10 * (c + 1) + i));
  }
  return file;
}

bool have(const char* path, const char* package) {
  if (detail::is_file(path)) return true;
  WARN("SKIPPED: " << path << " is not here; install the package " << package << " to run this test");
  return false;
}

}  // namespace

TEST_CASE("CIFAR binary files", "[data]") {
  TemporaryFolder folder;
  for (int i = 1; i <= 5; ++i) folder.write("data_batch_" + std::to_string(i) + ".bin", cifar_file(4, 1));
  folder.write("test_batch.bin", cifar_file(3, 1));
  const AnyDataset train = open_dataset("cifar10", folder.path(), "train");
  REQUIRE(train.size() == 20);
  CHECK(train.label(5) == 1);
  CHECK(train.class_names()[1] == "automobile");
  const Image image = train.image(6);
  REQUIRE(image.height == 32);
  CHECK(image.row(31)[3 * 31] == 12);
  CHECK(image.row(31)[3 * 31 + 1] == 22);
  CHECK(image.row(31)[3 * 31 + 2] == 32);
  CHECK(open_dataset("cifar10", folder.path(), "test").size() == 3);

  SECTION("of the wrong length") {
    auto bytes = cifar_file(4, 1);
    bytes.pop_back();
    folder.write("data_batch_3.bin", bytes);
    CHECK_THROWS_WITH(open_dataset("cifar10", folder.path(), "train"),
                      Contains("data_batch_3.bin") && Contains("records of 3073"));
  }
  SECTION("with a label out of range") {
    auto bytes = cifar_file(4, 1);
    bytes[0] = 10;
    folder.write("test_batch.bin", bytes);
    CHECK_THROWS_WITH(open_dataset("cifar10", folder.path(), "test"), Contains("label 10"));
  }
  SECTION("that are missing") {
    std::filesystem::remove(folder.path("data_batch_2.bin"));
    CHECK_THROWS_WITH(open_dataset("cifar10", folder.path(), "train"),
                      Contains("data_batch_2.bin") && Contains("--root"));
  }
  SECTION("CIFAR-100 takes the fine label") {
    auto bytes = cifar_file(2, 2);
    bytes[0] = 19, bytes[1] = 99;
    folder.write("cifar-100-binary/train.bin", bytes);
    const AnyDataset set = open_dataset("cifar100", folder.path(), "train");
    CHECK(set.size() == 2);
    CHECK(set.label(0) == 99);
    CHECK(set.class_names().size() == 100);
    std::string names;
    for (int i = 0; i < 100; ++i) names += "name" + std::to_string(i) + "\n";
    folder.write("cifar-100-binary/fine_label_names.txt", names);
    CHECK(open_dataset("cifar100", folder.path(), "train").class_names()[99] == "name99");
  }
}

TEST_CASE("STL-10 binary files", "[data]") {
  TemporaryFolder folder;
  std::vector<std::uint8_t> pictures(3 * Stl10::picture_bytes);
  // Columns first: plane, then x, then y. Mark one pixel.
  pictures[Stl10::picture_bytes + (1 * 96 + 5) * 96 + 7] = 200;
  folder.write("train_X.bin", pictures);
  folder.write("unlabeled_X.bin", pictures);
  folder.write("train_y.bin", std::vector<std::uint8_t>{1, 10, 3});
  const AnyDataset set = open_dataset("stl10", folder.path(), "train");
  REQUIRE(set.size() == 3);
  CHECK(set.label(1) == 9);
  const Image image = set.image(1);
  CHECK(image.row(7)[3 * 5 + 1] == 200);
  CHECK(std::accumulate(image.pixels.begin(), image.pixels.end(), 0) == 200);
  const AnyDataset unlabeled = open_dataset("stl10", folder.path(), "unlabeled");
  CHECK(unlabeled.label(0) == -1);
  CHECK_FALSE(unlabeled.has_labels());

  folder.write("train_y.bin", std::vector<std::uint8_t>{1, 0, 3});
  CHECK_THROWS_WITH(open_dataset("stl10", folder.path(), "train"), Contains("train_y.bin"));
  folder.write("train_y.bin", std::vector<std::uint8_t>{1, 2});
  CHECK_THROWS_WITH(open_dataset("stl10", folder.path(), "train"), Contains("2 labels for 3 pictures"));
  pictures.pop_back();
  folder.write("train_X.bin", pictures);
  CHECK_THROWS_WITH(open_dataset("stl10", folder.path(), "train"), Contains("train_X.bin") && Contains("27648"));
}

TEST_CASE("IDX files", "[data]") {
  TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte", idx_file({5, 4, 3}, 60));
  const AnyDataset bare = open_dataset("idx", folder.path(), "train");
  CHECK(bare.size() == 5);
  CHECK_FALSE(bare.has_labels());
  folder.write("train-labels-idx1-ubyte", idx_file({5}, 5));
  const AnyDataset set = open_dataset("idx", folder.path(), "train");
  CHECK(set.label(4) == 4);
  CHECK(set.class_names().size() == 5);
  const Image image = set.image(1);
  REQUIRE(image.channels == 1);
  CHECK(image.row(2)[1] == (12 + 7) % 7);

  const auto lies = [&](std::vector<std::uint32_t> sizes, std::size_t values) {
    folder.write("train-images-idx3-ubyte", idx_file(std::move(sizes), values));
    CHECK_THROWS_WITH(open_dataset("idx", folder.path(), "train"), Contains("train-images-idx3-ubyte"));
  };
  lies({6, 4, 3}, 60);
  lies({5, 4, 3}, 61);
  lies({0x80000000u, 0x80000000u, 4}, 0);  // the product wraps to zero in 64 bits
  lies({0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu}, 60);
  lies({0, 4, 3}, 0);
  lies({60}, 60);
  folder.write("train-images-idx3-ubyte", idx_file({5, 4, 3}, 60));
  folder.write("train-labels-idx1-ubyte", idx_file({4}, 4));
  CHECK_THROWS_WITH(open_dataset("idx", folder.path(), "train"), Contains("4 labels") && Contains("5 pictures"));
  auto floats = idx_file({5, 4, 3}, 60);
  floats[2] = 0x0D;
  folder.write("train-images-idx3-ubyte", floats);
  CHECK_THROWS_WITH(open_dataset("idx", folder.path(), "train"), Contains("unsigned bytes"));
  CHECK_THROWS_WITH(open_dataset("idx", folder.path(), "test"), Contains("t10k-images") && Contains(folder.path()));
}

#if defined(CONTRASTIVE_WITH_ZLIB)
TEST_CASE("IDX files packed with gzip", "[data]") {
  const auto plain = idx_file({50, 10, 10}, 5000);
  std::vector<std::uint8_t> packed(plain.size() + 200);
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);

  CHECK(parse_idx(packed, "a.gz").values == parse_idx(plain, "a").values);
  for (std::size_t size = 2; size < packed.size(); size += 3)
    CHECK_THROWS_WITH(parse_idx({packed.data(), size}, "cut.gz"), Contains("cut.gz"));
  auto damaged = packed;
  damaged[packed.size() / 2] ^= 0x55;
  CHECK_THROWS_WITH(parse_idx(damaged, "damaged.gz"), Contains("damaged.gz"));
  CHECK_THROWS_WITH(detail::gunzip(packed, "limit.gz", 100), Contains("more than 100"));
}
#endif

TEST_CASE("pictures of odd sizes", "[data]") {
  TemporaryFolder folder;
  folder.write("1.bmp", bmp_file(1, 1, 9, 8, 7));
  folder.write("2.bmp", bmp_file(1, 20000, 1, 2, 3));
  folder.write("3.bmp", bmp_file(20000, 1, 4, 5, 6));
  const AnyDataset set = open_dataset("folder", folder.path(), "train");
  CHECK(set.image(0).pixels == std::vector<std::uint8_t>{9, 8, 7});
  CHECK(set.image(1).width == 20000);
  CHECK(set.image(1).row(0)[3 * 19999 + 2] == 3);
  CHECK(set.image(2).height == 20000);
  CHECK(set.image(2).row(19999)[0] == 4);
}

TEST_CASE("shapes depend on seed, split and index alone", "[data]") {
  const Shapes set(100, 32, "shape", 3);
  const Image first = set.image(17);
  CHECK(first.pixels == Shapes(50, 32, "colour", 3).image(17).pixels);
  CHECK(first.pixels != Shapes(100, 32, "shape", 4).image(17).pixels);
  CHECK(first.pixels != Shapes(100, 32, "shape", 3, "test").image(17).pixels);
  CHECK(Shapes(10, 48).image(0).width == 48);
  std::vector<int> counts(6);
  for (std::size_t i = 0; i < 100; ++i) {
    const ShapeFactors f = set.factors(i);
    CHECK(set.label(i) == f.shape);
    CHECK(Shapes(100, 32, "rotation", 3).label(i) == f.rotation);
    ++counts[static_cast<std::size_t>(set.label(i))];
  }
  CHECK(*std::min_element(counts.begin(), counts.end()) >= 5);
  for (const char* label : {"shape", "colour", "size", "rotation", "background"}) {
    const Shapes by(200, 16, label);
    const int classes = static_cast<int>(by.class_names().size());
    for (std::size_t i = 0; i < 200; ++i) CHECK(by.label(i) < classes);
  }
  CHECK_THROWS_WITH(Shapes(10, 32, "taste"), Contains("taste"));
  CHECK_THROWS_WITH(Shapes(10, 4), Contains("image size"));
  DatasetOptions options;
  options.train_size = 7;
  options.label = "colour";
  CHECK(open_dataset("shapes", "", "train", options).size() == 7);
  CHECK(open_dataset("shapes", "", "train", options).class_names().size() == 8);
}

TEST_CASE("unknown sets and splits are named", "[data]") {
  CHECK_THROWS_WITH(open_dataset("imagenet", ".", "train"),
                    Contains("imagenet") && Contains("--data") && Contains("cifar10"));
  CHECK_THROWS_WITH(open_dataset("cifar10", ".", "half"), Contains("half"));
  CHECK_THROWS_WITH(open_dataset("stl10", ".", "half"), Contains("half"));
  CHECK_THROWS_WITH(open_dataset("cifar10", "", "train"), Contains("--root is missing"));
}

TEST_CASE("emoji-test.txt", "[data]") {
  const std::string text =
      "# group: Smileys & Emotion\n# subgroup: face-smiling\n"
      "1F600 ; fully-qualified # \xF0\x9F\x98\x80 E1.0 grinning face\r\n"
      "263A FE0F ; fully-qualified # x E0.6 smiling face\n"
      "263A ; unqualified # x E0.6 smiling face\n"
      "# group: People & Body\n# subgroup: hand\n"
      "1F44B 1F3FB ; fully-qualified # x E1.0 waving hand: light skin tone\n"
      "1F44B ; fully-qualified # x E0.6 waving hand\n";
  const auto entries = parse_emoji_test(text, "list");
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "grinning face");
  CHECK(entries[1].code_points == std::vector<std::uint32_t>{0x263A, 0xFE0F});
  CHECK(entries[2].group == "People & Body");
  CHECK(entries[2].subgroup == "hand");
  CHECK_THROWS_WITH(parse_emoji_test("nonsense\n", "list"), Contains("list:1"));
  CHECK_THROWS_WITH(parse_emoji_test("# group: a\n# subgroup: b\nXYZ ; fully-qualified # x\n", "list"),
                    Contains("list:3"));
  CHECK_THROWS_WITH(parse_emoji_test("1F600 ; fully-qualified # x\n", "list"), Contains("no group"));
  CHECK_THROWS_WITH(parse_emoji_test("", "list"), Contains("lists no emoji"));
}

#if defined(CONTRASTIVE_WITH_ZLIB)
TEST_CASE("Fashion-MNIST from its package", "[data]") {
  if (!have("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz", "dataset-fashion-mnist")) return;
  const AnyDataset set = open_dataset("fashion", "", "test");
  REQUIRE(set.size() == 10000);
  CHECK(set.class_names().size() == 10);
  CHECK(set.image(0).height == 28);
  CHECK(set.image(0).channels == 1);
  std::vector<int> counts(10);
  for (std::size_t i = 0; i < set.size(); ++i) ++counts[static_cast<std::size_t>(set.label(i))];
  for (int count : counts) CHECK(count == 1000);
  CHECK(set.class_names()[static_cast<std::size_t>(set.label(0))] == "ankle boot");
}
#endif

#if defined(CONTRASTIVE_WITH_FONTS)
TEST_CASE("emoji from their packages", "[data]") {
  const EmojiOptions options;
  if (!have(options.font.c_str(), "fonts-noto-color-emoji") || !have(options.list.c_str(), "unicode-data")) return;
  const ArrayDataset train = read_emoji("train", {.label = "subgroup"}),
                     test = read_emoji("test", {.label = "subgroup"});
  CHECK(train.size() + test.size() >= 1800);
  CHECK(test.size() > train.size() / 8);
  CHECK(test.size() < train.size() / 3);
  CHECK(train.classes == test.classes);
  CHECK(train.classes.size() >= 90);
  CHECK(read_emoji("test").classes.size() >= 8);
  CHECK(train.height == 128);
  CHECK(train.width == 136);
  const Image image = train.image(0);
  CHECK(image.pixels[0] == 255);  // on white
  CHECK(*std::min_element(image.pixels.begin(), image.pixels.end()) < 100);
  CHECK_THROWS_WITH(open_dataset("emoji", "/nowhere", "train"), Contains("/nowhere"));
  CHECK_THROWS_WITH(read_emoji("train", {.label = "mood"}), Contains("mood"));
}
#endif
