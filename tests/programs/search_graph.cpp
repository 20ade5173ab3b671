// SPDX-License-Identifier: MIT
//
// image_search --approximate: what the graph finds, and when it is built anew.

#include <set>
#include <sstream>

#include "programs/search_support.hpp"

using namespace programs;

namespace {

std::string search(const Folder& folder, const std::string& arguments) {
  return program("image_search") + " " + (folder / "photos") + " " + arguments + " --weights " + searching_model();
}

}  // namespace

#ifdef CONTRASTIVE_WITH_HNSWLIB

namespace {

std::set<std::string> paths(const Folder& folder, const std::string& arguments) {
  std::set<std::string> found;
  std::istringstream lines(run(search(folder, arguments + " --all --paths --no-update 2>/dev/null")).text);
  for (std::string line; std::getline(lines, line);) found.insert(line);
  return found;
}

/// How many of the ten best of some queries the graph finds too, as a share.
double recall(const Folder& folder) {
  std::size_t same = 0, all = 0;
  for (const char* query : {"circle", "'a red square'", "'blue - green'"}) {
    const std::set<std::string> exact = paths(folder, query),
                                near = paths(folder, std::string(query) + " --approximate");
    REQUIRE(exact.size() == 10);
    for (const std::string& path : exact) same += near.contains(path);
    all += exact.size();
  }
  return static_cast<double>(same) / static_cast<double>(all);
}

std::string graph_of(const Folder& folder) {
  std::string file;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "photos"))
    if (entry.path().extension() == ".graph") {
      CHECK(file.empty());
      file = entry.path().string();
    }
  REQUIRE(!file.empty());
  return file;
}

}  // namespace

TEST_CASE("image_search --approximate finds what exact search finds, and says how much of it") {
  Folder folder;
  write_pictures(folder, 120);
  const Outcome built = run(search(folder, "circle --approximate"));
  INFO(built.text);
  REQUIRE(built.status == 0);
  CHECK_THAT(built.text,
             Contains("the graph is built, because there is none yet") && Contains("120 images of the folder"));
  const std::size_t at = built.text.find("it finds ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(built.text.substr(at + 9)) >= 95);
  CHECK(recall(folder) > 0.95);
  CHECK_THAT(run(search(folder, "circle --approximate")).text, !Contains("graph"));
  CHECK(paths(folder, "circle --approximate --under 2 -n 100").size() == 30);  // exactly
  CHECK(paths(folder, "circle --approximate -n 500").size() == 120);
}

TEST_CASE("image_search --approximate: a graph of other images is extended or built again, and so is a damaged one") {
  Folder folder;
  write_pictures(folder, 60);
  REQUIRE(run(search(folder, "circle --approximate")).status == 0);
  const std::string file = graph_of(folder);

  write_picture(folder / "photos/0/new.png", 250, 3, 77);
  write_picture(folder / "photos/3/new.png", 3, 250, 177);
  const Outcome extended = run(search(folder, "circle --approximate"));
  INFO(extended.text);
  CHECK(extended.status == 0);
  CHECK_THAT(extended.text, Contains("the graph is extended by new images") && Contains("62 images of the folder"));
  CHECK(recall(folder) > 0.95);
  CHECK(paths(folder, "circle --approximate -n 100").size() == 62);

  fs::remove(folder / "photos/0/new.png");
  const Outcome gone = run(search(folder, "circle --approximate"));
  CHECK_THAT(gone.text, Contains("the graph is built, because it holds images that are gone"));
  CHECK(paths(folder, "circle --approximate -n 100").size() == 61);
  fs::rename(folder / "photos/1/1.png", folder / "photos/2/moved.png");  // the same picture in another row
  CHECK_THAT(run(search(folder, "circle --approximate")).text, Contains("extended by new images"));
  CHECK(paths(folder, "circle --approximate -n 100") == paths(folder, "circle -n 100"));

  fs::remove(file);
  REQUIRE(run(search(folder, "circle --approximate")).status == 0);
  const std::string whole = contents(file);  // built at once: equal images give equal bytes
  const auto damaged = [&](const std::string& bytes, const std::string& why) {
    INFO(why);
    std::ofstream(file, std::ios::binary) << bytes;
    const Outcome outcome = run(search(folder, "circle --approximate"));
    INFO(outcome.text);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.text, Contains("the graph is built, because " + why));
    CHECK(contents(file) == whole);
  };
  std::string flipped = whole;
  flipped[flipped.size() / 2] ^= 4;
  damaged(flipped, "it is damaged");
  damaged(whole.substr(0, whole.size() - 5), "it is damaged");
  damaged(whole.substr(0, 50), "it is too short");
  damaged("", "it is too short");
  damaged(std::string(200, 'x'), "it is no graph");
}

#else

TEST_CASE("image_search --approximate says what it lacks") {
  Folder folder;
  write_pictures(folder, 2);
  check_refused(search(folder, "circle --approximate"), 2, "libhnswlib-dev");
}

#endif
