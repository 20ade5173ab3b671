// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "contrastive/core/rng.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"

using namespace programs;

namespace {

/// Starts a command, waits for a moment and sends a signal. The exit status (128 and the signal where that ended it); -1
/// when it had ended before.
int status_at(const std::string& command, const std::function<void()>& moment, int signal) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::execl("/bin/sh", "sh", "-c", ("exec " + command + " >/dev/null 2>&1 </dev/null").c_str(), nullptr);
    ::_exit(127);
  }
  moment();
  int status = 0;
  if (::waitpid(child, &status, WNOHANG) == child) return -1;
  ::kill(child, signal);
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// Pictures of 8 x 8 in one class.
void write_noise(const fs::path& root, int count) {
  fs::create_directories(root / "noise");
  contrastive::Stream stream(contrastive::Rng(13));
  for (int i = 0; i < count; ++i) {
    std::string file("BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0", 30);
    file.resize(54, '\0');
    while (file.size() < 54 + 8 * 8 * 3) file += static_cast<char>(stream.below(256));
    std::ofstream(root / "noise" / (std::to_string(i) + ".bmp"), std::ios::binary) << file;
  }
}

int status_after(const std::string& command, double seconds, int signal) {
  return status_at(
      command, [=] { sleep_for(seconds); }, signal);
}

}  // namespace

TEST_CASE("a run killed at random instants ends with the bits of an undisturbed one", "[resume]") {
  for (const std::string method : {"simclr", "moco_v2"}) {
    Folder folder;
    const std::string flags = "--epochs 2 --save-every 2 --threads 2 --seed 7";
    REQUIRE(run(tiny(method, folder / "whole", flags)).status == 0);
    const std::string wanted = contents(folder / "whole/checkpoint.safetensors");
    REQUIRE(!wanted.empty());

    contrastive::Stream stream(contrastive::Rng(11) / method);
    int kills = 0;
    const int target = method == "simclr" ? 20 : 6;
    for (int attempt = 0; attempt < 60 && kills < target; ++attempt) {
      if (status_after(tiny(method, folder / "cut", flags + " --resume"), stream.uniform(0.05, 0.9), SIGKILL) < 0) {
        // It reached the end: what it left must be right; then start over for the remaining kills.
        CHECK(contents(folder / "cut/checkpoint.safetensors") == wanted);
        fs::remove_all(folder.path / "cut");
      } else {
        ++kills;
      }
    }
    CHECK(kills == target);
    REQUIRE(run(tiny(method, folder / "cut", flags + " --resume")).status == 0);
    CHECK(contents(folder / "cut/checkpoint.safetensors") == wanted);
  }
}

// oneDNN's generated products keep the stack pointer in heap memory; vit_micro spends a fifth of its time in them.
TEST_CASE("a signal at any moment: the step is finished and saved, and the resumed run ends with the same bits",
          "[resume]") {
  contrastive::Stream stream(contrastive::Rng(12));
  Folder folder;
  write_noise(folder.path / "noise", 256);
  for (const std::string encoder : {"vit_micro", "small"}) {
    const auto train = [&](const std::string& out) {
      return program("simclr") + " --data folder --root " + (folder / "noise") +
             " --image-size 16 --batch 64 --threads 2 --knn-every 0 --no-evaluation --encoder " + encoder +
             " --epochs " + (encoder == "small" ? "15" : "4") + " --out " + out;
    };
    const std::string whole = folder / (encoder + "/whole");
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(run(train(whole)).status == 0);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::string wanted = contents(whole + "/checkpoint.safetensors");
    int stopped = 0;
    for (int attempt = 0; attempt < 12; ++attempt) {
      const int signal = attempt % 2 ? SIGTERM : SIGINT;
      const std::string out = folder / (encoder + "/" + std::to_string(attempt));
      // In training: before it a signal simply ends the program.
      const auto moment = [&] {
        for (int tries = 0; tries < 6000 && !fs::exists(out + "/metrics.csv"); ++tries) sleep_for(0.01);
        sleep_for(seconds * stream.uniform(0, 0.5));
      };
      const int status = status_at(train(out), moment, signal);
      if (status < 0) continue;  // the machine was quicker than before
      ++stopped;
      CHECK(status == 128 + signal);
      REQUIRE(fs::exists(out + "/checkpoint.safetensors"));
      if (attempt % 4 > 1) continue;
      const Outcome resumed = run(program("simclr") + " --resume --no-evaluation --out " + out);
      INFO(resumed.text);
      REQUIRE(resumed.status == 0);
      CHECK((contents(out + "/checkpoint.safetensors") == wanted));
    }
    CHECK(stopped > 6);
  }
}

TEST_CASE("a signal in the evaluation is honoured, and --resume evaluates", "[resume]") {
  Folder folder;
  // Nine steps, then an evaluation of seconds.
  const std::string flags = " --data shapes --image-size 32 --batch 512 --encoder vit_micro --epochs 1 --knn-every 0 ";
  const std::string train = program("simclr") + flags + "--out " + (folder / "run");
  const auto saved = [&] {
    for (int tries = 0; tries < 6000 && !fs::exists(folder / "run/checkpoint.safetensors"); ++tries) sleep_for(0.01);
    sleep_for(0.3);
  };
  const int status = status_at(train, saved, SIGINT);
  CHECK(status == 130);
  CHECK(!fs::exists(folder / "run/summary.json"));
  const Outcome resumed = run(program("simclr") + " --resume --out " + (folder / "run"));
  INFO(resumed.text);
  CHECK(resumed.status == 0);
  CHECK(fs::exists(folder / "run/summary.json"));
}

TEST_CASE("a run knows its own checkpoints", "[resume]") {
  Folder folder;
  const std::string out = folder / "run";
  REQUIRE(run(tiny("simclr", out, "--seed 1")).status == 0);
  const std::string first = contents(out + "/checkpoint.safetensors");

  SECTION("another run in the same folder moves it aside, and never goes on from it") {
    fs::remove(out + "/config.json");
    const auto begun = [&] {
      for (int tries = 0; tries < 3000 && !fs::exists(out + "/config.json"); ++tries) sleep_for(0.01);
    };
    REQUIRE(status_at(tiny("simclr", out, "--seed 2 --epochs 50"), begun, SIGKILL) == 128 + SIGKILL);
    REQUIRE(!fs::exists(out + "/checkpoint.safetensors"));  // killed before its first one
    const Outcome other = run(tiny("simclr", out, "--seed 2 --resume"));
    INFO(other.text);
    CHECK(other.status == 0);
    CHECK_THAT(other.text, Contains("no checkpoint in") && Contains("starting afresh"));
    CHECK((contents(out + "/earlier-1/checkpoint.safetensors") == first));
    CHECK((contents(out + "/checkpoint.safetensors") != first));
  }
  SECTION("a checkpoint of another run beside the settings is not resumed from") {
    REQUIRE(run(tiny("simclr", folder / "other", "--temperature 0.3")).status == 0);
    fs::copy_file(folder.path / "other/config.json", folder.path / "run/config.json",
                  fs::copy_options::overwrite_existing);
    check_refused(program("simclr") + " --resume --out " + out, 1,
                  "--temperature 0.2, --seed 1; this one has --temperature 0.3, --seed 0");
    // Settings that are the same, of a run that is another.
    const std::string config = contents(folder / "other/config.json");
    const std::size_t name = config.find("\"run\": \"") + 8;
    std::ofstream(out + "/config.json") << config.substr(0, name) << "0123456789abcdef" << config.substr(name + 16);
    fs::copy_file(folder.path / "other/checkpoint.safetensors", out + "/checkpoint.safetensors",
                  fs::copy_options::overwrite_existing);
    check_refused(program("simclr") + " --resume --out " + out, 1, "is of another run (" + config.substr(name, 16));
  }
  SECTION("other settings are refused by name; none given are the run's own") {
    check_refused(program("simclr") + " --resume --lr 0.7 --batch 64 --out " + out, 1,
                  "is of a run with --batch 128, --lr 0.1; this one has --batch 64, --lr 0.7");
    check_refused(program("byol") + " --resume --out " + out, 2, "simclr");
    CHECK(run(program("simclr") + " --resume --no-evaluation --threads 1 --out " + out).status == 0);
    CHECK((contents(out + "/checkpoint.safetensors") == first));
  }
  SECTION("more epochs go on, fewer than were done are refused") {
    const Outcome more = run(program("simclr") + " --resume --no-evaluation --epochs 2 --out " + out);
    INFO(more.text);
    CHECK(more.status == 0);
    CHECK_THAT(more.text, Contains("epoch 2/2"));
    check_refused(program("simclr") + " --resume --no-evaluation --epochs 1 --out " + out, 1,
                  "2 epochs into its run, --epochs 1 asks for fewer");
  }
  SECTION("two processes do not work in one folder") {
    const int other = ::open(out.c_str(), O_RDONLY | O_DIRECTORY);
    REQUIRE(::flock(other, LOCK_EX) == 0);
    check_refused(tiny("simclr", out), 1, "is in use by another process");
    ::close(other);
    CHECK((contents(out + "/checkpoint.safetensors") == first));
  }
}

TEST_CASE("the same seed gives the same bits, in deterministic mode for any number of threads", "[resume]") {
  Folder folder;
  const auto final_bits = [&](const std::string& method, const std::string& name, const std::string& flags) {
    const Outcome outcome = run(tiny(method, folder / name, flags));
    INFO(outcome.text);
    REQUIRE(outcome.status == 0);
    std::string bits = contents(folder / (name + "/checkpoint.safetensors"));
    // The settings in the header name the threads; compare what follows it.
    std::uint64_t header = 0;
    std::memcpy(&header, bits.data(), sizeof header);
    return bits.substr(8 + header);
  };
  CHECK(final_bits("simclr", "a", "--threads 2") == final_bits("simclr", "b", "--threads 2"));
  CHECK(final_bits("simclr", "c", "--threads 2 --seed 1") != final_bits("simclr", "d", "--threads 2 --seed 2"));
  for (const std::string method : {"simclr", "byol"}) {
    const std::string one = final_bits(method, method + "1", "--deterministic --threads 1");
    CHECK(one == final_bits(method, method + "2", "--deterministic --threads 2"));
    CHECK(one == final_bits(method, method + "3", "--deterministic --threads 3"));
  }
}
