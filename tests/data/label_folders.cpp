// SPDX-License-Identifier: MIT

// Folders of images with masks of class ids.

#include "contrastive/data/label_folders.hpp"

#include <filesystem>
#include <fstream>

#include "contrastive/data/dataset.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/png.hpp"
#include "data/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

void write_grey(const std::filesystem::path& path, int height, int width, std::initializer_list<int> ids) {
  std::filesystem::create_directories(path.parent_path());
  Image image(height, width, 1);
  auto id = ids.begin();
  for (std::uint8_t& pixel : image.pixels) {
    pixel = static_cast<std::uint8_t>(*id);
    if (++id == ids.end()) id = ids.begin();
  }
  const std::string png = encode_png(image);
  std::ofstream(path, std::ios::binary).write(png.data(), static_cast<std::streamsize>(png.size()));
}

}  // namespace

TEST_CASE("CamVid's folders: images with masks of ids", "[data]") {
  TemporaryFolder folder;
  const std::filesystem::path root = folder.path();
  write_grey(root / "train/b.png", 2, 3, {7});
  write_grey(root / "train/a.png", 2, 3, {7});
  write_grey(root / "trainannot/a.png", 2, 3, {0, 10, 11, 3, 3, 3});
  write_grey(root / "trainannot/b.png", 2, 3, {1});
  const AnyDataset set = read_camvid(root.string(), "train");
  REQUIRE(set.size() == 2);
  CHECK(set.class_names()[10] == "cyclist");
  const Sample sample = set.sample(0, Part::image | Part::mask);
  CHECK(sample.mask.labels == std::vector<std::uint16_t>{0, 10, LabelMap::nothing, 3, 3, 3});
  CHECK(sample.image.width == 3);

  const auto error_of = [&](const std::string& words) {
    CHECK_THROWS_WITH(AnyDataset(read_camvid(root.string(), "train")).sample(0, Part::image | Part::mask),
                      Contains(words));
  };
  write_grey(root / "trainannot/a.png", 2, 3, {0, 10, 12});
  error_of("a.png: unknown label id 12 at row 0, column 2: ids are 0 to 11");
  write_grey(root / "trainannot/a.png", 3, 2, {0});
  error_of("a.png: the mask is 3 x 2, its image 2 x 3");
  {
    Image colour(2, 3, 3);
    colour.pixels[0] = 200;
    const std::string png = encode_png(colour);
    std::ofstream(root / "trainannot/a.png", std::ios::binary)
        .write(png.data(), static_cast<std::streamsize>(png.size()));
  }
  error_of("a.png: expected a grey image of class ids, got a colour at row 0, column 0");
  std::filesystem::remove(root / "trainannot/a.png");
  error_of("a.png: there is no ");
  write_grey(root / "trainannot/a.png", 2, 3, {0});
  write_grey(root / "trainannot/c.png", 2, 3, {0});
  error_of("c.png: there is no image of that name in ");
  CHECK_THROWS_WITH(read_camvid(root.string(), "test"), Contains("test: no such folder (--root)"));
  CHECK_THROWS_WITH(read_camvid((root / "nothing").string(), "test"), Contains("nothing: no such folder (--root)"));
}

TEST_CASE("ADE20K's folders take their names from objectInfo150.txt", "[data]") {
  TemporaryFolder folder;
  const std::filesystem::path root = folder.path();
  write_grey(root / "images/validation/x.png", 1, 3, {9});
  write_grey(root / "annotations/validation/x.png", 1, 3, {0, 1, 2});
  std::ofstream(root / "objectInfo150.txt")
      << "Idx\tRatio\tTrain\tVal\tStuff\n1\t0.1\t1\t2\twall\r\n2\t0.1\t1\t2\tbuilding, edifice\n";
  const AnyDataset set = read_ade20k(root.string(), "test");
  CHECK(set.class_names() == std::vector<std::string>{"wall", "building"});
  CHECK(set.sample(0, Part::mask).mask.labels == std::vector<std::uint16_t>{LabelMap::nothing, 0, 1});
  std::ofstream(root / "objectInfo150.txt") << "Idx\n1 wall\n";
  CHECK_THROWS_WITH(read_ade20k(root.string(), "test"), Contains("a line without a name: 1 wall"));
}
