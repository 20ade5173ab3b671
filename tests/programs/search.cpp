// SPDX-License-Identifier: MIT
//
// image_search as a user runs it: index, find, pipes, what can go wrong, and its page.

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"

using namespace programs;

namespace {

/// A small model that has learned next to nothing, trained once for all tests: what is found is checked in tests/search.
const std::string& model() {
  static const Folder folder;
  static const std::string path = [] {
    const std::string out = folder / "run";
    const Outcome trained = run(program("clip") +
                                " --data shapes --image-size 16 --batch 64 --epochs 1 --samples 256 "
                                "--dimension 32 --text-width 32 --text-layers 1 --text-heads 2 --context-length 32 "
                                "--knn-every 0 --no-evaluation --out " +
                                out);
    INFO(trained.text);
    REQUIRE(trained.status == 0);
    return out;
  }();
  return path;
}

std::string search(const std::string& arguments) {
  return program("image_search") + " " + arguments + " --weights " + model();
}

void write_picture(const std::string& path, int red, int green, int blue) {
  fs::create_directories(fs::path(path).parent_path());
  contrastive::Image image(24, 32, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>((i % 3 == 0 ? red : i % 3 == 1 ? green : blue) + i / 3 % 32);
  contrastive::write_file(path, contrastive::encode_png(image));
}

void write_pictures(const Folder& folder, int count) {
  for (int i = 0; i < count; ++i)
    write_picture(folder / ("photos/" + std::to_string(i % 4) + "/" + std::to_string(i) + ".png"), i * 37 % 220,
                  i * 101 % 220, i * 5 % 220);
}

}  // namespace

TEST_CASE("image_search: a folder and a sentence are enough, and the second time nothing is encoded") {
  Folder folder;
  write_pictures(folder, 12);
  contrastive::write_file(folder / "photos/broken.jpg", "no picture");
  const std::string command = search((folder / "photos") + " a red circle -n 3");
  const Outcome first = run(command);
  INFO(first.text);
  CHECK(first.status == 0);
  CHECK_THAT(first.text, Contains("12 new") && Contains("broken.jpg") && Contains("1 images cannot be read"));
  const Outcome second = run(command);
  CHECK(second.status == 0);
  CHECK_THAT(second.text, !Contains("new,") && !Contains("broken.jpg: "));
  // The index knows its model.
  CHECK(run(program("image_search") + " " + (folder / "photos") + " circle").status == 0);
  const Outcome paths = run(search((folder / "photos") + " circle -n 100 --all --paths --no-update 2>/dev/null"));
  std::set<std::string> found;
  std::istringstream lines(paths.text);
  for (std::string line; std::getline(lines, line);) {
    CHECK(fs::exists(line));
    found.insert(line);
  }
  CHECK(found.size() == 12);
  CHECK_THAT(run(search((folder / "photos") + " circle --under 2 --all --paths -n 100")).text,
             Contains("photos/2/2.png") && !Contains("photos/1/"));
  CHECK_THAT(run(search((folder / "photos") + " circle --json -n 1")).text,
             Contains("\"rank\":1") && Contains("\"top_percent\":"));
  CHECK(
      run(search((folder / "photos") + " 'circle - " + (folder / "photos/0/0.png") + "' --sheet " + (folder / "s.png")))
          .status == 0);
  CHECK(contents(folder / "s.png").starts_with("\x89PNG"));
  const std::string picture = folder / "photos/1/5.png";
  CHECK_THAT(run(search((folder / "photos") + " " + picture + " --paths -n 1")).text, Contains(picture));
}

TEST_CASE("image_search: killed at any moment it goes on and ends with the same bytes") {
  Folder folder;
  write_pictures(folder, 160);
  const std::string index = search("index " + (folder / "photos") + " --batch 8 --save-seconds 0 --threads 1");
  REQUIRE(run(index).status == 0);
  const std::string file = folder / "photos/.image_search.index", expected = contents(file);
  for (int attempt = 0; attempt < 4; ++attempt) {
    fs::remove(file);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", ("exec " + index + " 2>/dev/null").c_str(), nullptr);
      ::_exit(127);
    }
    // Some of it is written: then at a moment of its own.
    for (int wait = 0; wait < 2000 && !fs::exists(file); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * attempt));
    ::kill(child, attempt % 2 == 0 ? SIGKILL : SIGTERM);
    int status = 0;
    ::waitpid(child, &status, 0);
    const Outcome rest = run(index);
    INFO(rest.text);
    CHECK(rest.status == 0);
    CHECK(contents(file) == expected);
  }
}

TEST_CASE("image_search: what is wrong is one sentence") {
  Folder folder;
  write_pictures(folder, 3);
  fs::create_directories(folder.path / "empty");
  const std::string photos = folder / "photos";
  check_refused(program("image_search") + " " + photos + " dog", 2, "CONTRASTIVE_MODEL");
  check_refused(program("image_search"), 2, "folder");
  check_refused(search(photos), 2, "query");
  check_refused(search(photos + " 'dog +'"), 2, "empty");
  check_refused(search(photos + " dog --since yesterday"), 2, "--since");
  check_refused(search(photos + " dog --since 2024-02-31"), 2, "--since");
  check_refused(search(photos + " dog --under ../x"), 2, "--under");
  check_refused(search(photos + " dog --under nowhere"), 1, "none of the 3 images");
  check_refused(search(photos + " dog --count 0"), 2, "--count");
  check_refused(search((folder / "nowhere") + " dog"), 1, "no such folder");
  check_refused(search((folder / "empty") + " dog"), 1, "holds no image");
  check_refused(search(photos + " ./nowhere.png"), 1, "nowhere.png");
  check_refused(program("image_search") + " " + photos + " dog --weights " + (folder / "nothing"), 2, "--weights");
  check_refused(search("label " + photos), 2, "--classes");
  contrastive::write_file(photos + "/.image_search.index",
                          "not an index, but a text that is long enough for a header....");
  check_refused(search(photos + " dog"), 1, "[index]");
  fs::remove(photos + "/.image_search.index");
  check_refused(search(photos + " dog --index /proc/none/index"), 1, "/proc/none/index");
  check_refused(search(photos + " dog --index /dev/full/index"), 1, "/dev/full/index");
}

TEST_CASE("image_search label names each image") {
  Folder folder;
  write_pictures(folder, 5);
  contrastive::write_file(folder / "names.txt", "circle\nsquare\n");
  const Outcome labels =
      run(search("label " + (folder / "photos") + " --classes " + (folder / "names.txt") + " 2>/dev/null"));
  INFO(labels.text);
  CHECK(labels.status == 0);
  CHECK_THAT(labels.text, Contains("photos/0/4.png") && Contains("\t"));
}
