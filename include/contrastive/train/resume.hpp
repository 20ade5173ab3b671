// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

#include "contrastive/core/rng.hpp"
#include "contrastive/io/metrics.hpp"
#include "contrastive/train/settings.hpp"

/// What makes a run the same run when it is resumed.
namespace contrastive {

namespace detail {

/// Settings that may be others when a run is resumed: `epochs` by the rule in docs/training.md; those that say where and
/// how it is computed; those of saving and checking.
inline bool may_change(std::string_view setting) {
  constexpr std::string_view free[] = {"epochs", "root",       "threads",      "device",    "deterministic",
                                       "strict", "save-every", "save-minutes", "knn-every", "eval-limit"};
  return std::find(std::begin(free), std::end(free), setting) != std::end(free);
}

/// The value of a setting, for sentences and for the name of a run: 1 and not JSON's 1.0.
inline std::string in_words(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? shortest(value.get<double>()) : dump_json(value);
}

}  // namespace detail

/// The name of a run: 16 hexadecimal digits made of its settings at the start and the number of its training pictures.
/// Equal runs have equal names. Left out is what does not change what is learned (threads, folders, checks) and the
/// number of epochs.
inline std::string run_name(const Settings& settings, std::int64_t samples) {
  Rng name = Rng(0) / "run" / static_cast<std::uint64_t>(samples);
  const Json all = settings_to_json(settings);
  for (const auto& [setting, value] : all.items())
    if (!detail::may_change(setting))
      name = name / setting / (value.is_string() ? dump_json(value) : detail::in_words(value));
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(name.key()));
  return text;
}

/// Throws unless a run with the settings `was` may be resumed with those of `now`; the sentence names each difference.
inline void check_resumable(const Settings& was, const Settings& now, const std::string& path) {
  std::string before, after;
  const Json left = settings_to_json(was), right = settings_to_json(now);
  for (const auto& [name, value] : left.items()) {
    const std::string then = detail::in_words(value), wanted = detail::in_words(right.at(name));
    if (then == wanted || detail::may_change(name)) continue;
    const char* comma = before.empty() ? "" : ", ";
    before += join(comma, name == "method" ? "" : "--", name, " ", then);
    after += join(comma, name == "method" ? "" : "--", name, " ", wanted);
  }
  require(before.empty(), "[resume] ", path, " is of a run with ", before, "; this one has ", after,
          ": --resume without these flags goes on with the run's own settings, another --out starts another run");
}

}  // namespace contrastive
