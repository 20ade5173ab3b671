// SPDX-License-Identifier: MIT
#include "contrastive/data/decode.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/png.hpp"

#include <sys/resource.h>

#include <csignal>

#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("a file appears whole or not at all", "[io]") {
  const Scratch scratch;
  const std::string path = scratch / "a.txt";
  write_file(path, "first");
  {
    AtomicFile file(path);
    file.write(std::string_view("half"));
    CHECK(read_text(path) == "first");
  }
  CHECK(read_text(path) == "first");
  CHECK(scratch.files() == 1);  // the temporary is gone
  write_file(path, "second");
  CHECK(read_text(path) == "second");
  write_file(path, "");
  CHECK(read_text(path).empty());

  CHECK_THROWS_WITH(write_file(scratch / "no/such/folder", "x"),
                    Contains("no/such/folder") && Contains("No such file"));
  std::filesystem::create_directory(scratch.path / "folder");
  std::filesystem::create_directory(scratch.path / "folder" / "inside");
  CHECK_THROWS_WITH(write_file(scratch / "folder", "x"), Contains("could not be put in place"));
  CHECK(scratch.files() == 2);
  CHECK_THROWS_WITH(read_file(scratch / "folder"), Contains("folder"));
  CHECK_THROWS_WITH(read_file(scratch / "none"), Contains("No such file"));
}

TEST_CASE("a disk that fills up leaves the old file and no temporary", "[io]") {
  const Scratch scratch;
  const std::string path = scratch / "a.txt";
  write_file(path, "first");
  // A limit on the size of files fails the write as a full disk does.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{4096, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    write_file(path, std::string(100000, 'x'));
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Contains(path) && Contains("could not be written in full"));
  CHECK(read_text(path) == "first");
  CHECK(scratch.files() == 1);
}

TEST_CASE("base64 equals its published examples", "[io]") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("PNG chunks are laid out as the standard says", "[io]") {
  Image image(2, 3, 3);
  const std::string png = encode_png(image);
  CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  CHECK(png.substr(12, 4) == "IHDR");
  CHECK(png.substr(16, 13) == std::string("\0\0\0\3\0\0\0\2\x08\2\0\0\0", 13));
  CHECK(png.substr(png.size() - 12) == std::string("\0\0\0\0IEND\xae\x42\x60\x82", 12));
  CHECK_THROWS_WITH(encode_png(Image()), Contains("[png]"));
  image.pixels.pop_back();
  CHECK_THROWS_WITH(encode_png(image), Contains("do not fill"));
}

TEST_CASE("a picture that is written as PNG is read back", "[io]") {
  for (const int channels : {1, 3, 4})
    for (const auto& [height, width] : {std::pair(1, 1), {7, 5}, {1, 300}, {300, 1}, {64, 64}}) {
      Image image(height, width, channels);
      for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels[i] = static_cast<std::uint8_t>(height == 64 ? i / 7 : i * i * 2654435761u >> 13);  // smooth, rough
      const std::string png = encode_png(image);
      const Image back = decode_image({reinterpret_cast<const std::uint8_t*>(png.data()), png.size()}, "written.png");
      INFO(height << " x " << width << " x " << channels);
      REQUIRE((back.height == height && back.width == width && back.channels == 3));
      bool same = true;
      for (int p = 0; p < height * width; ++p)
        for (int c = 0; c < 3; ++c)
          same = same && back.pixels[static_cast<std::size_t>(3 * p + c)] ==
                             image.pixels[static_cast<std::size_t>(channels * p + (channels == 1 ? 0 : c))];
      CHECK(same);
    }
}
