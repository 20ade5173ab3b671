// SPDX-License-Identifier: MIT
#pragma once

#include <sys/resource.h>

#include <cstdio>
#include <string>
#include <utility>

#include "contrastive/data/files.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json_reader.hpp"
#include "contrastive/train/settings.hpp"
#include "contrastive/train/trainer.hpp"

namespace contrastive {

/// Makes the folder of a run. What is wrong with it is said with the flag that names it.
inline void make_run_folder(const std::string& out) {
  try {
    make_folders(out);
  } catch (const Error& error) {
    fail(error.what(), " (--out)");
  }
}

/// Runs the trainer in the folder `out`, with `resume` from its newest checkpoint where there is one, and says which.
/// config.json is written only after a resume was not refused.
inline TrainResult train_in(const std::string& out, Trainer& trainer, const Settings& s, bool resume) {
  if (resume) {
    if (trainer.resume())
      std::printf("resuming after step %lld\n", static_cast<long long>(trainer.state().step));
    else
      std::printf("no checkpoint in %s yet: starting afresh\n", out.c_str());
  }
  write_file(out + "/config.json", settings_to_json(s).dump(2) + "\n");
  return trainer.run();
}

/// What summary.json, at `file`, says of a run beside its scores. A finished run, resumed for its scores alone, keeps the
/// speed and the memory that the file names.
inline Json run_summary(const Settings& s, const TrainResult& result, const std::string& file) {
  Json summary = Json::object();
  for (const auto& [name, value] : {std::pair("method", s.method), {"encoder", s.encoder}, {"dataset", s.data}})
    summary[name] = Json(value);
  summary["epochs"] = Json(s.epochs);
  summary["loss_final"] = Json(result.loss);
  if (result.images_per_second > 0) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    summary["images_per_second"] = Json(result.images_per_second);
    summary["seconds"] = Json(result.seconds);
    summary["peak_memory_mb"] = Json(static_cast<double>(usage.ru_maxrss) / 1024);
    summary["effective_rank"] = Json(result.effective_rank);
  } else if (detail::is_file(file)) {
    const Json before = Json::parse(read_text(file), file);
    for (const char* name : {"images_per_second", "seconds", "peak_memory_mb", "effective_rank"})
      if (const Json* value = before.find(name)) summary[name] = *value;
  }
  summary["embedding_dimensions"] = Json(s.dimension);
  return summary;
}

}  // namespace contrastive
