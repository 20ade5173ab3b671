// SPDX-License-Identifier: MIT
#include "contrastive/core/waiting.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "contrastive/core/parallel.hpp"
#include "support/busy.hpp"
#include "support/catch.hpp"

using namespace contrastive;

#if defined(_OPENMP) && defined(__linux__)
TEST_CASE("loops whose threads lack CPUs do not wait for each other by spinning", "[busy]") {
  if (detail::is_set_by_user()) {
    WARN("OMP_WAIT_POLICY, GOMP_SPINCOUNT or KMP_BLOCKTIME is set and decides");
    return;
  }
  const auto cost = [](int threads) {
    return busy::cost(threads, [] {
      parallel_for(8, 1, [](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) busy::compute(20);
      });
    });
  };
  const double one = cost(1), two = cost(2);
  INFO("processor time of a loop, ms: " << one * 1e3 << " with one thread, " << two * 1e3 << " with two");
  CHECK(two < 4 * one);  // about 80 times as much while they spin
}
#endif

#if !defined(__SANITIZE_THREAD__)  // ends a forked child that starts threads
TEST_CASE("a forked child computes after its parent did") {
  const auto sum = [] {
    std::vector<std::int64_t> parts(64);
    parallel_for(64, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) parts[static_cast<std::size_t>(i)] = i;
    });
    std::int64_t total = 0;
    for (const std::int64_t part : parts) total += part;
    return total;
  };
  const int before = threads();
  set_threads(2);
  REQUIRE(sum() == 2016);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    set_threads(2);
    ::_exit(sum() == 2016 ? 7 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
  CHECK(sum() == 2016);
  set_threads(before);
}
#endif
