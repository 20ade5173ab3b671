// SPDX-License-Identifier: MIT
//
// image_search as a user runs it: index, find, pipes, what can go wrong, and its page.

#include <signal.h>

#include <chrono>
#include <set>
#include <sstream>
#include <thread>

#include "programs/search_support.hpp"

using namespace programs;

namespace {

std::string search(const std::string& arguments) {
  return program("image_search") + " " + arguments + " --weights " + searching_model();
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
  CHECK_THAT(first.text,
             Contains("12 new") && Contains("broken.jpg") && Contains("1 image is left out that cannot be read"));
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

TEST_CASE("image_search: a full disk costs nothing that was there") {
  Folder folder;
  write_pictures(folder, 20);
  REQUIRE(run(search("index " + (folder / "photos"))).status == 0);
  const std::string file = folder / "photos/.image_search.index", before = contents(file);
  write_picture(folder / "photos/new.png", 9, 9, 9);
  check_refused("sh -c \"trap '' XFSZ; ulimit -f 8; exec " + search("index " + (folder / "photos")) + "\"", 1,
                "could not be written in full");
  CHECK(contents(file) == before);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path / "photos"))
    files += entry.path().filename().string().starts_with(".image_search");
  CHECK(files == 1);  // nothing half written is left
  CHECK(run(search("index " + (folder / "photos"))).status == 0);
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
