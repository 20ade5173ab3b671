// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/catch.hpp"

/// Runs the built programs as a user does.
namespace programs {

namespace fs = std::filesystem;

struct Outcome {
  int status = -1;
  std::string text;  // stdout and stderr
};

inline std::string program(const std::string& name) { return CONTRASTIVE_EXAMPLES_DIR "/" + name; }

inline Outcome run(const std::string& command) {
  Outcome outcome;
  std::FILE* pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "r");
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.text.append(buffer, got);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

/// A folder that goes away at the end.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "contrastive-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }
  std::string operator/(const std::string& inner) const { return (path / inner).string(); }
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One sentence that names `what`, and that status; never a crash.
inline void check_refused(const std::string& command, int status, const std::string& what) {
  const Outcome outcome = run(command);
  INFO(command << "\n" << outcome.text);
  CHECK(outcome.status == status);
  CHECK_THAT(outcome.text, Contains(what));
  CHECK(outcome.text.find("terminate called") == std::string::npos);
}

/// A trainer on small procedural pictures: seconds, no files.
inline std::string tiny(const std::string& method, const std::string& out, const std::string& more = "") {
  const bool queue = method == "moco_v1" || method == "moco_v2" || method == "nnclr" || method == "swav";
  return program(method) + " --data shapes --image-size 12 --batch 128 --epochs 1 --knn-every 0 --no-evaluation" +
         (queue ? " --queue 512" : "") + " --out " + out + " " + more;
}

}  // namespace programs
