// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "contrastive/eval/spectrum.hpp"
#include "support/catch.hpp"

/// For tests that train. What a training ends with is a number with a scatter: another seed, instruction set or number of
/// threads gives another. A bound that such a test states has to stand at least three deviations away, and has a reason
/// of its own (chance, what the control comes to, a proven limit). `tests/sweep.sh` measures the scatter; the test cases
/// that it runs are tagged [learns].

/// `base`; with CONTRASTIVE_TEST_SEED=k in the environment the k-th number after it. Seed all that a test of learning
/// draws by this.
inline std::uint64_t seeded(std::uint64_t base) {
  static const char* const text = std::getenv("CONTRASTIVE_TEST_SEED");
  return base + 1000003 * (text ? std::strtoull(text, nullptr, 10) : 0);
}

namespace learning {

/// A line of CONTRASTIVE_TEST_RECORD, where that names a file: what, above or below, value, bound.
inline void record(const std::string& what, const char* side, double value, double bound) {
  static const char* const path = std::getenv("CONTRASTIVE_TEST_RECORD");
  if (path == nullptr) return;
  std::FILE* const file = std::fopen(path, "a");
  REQUIRE(file != nullptr);
  std::fprintf(file, "%s\t%s\t%.9g\t%.9g\n", what.c_str(), side, value, bound);
  std::fclose(file);
}

}  // namespace learning

/// CHECK(value > bound) of something that was learned. `what` names it, once in all tests.
inline void check_above(const std::string& what, double value, double bound) {
  learning::record(what, "above", value, bound);
  INFO(what);
  CHECK(value > bound);
}

/// CHECK(value < bound) of something that was learned.
inline void check_below(const std::string& what, double value, double bound) {
  learning::record(what, "below", value, bound);
  INFO(what);
  CHECK(value < bound);
}

/// The watch has nothing to complain of.
inline void check_healthy(const std::string& what, const contrastive::CollapseWatch& watch) {
  check_above(what + ": spread", watch.spread, watch.low_spread);
  check_above(what + ": rank", watch.rank, watch.low_rank);
}
inline void check_healthy(const std::string& what, const contrastive::OutputWatch& watch) {
  check_above(what + ": information", watch.information(), watch.low_information);
}

/// The watch complains: of a point or of a line, whichever is nearer.
inline void check_collapsed(const std::string& what, const contrastive::CollapseWatch& watch) {
  check_below(what + ": spread or rank, over its limit",
              std::min(watch.spread / watch.low_spread, watch.rank / watch.low_rank), 1);
}
inline void check_collapsed(const std::string& what, const contrastive::OutputWatch& watch) {
  check_below(what + ": information", watch.information(), watch.low_information);
}
