// SPDX-License-Identifier: MIT

// The index arithmetic of the CUDA kernels, on the host: no device is needed.

#include <array>
#include <vector>

#include "contrastive/kernels/cuda/index.cuh"
#include "support/catch.hpp"

using namespace contrastive;
using namespace contrastive::cuda;

namespace {

/// Offset in an array of shape `x`, broadcast to the place `index` of `y`, told axis by axis.
std::int64_t slow_broadcast(const Shape& x, const Shape& y, std::int64_t index) {
  std::int64_t at = 0, step = 1;
  for (int back = 1; back <= y.rank; ++back) {
    const std::int64_t place = index % y[-back];
    index /= y[-back];
    if (back > x.rank) continue;
    if (x[-back] != 1) at += place * step;
    step *= x[-back];
  }
  return at;
}

}  // namespace

TEST_CASE("a broadcast plan finds both operands, with as few axes as it can") {
  struct Case {
    Shape a, b, y;
    int rank;
  };
  const std::vector<Case> cases = {
      {{4, 5}, {4, 5}, {4, 5}, 1}, {{4, 5}, {5}, {4, 5}, 2},
      {{4, 5}, {}, {4, 5}, 1},     {{2, 3, 4, 5}, {4, 1}, {2, 3, 4, 5}, 3},
      {{7, 1}, {1, 3}, {7, 3}, 2}, {{2, 1, 3, 1, 5, 1}, {1, 4, 1, 2, 1, 3}, {2, 4, 3, 2, 5, 3}, 6},
      {{1, 1}, {1}, {1, 1}, 0},
  };
  for (const Case& c : cases) {
    const Odometer<2> plan = broadcast_plan(c.a, c.b, c.y);
    CHECK(plan.rank == c.rank);
    CHECK(plan.count() == c.y.count());
    bool same = true;
    for (std::int64_t i = 0; i < c.y.count(); ++i) {
      std::int64_t at[2], wide[2];
      plan.offsets(i, at);
      plan.offsets(static_cast<std::uint64_t>(i), plan.rank, wide);
      same = same && at[0] == slow_broadcast(c.a, c.y, i) && at[1] == slow_broadcast(c.b, c.y, i);
      same = same && wide[0] == at[0] && wide[1] == at[1];
    }
    CHECK(same);
  }
}

TEST_CASE("a permute plan joins axes that stay together") {
  const Shape x{2, 3, 4, 5};
  CHECK(permute_plan(x, std::array<int, 6>{0, 1, 2, 3}).rank == 1);
  CHECK(permute_plan(x, std::array<int, 6>{0, 2, 3, 1}).rank == 3);
  const std::array<int, 6> axes{2, 0, 3, 1};
  const Odometer<1> plan = permute_plan(x, axes);
  std::int64_t i = 0;
  bool same = true;
  for (std::int64_t c = 0; c < 4; ++c)
    for (std::int64_t a = 0; a < 2; ++a)
      for (std::int64_t d = 0; d < 5; ++d)
        for (std::int64_t b = 0; b < 3; ++b) {
          std::int64_t at[1];
          plan.offsets(i++, at);
          same = same && at[0] == ((a * 3 + b) * 4 + c) * 5 + d;
        }
  CHECK(same);
}

TEST_CASE("a sum is seen as three axes where that is possible, and as scattered ones elsewhere") {
  std::int64_t sizes[3];
  REQUIRE(as_three_axes({6, 7}, {1, 7}, sizes));
  CHECK((sizes[0] == 1 && sizes[1] == 6 && sizes[2] == 7));
  REQUIRE(as_three_axes({2, 3, 4, 5}, {2, 1, 1, 5}, sizes));
  CHECK((sizes[0] == 2 && sizes[1] == 12 && sizes[2] == 5));
  REQUIRE(as_three_axes({2, 3, 4}, {}, sizes));
  CHECK((sizes[0] == 1 && sizes[1] == 24 && sizes[2] == 1));
  REQUIRE(as_three_axes({2, 3, 4}, {2, 3, 4}, sizes));
  CHECK(sizes[1] == 1);
  CHECK_FALSE(as_three_axes({2, 3, 4}, {1, 3, 1}, sizes));

  const SumPlan plan({2, 3, 4}, {1, 3, 1});
  CHECK(plan.kept.count() == 3);
  CHECK(plan.taken.count() == 8);
  std::vector<int> seen(24, 0);
  for (std::int64_t k = 0; k < 3; ++k)
    for (std::int64_t t = 0; t < 8; ++t) {
      std::int64_t a[1], b[1];
      plan.kept.offsets(k, a);
      plan.taken.offsets(t, b);
      CHECK((a[0] + b[0]) / 4 % 3 == k);
      ++seen[static_cast<std::size_t>(a[0] + b[0])];
    }
  CHECK(seen == std::vector<int>(24, 1));
}

TEST_CASE("the windows that cover an input place are those that a search finds") {
  for (int kernel = 1; kernel <= 4; ++kernel)
    for (int stride = 1; stride <= 4; ++stride)
      for (int padding = 0; padding < kernel; ++padding)
        for (std::int64_t size = 1; size <= 11; ++size) {
          if (size + 2 * padding < kernel) continue;
          const std::int64_t windows = (size + 2 * padding - kernel) / stride + 1;
          for (std::int64_t i = 0; i < size; ++i) {
            std::vector<std::int64_t> found, wanted;
            const WindowRange range(i, kernel, stride, padding, windows);
            for (std::int64_t o = range.first; o <= range.last; ++o) found.push_back(o);
            for (std::int64_t o = 0; o < windows; ++o)
              if (const std::int64_t place = i + padding - o * stride; place >= 0 && place < kernel)
                wanted.push_back(o);
            REQUIRE(found == wanted);
          }
        }
}

TEST_CASE("chunks cover all items, and there are not too many") {
  for (std::int64_t n : {0, 1, 127, 128, 129, 5000, 65536, 65537, 10000019}) {
    const Chunks chunks(n, 128, 512);
    CHECK(chunks.count <= 512);
    CHECK(chunks.count * chunks.size >= n);
    CHECK((n == 0 || (chunks.count - 1) * chunks.size < n));
  }
}
