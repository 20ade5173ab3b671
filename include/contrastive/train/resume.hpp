// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

#include "contrastive/core/rng.hpp"
#include "contrastive/train/settings.hpp"

/// What makes a run the same run when it is resumed.
namespace contrastive {

namespace detail {

/// Settings that may be others when a run is resumed: `epochs` by the rule in docs/training.md; those that say where and
/// how it is computed; those of saving and checking.
inline bool may_change(std::string_view setting) {
  constexpr std::string_view free[] = {"epochs", "root",       "threads",   "device",    "deterministic",
                                       "strict", "save-every", "knn-every", "eval-limit"};
  return std::find(std::begin(free), std::end(free), setting) != std::end(free);
}

}  // namespace detail

/// The name of a run: 16 hexadecimal digits made of its settings at the start and the number of its training pictures.
/// Equal runs have equal names. Left out is what does not change what is learned (threads, folders, checks) and the
/// number of epochs.
inline std::string run_name(const Settings& settings, std::int64_t samples) {
  Rng name = Rng(0) / "run" / static_cast<std::uint64_t>(samples);
  const Json all = settings_to_json(settings);
  for (const Json::Member& one : all.as_object())
    if (!detail::may_change(one.name)) name = name / one.name / one.value.dump();
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(name.key()));
  return text;
}

/// Throws unless a run with the settings `was` may be resumed with those of `now`; the sentence names each difference.
inline void check_resumable(const Settings& was, const Settings& now, const std::string& path) {
  const auto text = [](const Json& value) { return value.is_string() ? value.as_string() : value.dump(); };
  std::string before, after;
  const Json left = settings_to_json(was), right = settings_to_json(now);
  for (const Json::Member& one : left.as_object()) {
    const std::string then = text(one.value), wanted = text(right.at(one.name));
    if (then == wanted || detail::may_change(one.name)) continue;
    const char* comma = before.empty() ? "" : ", ";
    before += join(comma, one.name == "method" ? "" : "--", one.name, " ", then);
    after += join(comma, one.name == "method" ? "" : "--", one.name, " ", wanted);
  }
  require(before.empty(), "[resume] ", path, " is of a run with ", before, "; this one has ", after,
          ": --resume without these flags goes on with the run's own settings, another --out starts another run");
}

}  // namespace contrastive
