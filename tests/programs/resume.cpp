// SPDX-License-Identifier: MIT
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "contrastive/core/rng.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"

using namespace programs;

namespace {

/// Starts a command, kills it after `seconds` unless it ended by itself; returns whether it was killed.
bool kill_after(const std::string& command, double seconds, int signal) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::execl("/bin/sh", "sh", "-c", ("exec " + command + " >/dev/null 2>&1 </dev/null").c_str(), nullptr);
    ::_exit(127);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  int status = 0;
  if (::waitpid(child, &status, WNOHANG) == child) return false;
  ::kill(child, signal);
  ::waitpid(child, &status, 0);
  return true;
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
      if (!kill_after(tiny(method, folder / "cut", flags + " --resume"), stream.uniform(0.05, 0.9), SIGKILL)) {
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

TEST_CASE("SIGTERM finishes the step, saves and says so", "[resume]") {
  Folder folder;
  const std::string flags = "--epochs 4 --threads 2";
  const Outcome outcome = run("timeout -s TERM 1.5 " + tiny("simclr", folder / "run", flags));
  if (outcome.text.find("stopped by SIGTERM") == std::string::npos) {
    WARN("the run ended before the signal came");
  } else {
    CHECK(fs::exists(folder.path / "run/checkpoint.safetensors"));
    CHECK_THAT(outcome.text, Contains("continue with --resume"));
  }
  REQUIRE(run(tiny("simclr", folder / "run", flags + " --resume")).status == 0);
  REQUIRE(run(tiny("simclr", folder / "whole", flags)).status == 0);
  CHECK(contents(folder / "run/checkpoint.safetensors") == contents(folder / "whole/checkpoint.safetensors"));
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
