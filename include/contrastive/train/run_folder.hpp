// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "contrastive/data/files.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/train/settings.hpp"
#include "contrastive/train/trainer.hpp"

namespace contrastive {

/// The folder of a run, while one process works in it.
class RunFolder {
 public:
  /// Makes the folder and locks it for this process. Unless it is to `resume`, an earlier run that the folder holds is
  /// moved into a folder `earlier-N` of it. What is wrong is said with the flag that names the folder.
  RunFolder(const std::string& out, bool resume) : path_(out) {
    try {
      make_folders(out);
    } catch (const Error& error) {
      fail(error.what(), " (--out)");
    }
    lock_ = ::open(out.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // A file system without locks is none of our business.
    if (lock_ >= 0 && ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(lock_);
      fail("[run] ", out, " is in use by another process (--out)");
    }
    if (!resume) set_aside();
  }
  ~RunFolder() {
    if (lock_ >= 0) ::close(lock_);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  void set_aside() const {
    namespace fs = std::filesystem;
    const auto here = [&](const char* name) { return fs::exists(file(name)); };
    if (!here("checkpoint.safetensors") && !here("checkpoint.previous.safetensors") && !here("summary.json")) return;
    std::string aside;
    for (int n = 1; aside.empty() || fs::exists(aside); ++n) aside = file("earlier-" + std::to_string(n));
    make_folders(aside);
    // The checkpoints first: whatever happens meanwhile, they are never resumed from as if they were the new run's.
    for (const char* name : {"checkpoint.safetensors", "checkpoint.previous.safetensors", "best.safetensors",
                             "kept.safetensors", "config.json", "metrics.csv", "events.out.tfevents.contrastive",
                             "summary.json", "report_data", "report.html"}) {
      std::error_code error;
      if (here(name)) fs::rename(file(name), aside + "/" + name, error);
      require(!error, "[run] ", file(name), " of an earlier run cannot be moved to ", aside, ": ", error.message(),
              " (--out)");
    }
    std::printf("%s held an earlier run; it is in %s now\n", path_.c_str(), aside.c_str());
  }

  std::string path_;
  int lock_ = -1;
};

/// The settings of the run in a folder as a file, for --resume; empty when there is none.
inline std::string run_config(const std::string& out) {
  const std::string path = out + "/config.json";
  return ::access(path.c_str(), F_OK) == 0 ? path : std::string();
}

/// Throws unless config.json, where it names a run, names the one that the checkpoint is of.
inline void check_run(const std::string& out, const RunState& state) {
  const std::string config = run_config(out);
  if (config.empty()) return;
  const Json json = parse_json(read_text(config), config);
  const auto run = json.find("run");
  require(run == json.end() || *run == state.run, "[resume] the checkpoint in ", out, " is of another run (", state.run,
          ") than config.json beside it: start in another --out");
}

/// Runs the trainer in the folder `out`, with `resume` from its newest checkpoint where there is one, and says which.
/// config.json is written only after a resume was not refused.
inline TrainResult train_in(const std::string& out, Trainer& trainer, const Settings& s, bool resume) {
  if (resume) {
    if (trainer.resume()) {
      check_run(out, trainer.state());
      std::printf("resuming after step %lld\n", static_cast<long long>(trainer.state().step));
    } else {
      std::printf("no checkpoint in %s yet: starting afresh\n", out.c_str());
    }
    std::fflush(stdout);
  }
  Json config = settings_to_json(s);
  config["run"] = trainer.state().run;
  write_file(out + "/config.json", dump_json(config, 2) + "\n");
  return trainer.run();
}

/// What summary.json, at `file`, says of a run beside its scores. A finished run, resumed for its scores alone, keeps the
/// speed and the memory that the file names.
inline Json run_summary(const Settings& s, const TrainResult& result, const std::string& file) {
  Json summary = Json::object();
  summary["method"] = s.method;
  if (s.images) summary["encoder"] = s.encoder;
  summary["dataset"] = s.data;
  summary["epochs"] = s.epochs;
  summary["loss_final"] = result.loss;
  if (result.images_per_second > 0) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    summary["images_per_second"] = result.images_per_second;
    summary["seconds"] = result.seconds;
    summary["peak_memory_mb"] = static_cast<double>(usage.ru_maxrss) / 1024;
  }
  if (result.effective_rank > 0) summary["effective_rank"] = result.effective_rank;
  if (result.dimensions > 0) summary["embedding_dimensions"] = result.dimensions;
  if (detail::is_file(file)) {
    const Json before = parse_json(read_text(file), file);
    for (const char* name :
         {"images_per_second", "seconds", "peak_memory_mb", "effective_rank", "embedding_dimensions"})
      if (before.contains(name) && !summary.contains(name)) summary[name] = before.at(name);
  }
  return summary;
}

}  // namespace contrastive
