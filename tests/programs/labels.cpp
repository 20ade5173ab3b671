// SPDX-License-Identifier: MIT

// Scores of folders whose right score is known by construction: classes are matched by name, limits draw fairly.

#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/metrics.hpp"
#include "data/support.hpp"
#include "programs/support.hpp"

using namespace programs;

namespace {

/// `count` pictures of one colour each, of about the colour of a class: number 0 to 5.
void write_class(const TemporaryFolder& folder, const std::string& place, int colour, int count) {
  for (int i = 0; i < count; ++i) {
    const auto tone = [&](int bit) { return static_cast<std::uint8_t>(((colour + 1) >> bit & 1 ? 200 : 40) + i % 16); };
    folder.write(place + "/" + std::to_string(1000 + i) + ".bmp", bmp_file(12, 12, tone(0), tone(1), tone(2)));
  }
}

std::string simclr(const TemporaryFolder& folder, const std::string& more = "") {
  return program("simclr") + " --data folder --root " + folder.path("set") +
         " --image-size 12 --batch 32 --epochs 1 --threads 2 --out " + folder.path("run") + " " + more;
}

std::string companion(const std::string& name, const TemporaryFolder& folder, const std::string& more = "") {
  return program(name) + " " + folder.path("run") + " --threads 2 " + more;
}

double last_knn(const TemporaryFolder& folder) {
  const contrastive::MetricsTable table = contrastive::load_metrics(folder.path("run/metrics.csv"));
  return table.find("knn_top1")->back();
}

}  // namespace

TEST_CASE("a class that is missing, empty or more in the test part shifts no label") {
  const TemporaryFolder folder;
  const std::string names[] = {"ant", "bee", "cat", "dog"};
  for (int c = 0; c < 4; ++c) write_class(folder, "set/train/" + names[c], c, 24);
  for (int c = 2; c < 4; ++c) write_class(folder, "set/test/" + names[c], c, 12);  // no ant
  folder.write("set/test/bee/1.webp", "an empty class");
  write_class(folder, "set/test/aardvark", 5, 7);  // first of all, and not in train
  const Outcome trained = run(simclr(folder));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  CHECK_THAT(trained.text, Contains("1 .webp not read; no picture in the classes bee") &&
                               Contains("7 pictures of folder " + folder.path("set/test") + " are left out") &&
                               Contains("has none of their classes (aardvark)") &&
                               Contains("does not have the classes ant"));
  CHECK(last_knn(folder) == 1);
  const std::string file = folder.path("run/summary.json");
  const contrastive::Json summary = contrastive::parse_json(contrastive::read_text(file), file);
  for (const char* score : {"knn_top1", "linear_top1", "few_label_top1", "knn_top1_pixels", "linear_top1_pixels"}) {
    INFO(score);
    CHECK(summary.at(score).get<double>() == Approx(1));  // the last is a mean of ten
  }
  CHECK_THAT(run(companion("knn", folder, "--k 5")).text, Contains("top-1 100.00 %"));
  CHECK_THAT(run(companion("linear_probe", folder)).text,
             Contains("linear probe: 100.00 %; ten labels a class: 100.00 +- 0.00 %"));
  const Outcome tuned = run(companion("finetune", folder, "--linear-only --epochs 60 --lr 0.5"));
  INFO(tuned.text);
  CHECK_THAT(tuned.text, Contains("top-1 100.00 %"));
  // The same pictures of the other set, by the run's encoder.
  CHECK_THAT(run(companion("knn", folder, "--k 5 --data folder --root " + folder.path("set"))).text,
             Contains("top-1 100.00 %"));
}

TEST_CASE("the kNN check on a part of sorted folders estimates the score of the whole") {
  const TemporaryFolder folder;
  const std::string names[] = {"ant", "bee", "cat", "dog"};
  for (int c = 0; c < 4; ++c) write_class(folder, "set/train/" + names[c], c, 200);
  // Half of the test pictures look like the next class: the right score is 50 %, of the first pictures alone 100 %.
  for (int c = 0; c < 2; ++c) write_class(folder, "set/test/" + names[c], c, 150);
  for (int c = 2; c < 4; ++c) write_class(folder, "set/test/" + names[c], 5 - c, 150);
  const Outcome trained = run(simclr(folder, "--eval-limit 400 --no-evaluation"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  // 80 of 600 test pictures: a deviation of sqrt(0.25 / 80 * 520 / 599) = 0.052.
  const double sampled = last_knn(folder);
  CHECK(std::abs(sampled - 0.5) < 3 * 0.053);
  REQUIRE(run(simclr(folder, "--eval-limit 3000 --no-evaluation")).status == 0);
  CHECK(last_knn(folder) == 0.5);  // all of them
  REQUIRE(run(simclr(folder, "--eval-limit 400 --no-evaluation --seed 1")).status == 0);
  CHECK(last_knn(folder) != sampled);
}

TEST_CASE("parts that cannot be told from classes are refused, and a part that holds nothing is left out") {
  const TemporaryFolder folder;
  for (const char* name : {"ant", "bee", "test/ant"}) write_class(folder, std::string("set/") + name, 0, 20);
  check_refused(simclr(folder), 1, "set: test beside other folders with pictures, ant, bee; expected");
  CHECK_FALSE(fs::exists(folder.path("run")));

  const TemporaryFolder empty;
  for (const char* name : {"train/ant", "train/bee"}) write_class(empty, std::string("set/") + name, 0, 20);
  empty.write("set/test/ant/1.webp", "not read");
  const Outcome outcome = run(simclr(empty));
  INFO(outcome.text);
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.text, Contains("no scores: the test part cannot be used: [folder] " + empty.path("set/test") +
                                    ": none of the 1 files here"));
  check_refused(companion("knn", empty), 1, "none of the 1 files here");

  const TemporaryFolder strangers;
  for (const char* name : {"train/ant", "train/bee", "test/cat"})
    write_class(strangers, std::string("set/") + name, 0, 20);
  const Outcome other = run(simclr(strangers));
  INFO(other.text);
  CHECK(other.status == 0);
  CHECK_THAT(other.text, Contains("no kNN checks: the test part cannot be used: [classes]") &&
                             Contains("no scores: the test part cannot be used: [classes]") &&
                             Contains(": cat against ant, bee"));
  check_refused(companion("linear_probe", strangers), 1, ": cat against ant, bee");
}

TEST_CASE("finetune and embed where the first pictures cannot be read") {
  const TemporaryFolder folder;
  const std::string names[] = {"ant", "bee, \"wild\"", "cat"};
  for (const char* part : {"set/train/", "set/test/"}) {
    for (int c = 0; c < 3; ++c) write_class(folder, part + names[c], c, 20);
    for (const char* name : {"ant/0.bmp", "ant/1.bmp", "cat/0.png"}) folder.write(part + std::string(name), "broken");
  }
  REQUIRE(run(simclr(folder, "--no-evaluation --knn-every 0")).status == 0);

  const Outcome tuned = run(companion("finetune", folder, "--linear-only --epochs 60 --lr 0.5"));
  INFO(tuned.text);
  CHECK(tuned.status == 0);
  // The same number of each class: 21 asked of each, 20 there of one.
  CHECK_THAT(tuned.text, Contains("on 62 labels (100 %), 60 epochs: top-1 100.00 %"));

  const Outcome embedded = run(companion("embed", folder, "--out " + folder.path("features.npy")));
  INFO(embedded.text);
  REQUIRE(embedded.status == 0);
  CHECK_THAT(embedded.text, Contains("features of 60 images; " + folder.path("features.rows.csv") + " says which") &&
                                Contains("3 pictures could not be read"));
  std::string expected = "row,picture,class,file\n";
  for (int row = 0; row < 60; ++row) {
    const std::string file =
        folder.path("set/test/") + names[row / 20] + "/" + std::to_string(1000 + row % 20) + ".bmp";
    const int picture = row + (row < 40 ? 2 : 3);  // of the sorted files, broken ones counted
    expected += contrastive::join(row, ",", picture, ",");
    if (row / 20 == 1) {
      std::string quoted = file;
      for (std::size_t at = 0; (at = quoted.find('"', at)) != quoted.npos; at += 2) quoted.insert(at, 1, '"');
      expected += "\"bee, \"\"wild\"\"\",\"" + quoted + "\"\n";
    } else {
      expected += names[row / 20] + "," + file + "\n";
    }
  }
  CHECK(contents(folder.path("features.rows.csv")) == expected);
}

TEST_CASE("names that are not UTF-8 leave valid files, and the companions find the folder again") {
  const TemporaryFolder folder;
  const std::string root = "set\xe9";  // Latin-1
  for (const char* part : {"/train/", "/test/"})
    for (int c = 0; c < 2; ++c) write_class(folder, root + part + (c == 0 ? "caf\xe9" : "th\xe9"), c, 20);
  const std::string command = program("simclr") + " --data folder --root " + folder.path(root) +
                              " --image-size 12 --batch 32 --epochs 1 --threads 2 --out " + folder.path("run");
  const Outcome trained = run(command);
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  for (const char* file : {"report.html", "report_data/pictures.json", "config.json", "summary.json"}) {
    INFO(file);
    CHECK(run("iconv -f UTF-8 -t UTF-16 " + folder.path(std::string("run/") + file) + " >/dev/null").status == 0);
  }
  CHECK_THAT(contents(folder.path("run/report.html")), Contains("caf\xc3\xa9") && Contains("set\xc3\xa9"));
  CHECK_THAT(contents(folder.path("run/report_data/pictures.json")), Contains("\"th\xc3\xa9\""));
  const std::string header = contents(folder.path("run/checkpoint.safetensors")).substr(8);
  folder.write("header.json", header.substr(0, header.find("}}") + 2));
  CHECK(run("iconv -f UTF-8 -t UTF-16 " + folder.path("header.json") + " >/dev/null").status == 0);
  CHECK_THAT(run(companion("knn", folder, "--k 5")).text, Contains("top-1 100.00 %"));
  CHECK_THAT(run(program("simclr") + " --config " + folder.path("run/config.json") + " --no-evaluation --out " +
                 folder.path("again"))
                 .text,
             Contains("40 pictures"));
}
