// SPDX-License-Identifier: MIT

// Tar shards: the archive's format, what is damaged, samples, and the order of an epoch.

#include <cstring>
#include <numeric>
#include <set>

#include "contrastive/data/loader.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/data/tar.hpp"
#include "contrastive/data/webdataset.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Texts = std::vector<std::string>;

/// Writes a tar archive by hand.
class Tar {
 public:
  std::string bytes;

  Tar& add(const std::string& name, const std::string& content, char type = '0', const std::string& prefix = {},
           bool gnu = false) {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) {
      std::memcpy(&header[at], text.data(), text.size());
    };
    const auto octal = [](std::size_t value, int digits) {
      std::string text(static_cast<std::size_t>(digits), '0');
      for (; digits-- > 0; value /= 8) text[static_cast<std::size_t>(digits)] = static_cast<char>('0' + value % 8);
      return text;
    };
    put(0, name.substr(0, 100)), put(100, octal(0644, 7)), put(124, octal(content.size(), 11)), put(136, octal(0, 11));
    header[156] = type;
    put(257, gnu ? std::string("ustar  \0", 8) : std::string("ustar\00000", 8));
    if (!prefix.empty()) put(345, prefix);
    put(148, std::string(8, ' '));
    std::size_t sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6) + '\0' + ' ');
    bytes += header + content + std::string((512 - content.size() % 512) % 512, '\0');
    return *this;
  }
  Tar& pax(const std::string& key, const std::string& value) {
    std::size_t length = key.size() + value.size() + 3;
    while (std::to_string(length).size() + key.size() + value.size() + 3 != length) ++length;
    return add("pax", std::to_string(length) + " " + key + "=" + value + "\n", 'x');
  }
  std::string closed() const { return bytes + std::string(1024, '\0'); }
};

std::vector<TarMember> index_of(const std::string& archive) {
  return index_tar(
      [&](std::uint64_t offset, char* out, std::size_t size) {
        REQUIRE(offset + size <= archive.size());
        std::memcpy(out, archive.data() + offset, size);
      },
      archive.size(), "a.tar");
}

std::string pixel(int value) {
  const auto file = bmp_file(1, 1, static_cast<std::uint8_t>(value), 0, 0);
  return {file.begin(), file.end()};
}

/// `shards` of `count` samples each; the red of a picture is its number modulo 256.
void write_shards(const TemporaryFolder& folder, const std::string& part, int shards, int count) {
  for (int s = 0; s < shards; ++s) {
    Tar tar;
    for (int i = 0; i < count; ++i) {
      const int number = s * count + i;
      const std::string name = std::to_string(100000 + number);
      tar.add(name + ".bmp", pixel(number % 256))
          .add(name + ".txt", "number " + std::to_string(number) + "\nagain\n")
          .add(name + ".cls", std::to_string(number % 3));
    }
    folder.write(part + "/shard-" + std::to_string(s) + ".tar", tar.closed());
  }
}

}  // namespace

TEST_CASE("tar archives", "[data]") {
  const std::string deep(150, 'd'), content = "hello";
  Tar tar;
  tar.add("folder/", "", '5').add("folder/a.txt", content);
  tar.add("b.txt", "in a folder", '0', "some/prefix");
  tar.add("././@LongLink", deep + "/c.txt" + '\0', 'L', {}, true).add("cut short by its header", "long", '0', {}, true);
  tar.pax("path", "pax/ünï.txt").add("d.txt", "pax");
  tar.add("link", "", '2')
      .add("old.txt", std::string(1000, 'x'), '\0')
      .add("global", "20 comment=whatever\n", 'g')
      .add("empty.txt", "");
  const std::vector<TarMember> members = index_of(tar.closed());
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"folder/a.txt", content}, {"some/prefix/b.txt", "in a folder"}, {deep + "/c.txt", "long"},
      {"pax/ünï.txt", "pax"},    {"old.txt", std::string(1000, 'x')},  {"empty.txt", ""}};
  REQUIRE(members.size() == expected.size());
  for (std::size_t m = 0; m < members.size(); ++m) {
    CHECK(members[m].name == expected[m].first);
    CHECK(tar.bytes.substr(members[m].offset, members[m].size) == expected[m].second);
  }
  CHECK(index_of(std::string(512, '\0')).empty());

  SECTION("sizes of pax and of GNU's binary numbers") {
    Tar sized;
    sized.pax("size", "5").add("a.txt", content);
    std::string archive = sized.closed();
    std::memcpy(&archive[1024 + 124], "00000000000", 11);  // the header's own size is none
    std::size_t sum = 8 * ' ';
    for (std::size_t i = 0; i < 512; ++i)
      sum += i >= 148 && i < 156 ? 0 : static_cast<unsigned char>(archive[1024 + i]);
    std::snprintf(&archive[1024 + 148], 8, "%06o", static_cast<unsigned>(sum));
    REQUIRE(index_of(archive).size() == 1);
    CHECK(index_of(archive)[0].size == 5);
    const char binary[12] = {'\x80', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2};
    CHECK(detail::tar_number(binary, 12, "x") == 258);
    const char huge[12] = {'\x80', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_THROWS_WITH(detail::tar_number(huge, 12, "x"), Contains("damaged"));
  }
  SECTION("cut short anywhere, they are refused by name") {
    const std::string whole = tar.bytes;
    for (std::size_t size = 0; size <= whole.size(); size += 128)
      CHECK_THROWS_WITH(index_of(whole.substr(0, size)), Contains("a.tar") && Contains("cut short"));
  }
  SECTION("damaged") {
    std::string archive = tar.closed();
    archive[512 + 3] ^= 1;
    CHECK_THROWS_WITH(index_of(archive), Contains("a.tar: at byte 512: the header's checksum is wrong"));
    CHECK_THROWS_WITH(index_of(std::string(2000, 'x')), Contains("a.tar: at byte 0"));
    Tar wrong;
    wrong.add("pax", "99 path=short\n", 'x').add("a.txt", content);
    CHECK_THROWS_WITH(index_of(wrong.closed()), Contains("pax header is damaged"));
  }
}

TEST_CASE("samples of tar shards", "[data]") {
  TemporaryFolder folder;
  Tar tar;
  tar.add("x/0001.bmp", pixel(1)).add("x/0001.txt", "a dog\n\n an animal \n").add("x/0001.cls", "2\n");
  tar.add("x/0002.json", R"({"caption": "a cat", "width": 1})")
      .add("x/0002.v1.png", "other")
      .add("x/0002.bmp", pixel(2))
      .add("x/0002.cls", "0");
  tar.add("x/0003.txt", "without a picture")
      .add("x/0004.bmp", pixel(4))
      .add("x/0005.webp", "RIFF")
      .add("x/0005.txt", "webp");
  tar.add(".hidden", "x").add("README", "x");
  folder.write("train/a.tar", tar.closed());
  folder.write("test/b.tar",
               Tar().add("9.bmp", pixel(9)).add("9.json", R"({"text": ["one", "two"]})").add("9.cls", "1").closed());
  folder.write("classnames.txt", "ant\nbee\ncow\n");
  CapturedErrors errors;
  const AnyDataset train = open_dataset("webdataset", folder.path(), "train");
  REQUIRE(train.size() == 2);
  CHECK_THAT(errors.text(), Contains("3 samples without an image or a text left out (webp"));
  CHECK(train.parts() == (Part::image | Part::texts));
  CHECK(train.class_names() == Texts{"ant", "bee", "cow"});
  CHECK(train.label(0) == 2);
  CHECK(train.image(0).pixels == std::vector<std::uint8_t>{1, 0, 0});
  CHECK(train.sample(0, Part::texts).texts == Texts{"a dog", "an animal"});
  CHECK(train.sample(1, Part::texts).texts == Texts{"a cat"});
  CHECK(train.image(1).pixels[0] == 2);
  CHECK(train.describe(1) == folder.path("train/a.tar") + ":x/0002");
  const AnyDataset test = open_dataset("webdataset", folder.path(), "test");
  CHECK(test.sample(0, Part::texts).texts == Texts{"one", "two"});
  CHECK(test.name() == "webdataset " + folder.path() + " test");

  SECTION("a damaged sample is named with its shard") {
    folder.write("train/a.tar",
                 Tar().add("1.jpg", "no jpeg").add("1.txt", "x").add("2.bmp", pixel(1)).add("2.json", "{").closed());
    const AnyDataset set = open_dataset("webdataset", folder.path(), "train");
    CHECK_THROWS_WITH(set.image(0), Contains("a.tar:1"));
    CHECK_THROWS_WITH(set.sample(1, Part::texts), Contains("a.tar:2"));
    folder.write("train/a.tar", Tar().add("1.bmp", pixel(1)).add("1.cls", "dog").closed());
    CHECK_THROWS_WITH(open_dataset("webdataset", folder.path(), "train"),
                      Contains("a.tar:1.cls: expected the number of a class, got dog"));
  }
  SECTION("pictures alone have no texts") {
    folder.write("train/a.tar", Tar().add("1.bmp", pixel(1)).closed());
    const AnyDataset set = open_dataset("webdataset", folder.path(), "train");
    CHECK(set.parts() == Part::image);
    CHECK_FALSE(set.has_labels());
  }
  SECTION("a shard cut short is refused by name") {
    folder.write("train/c.tar", tar.closed().substr(0, 1000));
    CHECK_THROWS_WITH(open_dataset("webdataset", folder.path(), "train"), Contains("c.tar") && Contains("cut short"));
  }
  CHECK_THROWS_WITH(open_dataset("webdataset", folder.path(), "val"), Contains("val"));
  TemporaryFolder empty;
  empty.write("a.txt", "x");
  CHECK_THROWS_WITH(open_dataset("webdataset", empty.path(), "train"), Contains("no .tar shard"));
}

TEST_CASE("without folders for the parts about every twentieth sample of a shard tests", "[data]") {
  TemporaryFolder folder;
  write_shards(folder, ".", 3, 100);
  const AnyDataset train = open_dataset("webdataset", folder.path(), "train"),
                   test = open_dataset("webdataset", folder.path(), "test");
  CHECK(train.size() + test.size() == 300);
  CHECK((test.size() >= 4 && test.size() < 32));
  CHECK(train.class_names() == Texts{"0", "1", "2"});
  std::set<std::string> seen;
  for (const AnyDataset* part : {&train, &test})
    for (std::size_t i = 0; i < part->size(); ++i) CHECK(seen.insert(part->describe(i)).second);
}

TEST_CASE("an epoch over shards reads forward, and a resumed one sees the same", "[data]") {
  TemporaryFolder folder;
  write_shards(folder, "train", 5, 2000);
  folder.write("test/a.tar", Tar().add("1.bmp", pixel(1)).closed());
  const AnyDataset set = open_dataset("webdataset", folder.path(), "train");
  const auto order = set.epoch_order(Rng(1)), other = set.epoch_order(Rng(2));
  REQUIRE(order.has_value());
  CHECK(*order == *set.epoch_order(Rng(1)));
  CHECK(*order != *other);
  std::vector<std::uint32_t> sorted = *order, all(10000);
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0u);
  CHECK(sorted == all);
  // A window holds at most the shards that 4,096 samples in a row can come from: four of 2,000.
  for (std::size_t first = 0; first < 10000; first += WebDataset::window) {
    std::set<std::uint32_t> shards;
    for (std::size_t i = first; i < std::min<std::size_t>(10000, first + WebDataset::window); ++i)
      shards.insert((*order)[i] / 2000);
    CHECK(shards.size() <= 4);
  }
  // The first shards differ from epoch to epoch, and a window is well mixed.
  std::set<std::uint32_t> firsts;
  for (std::uint64_t epoch = 0; epoch < 20; ++epoch) firsts.insert((*set.epoch_order(Rng(epoch)))[0] / 2000);
  CHECK(firsts.size() >= 3);
  std::size_t rising = 0;
  for (std::size_t i = 1; i < WebDataset::window; ++i) rising += (*order)[i] > (*order)[i - 1];
  CHECK(std::abs(static_cast<double>(rising) - 2048) < 200);  // of a shuffle half, +- 18

  const auto samples = [](Loader& loader, std::int64_t epoch, std::int64_t step) {
    std::vector<std::int64_t> seen;
    loader.start(epoch, step);
    while (auto batch = loader.next()) seen.insert(seen.end(), batch->views.sample.begin(), batch->views.sample.end());
    return seen;
  };
  const LoaderOptions options{.batch = 100, .seed = 3};
  Loader whole(set, Probe{}, options);
  const std::vector<std::int64_t> first = samples(whole, 0, 0), second = samples(whole, 1, 0);
  CHECK(first.size() == 10000);
  CHECK(first != second);
  Loader resumed(set, Probe{}, {.batch = 100, .seed = 3, .threads = 0});
  const std::vector<std::int64_t> rest = samples(resumed, 1, 37);
  CHECK(rest == std::vector<std::int64_t>(second.begin() + 3700, second.end()));
  const std::vector<std::uint32_t> own = *set.epoch_order(Rng(3) / "shuffle" / std::uint64_t{0});
  CHECK(std::equal(first.begin(), first.end(), own.begin()));

  // Part of the set keeps the order; sets in memory have none of their own.
  const AnyDataset some = random_subset(set, 1000, Rng(5));
  const auto part = some.epoch_order(Rng(1));
  REQUIRE(part.has_value());
  std::vector<std::uint32_t> place(10000);
  for (std::size_t k = 0; k < 10000; ++k) place[(*order)[k]] = static_cast<std::uint32_t>(k);
  REQUIRE(part->size() == 1000);
  std::uint32_t before = 0;
  for (const std::uint32_t i : *part) {
    const std::uint32_t at =
        place[static_cast<std::size_t>(std::stoi(some.describe(i).substr(some.describe(i).size() - 6)) - 100000)];
    CHECK(at >= before);
    before = at;
  }
  CHECK_FALSE(AnyDataset(Shapes(10, 16)).epoch_order(Rng(1)).has_value());
}
