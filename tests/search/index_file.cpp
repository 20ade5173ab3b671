// SPDX-License-Identifier: MIT
#include "contrastive/search/index_file.hpp"

#include <cstdlib>

#include "search/support.hpp"
#include "support/catch.hpp"

using namespace search_test;

namespace {

/// Bytes at a multiple of 64, as a mapped file has them.
class Aligned {
 public:
  explicit Aligned(const std::string& bytes)
      : size_(bytes.size()),
        start_(static_cast<std::byte*>(std::aligned_alloc(64, (size_ + 64) / 64 * 64)), &std::free) {
    std::memcpy(start_.get(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {start_.get(), size_}; }
  template <class T>
  void put(std::size_t at, T value) {
    std::memcpy(start_.get() + at, &value, sizeof value);
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte, void (*)(void*)> start_;
};

std::string small_index() {
  Folder folder;
  for (const char* name : {"a.png", "b/c.png", "d.png"})
    write_picture(folder / ("images/" + std::string(name)), name[0], 2, 3);
  UpdateOptions options;
  options.int8 = true;
  update(folder, ColourModel().named(1), -1, options);
  update(folder, ColourModel().named(2));
  return contents(folder / "index");
}

}  // namespace

TEST_CASE("the content hash is MurmurHash3_x64_128") {
  const auto hash = [](std::string_view text) { return content_hash(std::as_bytes(std::span(text))); };
  CHECK(to_string(hash("")) == "00000000000000000000000000000000");
  CHECK(to_string(hash("hello")) == "cbd8a7b341bd9b025b1e906a48ae1d19");
  CHECK(to_string(hash("The quick brown fox jumps over the lazy dog")) == "e34bbc7bbc071b6c7a433ca9c49a9347");
}

TEST_CASE("an index cut short anywhere is refused with a sentence") {
  const std::string good = small_index();
  CHECK(IndexFile::parse(Aligned(good).bytes(), "good").size() == 3);
  for (std::size_t size = 0; size < good.size(); size += 1 + size / 97)
    CHECK_THROWS_WITH(IndexFile::parse(Aligned(good.substr(0, size)).bytes(), "cut"), Contains("[index] cut"));
  CHECK_THROWS_WITH(IndexFile::parse(Aligned(good + "more").bytes(), "long"), Contains("the header promises"));
}

TEST_CASE("lying headers are refused") {
  const std::string good = small_index();
  const auto refused = [&](std::size_t at, auto value, const std::string& what) {
    Aligned bytes(good);
    bytes.put(at, value);
    INFO("byte " << at);
    CHECK_THROWS_WITH(IndexFile::parse(bytes.bytes(), "x"), Contains(what));
  };
  refused(0, 'x', "not an index");
  refused(8, std::uint32_t{2}, "version 2; this program reads 1");
  refused(12, std::uint32_t{1} << 30, "models do not fit");
  refused(12, std::uint32_t{1}, "bytes follow the last model");
  refused(16, std::uint64_t{1} << 60, "images do not fit");
  refused(24, ~std::uint64_t{0}, "bytes of paths do not fit");
  refused(64, std::uint64_t{0}, "path of image 0");
  refused(64, std::uint64_t{1} << 40, "path of image 0");
  refused(184, 'z', "does not follow the one before");  // the first path is a.png
  const std::size_t model = 256;
  refused(model + 32, ~std::uint64_t{0}, "cannot hold");
  refused(model + 48, std::uint32_t{0}, "rows of 0 numbers");
  refused(model + 48, std::uint32_t{300}, "should take");
  refused(model + 52, std::uint32_t{7}, "should take");
  refused(model + 64, std::uint64_t{32}, "outside of the file");
  refused(model + 72, std::uint64_t{1} << 50, "outside of the file");
}

TEST_CASE("an index that is a folder, empty, or not there is refused") {
  Folder folder;
  CHECK_THROWS_WITH(IndexFile::open(folder / "none"), Contains("No such file"));
  CHECK_THROWS_WITH(IndexFile::open(folder.path.string()), Contains("not a file"));
  write_file(folder / "empty", "");
  CHECK_THROWS_WITH(IndexFile::open(folder / "empty"), Contains("too short"));
}
