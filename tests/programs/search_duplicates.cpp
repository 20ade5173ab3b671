// SPDX-License-Identifier: MIT
//
// image_search duplicates: what it prints, and what it refuses. What is found is checked in tests/search.

#include "contrastive/io/json.hpp"
#include "programs/search_support.hpp"

using namespace programs;

namespace {

/// Stripes of an own rhythm for each number, once as they are and once larger.
void write_stripes(const std::string& path, int number, int scale) {
  fs::create_directories(fs::path(path).parent_path());
  contrastive::Image image(24 * scale, 32 * scale, 3);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] =
            static_cast<std::uint8_t>((x / scale * number + y / scale * (number * number + c)) % 23 * 11);
  contrastive::write_file(path, contrastive::encode_png(image));
}

}  // namespace

TEST_CASE("image_search duplicates finds copies of other sizes, and prints them for people and for programs") {
  Folder folder;
  for (int i = 1; i <= 6; ++i) write_stripes(folder / ("photos/" + std::to_string(i) + ".png"), i, 1);
  write_stripes(folder / "photos/more/large 2.png", 2, 3);
  write_stripes(folder / "photos/more/same 5.png", 5, 1);
  const std::string command = program("image_search") + " duplicates " + (folder / "photos");
  check_refused(command, 2, "which encoder? --weights");
  check_refused(command + " --weights " + searching_model() + " --threshold 0.2", 2, "threshold");
  const Outcome found = run(command + " --weights " + searching_model());
  INFO(found.text);
  REQUIRE(found.status == 0);
  CHECK_THAT(found.text, Contains("8 images, 2 pictures more than once, 2 images beside the largest of each"));
  CHECK_THAT(found.text, Contains("    96 x 72     0.99  " + (folder / "photos/more/large 2.png")));
  // The index knows its encoder from now on, and is not that of words.
  CHECK(fs::exists(folder / "photos/.image_search.duplicates"));
  CHECK_FALSE(fs::exists(folder / "photos/.image_search.index"));
  const auto printed = [](const std::string& of) { return run("(" + of + " 2>/dev/null)").text; };
  CHECK(printed(command + " --paths") == (folder / "photos/more/same 5.png") + "\n" + (folder / "photos/2.png") + "\n");
  CHECK(
      printed(command + " --json --under more --sheet " + (folder / "none.png")).empty());  // neither is twice in there
  const std::string line = printed(command + " --json --sheet " + (folder / "sheet.png"));
  const contrastive::Json group = contrastive::Json::parse(line.substr(0, line.find('\n')));
  CHECK(group.at("images").size() == 2);
  CHECK(group.at("images")[0].at("width") == 32);
  CHECK(fs::file_size(folder / "sheet.png") > 100);
  check_refused(program("image_search") + " duplicates " + (folder / "none"), 1, "no such folder");
}
