// SPDX-License-Identifier: MIT
#pragma once

#include <sys/resource.h>

#include <string>
#include <utility>

#include "contrastive/data/files.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json_reader.hpp"
#include "contrastive/train/settings.hpp"
#include "contrastive/train/trainer.hpp"

namespace contrastive {

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
