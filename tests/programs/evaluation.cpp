// SPDX-License-Identifier: MIT
//
// Evaluation never costs training: what cannot be evaluated is said and left out.

#include <vector>

#include "contrastive/core/rng.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"

using namespace programs;

namespace {

/// Pictures of one colour a class, with noise, as STL-10's binary files hold them.
void write_stl10(const fs::path& root) {
  fs::create_directories(root);
  const auto part = [&](const std::string& name, int count, bool labels) {
    std::ofstream pictures(root / (name + "_X.bin"), std::ios::binary), classes;
    if (labels) classes.open(root / (name + "_y.bin"), std::ios::binary);
    contrastive::Stream stream(contrastive::Rng(0) / name);
    for (int i = 0; i < count; ++i) {
      const int label = i % 10;
      std::string planes(3 * 96 * 96, '\0');
      for (std::size_t k = 0; k < planes.size(); ++k)
        planes[k] = static_cast<char>(20 + 20 * ((label + 3 * (k / (96 * 96))) % 10) + stream.below(20));
      pictures << planes;
      if (labels) classes << static_cast<char>(label + 1);
    }
  };
  part("unlabeled", 128, false);
  part("train", 60, true);
  part("test", 40, true);
}

void copy_pictures(const fs::path& to, const std::vector<std::string>& names, int times = 1) {
  fs::create_directories(to);
  for (const std::string& name : names)
    for (int i = 0; i < times; ++i)
      fs::copy(fs::path(CONTRASTIVE_GOLDEN_DIR) / "decode" / name, to / (std::to_string(i) + name));
}

const std::vector<std::string> readable{"rgb.png", "grey16.png", "palette.png", "exif6.jpg"};

std::string simclr(const std::string& root, const std::string& out, const std::string& more = "") {
  return program("simclr") + " --data folder --root " + root + " --image-size 12 --batch 8 --epochs 2 --out " + out +
         " " + more;
}

}  // namespace

TEST_CASE("STL-10: trained on the unlabelled pictures, evaluated with the labelled ones") {
  Folder folder;
  write_stl10(folder.path / "stl10");
  const std::string out = folder / "run";
  const Outcome outcome = run(program("simclr") + " --data stl10 --root " + (folder / "stl10") +
                              " --image-size 16 --batch 32 --epochs 2 --out " + out);
  INFO(outcome.text);
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.text, Contains("stl10 unlabeled: 128 pictures") && Contains("kNN"));
  CHECK_THAT(contents(out + "/summary.json"), Contains("\"knn_top1\": 1.0") || Contains("\"knn_top1\": 1,"));
  const Outcome knn = run(program("knn") + " " + out + " --k 3");
  INFO(knn.text);
  CHECK(knn.status == 0);
  CHECK_THAT(knn.text, Contains("top-1 100.00 %"));
}

TEST_CASE("a training part without labels beside a test part with labels trains, and says what is left out") {
  Folder folder;
  copy_pictures(folder.path / "set/train", readable, 4);
  for (const char* label : {"a", "b"}) copy_pictures(folder.path / "set/test" / label, readable);
  const std::string out = folder / "run";
  const Outcome outcome = run(simclr(folder / "set", out));
  INFO(outcome.text);
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.text, Contains("no kNN checks: evaluation needs labels") &&
                               Contains("no scores: evaluation needs labels") && Contains("set/train has none"));
  CHECK(fs::exists(out + "/report.html"));
  CHECK_THAT(contents(out + "/summary.json"), Contains("loss_final"));
  // Without the checks it trains as well.
  CHECK(run(simclr(folder / "set", out, "--knn-every 0")).status == 0);
}

TEST_CASE("a check that fails is reported; the run goes on and is saved") {
  Folder folder;
  for (const char* label : {"a", "b"}) {
    copy_pictures(folder.path / "set/train" / label, readable, 4);
    copy_pictures(folder.path / "set/test" / label, {"truncated.png"});
  }
  const std::string out = folder / "run";
  const Outcome outcome = run(simclr(folder / "set", out));
  INFO(outcome.text);
  CHECK_THAT(outcome.text, Contains("the check of epoch 1 failed, training goes on: [evaluate]") &&
                               Contains("the check of epoch 2 failed") && Contains("no further scores: [evaluate]"));
  CHECK(outcome.status == 1);
  for (const char* file : {"/checkpoint.safetensors", "/summary.json", "/report.html"}) CHECK(fs::exists(out + file));
  // The training is the one that a run without checks does.
  REQUIRE(run(simclr(folder / "set", folder / "without", "--knn-every 0 --no-evaluation")).status == 0);
  const std::string with = contents(out + "/checkpoint.safetensors"),
                    without = contents(folder / "without/checkpoint.safetensors");
  CHECK(with.substr(with.size() / 2) == without.substr(without.size() - (with.size() - with.size() / 2)));
}
