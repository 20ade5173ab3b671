// SPDX-License-Identifier: MIT

// CPC on raw audio: the program on voices that it draws, and on a folder.

#include "contrastive/data/voices.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/kernels/cuda.hpp"
#include "programs/support.hpp"
#include "support/wav.hpp"

using namespace programs;

namespace {

std::string tiny_audio(const std::string& out, const std::string& more = "") {
  return program("cpc_audio") +
         " --window 2048 --predictions 3 --channels 16 --context 8 --batch 64 --epochs 1 --threads 2 --out " + out +
         " " + more;
}

/// The voices as WAV files, a folder for each of two speakers.
void write_voices(const fs::path& folder, std::size_t count) {
  const contrastive::Voices voices(count, 2, 0, "train", 3000);
  for (std::size_t i = 0; i < count; ++i) {
    const fs::path path = folder / voices.class_names()[static_cast<std::size_t>(voices.label(i))];
    fs::create_directories(path);
    std::ofstream(path / (std::to_string(i) + ".wav"), std::ios::binary) << wav_file(samples_of(voices.sound(i)));
  }
}

}  // namespace

TEST_CASE("cpc_audio: wrong usage is status 2 and one sentence") {
  Folder folder;
  const std::string audio = tiny_audio(folder / "run");
  check_refused(audio + "--data cifar10", 2, "--data must be voices or folder, got cifar10");
  check_refused(audio + "--window 600", 2, "--window must be at least 639 samples for 3 --predictions ahead");
  check_refused(audio + "--predictions 20", 2, "samples for 20 --predictions ahead, one every 160 samples, got 2048");
  check_refused(audio + "--predictions 0", 2, "--predictions");
  check_refused(audio + "--channels 0", 2, "--channels");
  check_refused(audio + "--negatives -1", 2, "--negatives");
  check_refused(audio + "--lr 0", 2, "--lr");
  check_refused(audio + "--batch 1", 2, "--batch");
  check_refused(audio + "--batch 1025", 2, "--batch 1025 is larger than voices train with its 1024 recordings");
  check_refused(audio + "--image-size 8", 2, "--image-size");
  check_refused(audio + "--device gpu", 2, "--device must be one of cpu, cuda, got gpu");
  if (!contrastive::cuda_available()) check_refused(audio + "--device cuda", 1, "[cuda]");
  check_refused(audio + "--data folder", 1, "--root is missing");
  check_refused(audio + "--data folder --root " + (folder / "none"), 1, folder / "none");
  CHECK_FALSE(fs::exists(folder.path / "run"));
  CHECK(run(program("cpc_audio") + " --help").status == 0);
}

TEST_CASE("cpc_audio killed at any instant ends with the bits of an undisturbed run", "[resume]") {
  Folder folder;
  const std::string flags = "--epochs 2 --save-every 3 --no-evaluation";
  REQUIRE(run(tiny_audio(folder / "whole", flags)).status == 0);
  int kills = 0;
  for (const char* seconds : {"0.3", "0.6", "1.1"})
    kills +=
        run("timeout -s KILL " + std::string(seconds) + " " + tiny_audio(folder / "cut", flags + " --resume")).status ==
        128 + 9;
  CHECK(kills > 0);
  const Outcome outcome = run(tiny_audio(folder / "cut", flags + " --resume"));
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  CHECK_THAT(outcome.text, Contains("resuming after step"));
  const std::string bits = contents(folder / "cut/checkpoint.safetensors");
  CHECK(bits == contents(folder / "whole/checkpoint.safetensors"));

  const std::string again = flags + " --resume ";
  check_refused(tiny_audio(folder / "cut", again + "--window 4096"), 1, "--window 2048; this one has --window 4096");
  check_refused(tiny_audio(folder / "cut", again + "--negatives 7"), 1, "--negatives 0; this one has --negatives 7");
  check_refused(tiny_audio(folder / "cut", again + "--context 16"), 1, "--context 8; this one has --context 16");
  check_refused(tiny_audio(folder / "cut", again + "--channels 8"), 1, "--channels 16; this one has --channels 8");
  check_refused(tiny_audio(folder / "cut", again + "--predictions 2"), 1,
                "--predictions 3; this one has --predictions 2");
  check_refused(tiny_audio(folder / "cut", again + "--batch 32"), 1, "--batch 64; this one has --batch 32");
  CHECK(contents(folder / "cut/checkpoint.safetensors") == bits);
}

TEST_CASE("cpc_audio scores context and features, trained and not, and leaves a report") {
  using namespace contrastive;
  Folder folder;
  const Outcome outcome = run(tiny_audio(folder / "run"));
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  for (const char* row : {"trained encoder", "trained features", "untrained encoder", "untrained features"})
    CHECK_THAT(outcome.text, Contains(row));
  const std::string file = folder / "run/summary.json";
  const Json summary = parse_json(read_text(file), file);
  for (const char* name : {"knn_top1", "linear_top1_random_init", "linear_top1_features",
                           "knn_top1_features_random_init", "few_label_top1", "loss_final"})
    CHECK(summary.contains(name));
  CHECK(fs::file_size(folder.path / "run/report.html") > 0);
  CHECK(fs::file_size(folder.path / "run/metrics.csv") > 0);
}

#if defined(CONTRASTIVE_WITH_SNDFILE)
TEST_CASE("cpc_audio trains on a folder of recordings") {
  Folder folder;
  write_voices(folder.path / "all", 40);
  const std::string flags = " --batch 8 --data folder --root ";
  const Outcome split = run(tiny_audio(folder / "split", flags + (folder / "all")));
  INFO(split.text);
  CHECK(split.status == 0);
  CHECK_THAT(split.text, Contains("32 recordings") && Contains("trained encoder"));
  check_refused(tiny_audio(folder / "split", flags + (folder / "all") + " --batch 33"), 2, "its 32 recordings");

  fs::create_directories(folder.path / "parts");
  fs::rename(folder.path / "all", folder.path / "parts/train");
  write_voices(folder.path / "parts/test", 6);
  const Outcome parts = run(tiny_audio(folder / "parts-run", flags + (folder / "parts")));
  INFO(parts.text);
  CHECK(parts.status == 0);
  CHECK_THAT(parts.text, Contains("40 recordings") && Contains("untrained encoder"));

  fs::rename(folder.path / "parts/test/speaker 1", folder.path / "parts/test/speaker 7");
  const Outcome one = run(tiny_audio(folder / "one", flags + (folder / "parts")));
  INFO(one.text);
  CHECK(one.status == 0);
  CHECK_THAT(one.text, Contains("has none of their classes (speaker 7)") && Contains("trained encoder"));
  fs::rename(folder.path / "parts/test/speaker 0", folder.path / "parts/test/speaker 8");
  const Outcome none = run(tiny_audio(folder / "none", flags + (folder / "parts")));
  INFO(none.text);
  CHECK(none.status == 0);
  CHECK_THAT(none.text, Contains("no scores: the test part cannot be used: [classes]") &&
                            Contains("speaker 7, speaker 8 against speaker 0, speaker 1"));
  fs::rename(folder.path / "parts/train", folder.path / "parts/speaker 5");
  check_refused(tiny_audio(folder / "mixed", flags + (folder / "parts")), 1,
                "parts: test beside other folders with recordings, speaker 5; expected");
}
#endif
