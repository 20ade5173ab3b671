// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/dtype.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/core/shape.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("Philox gives the known answers of its authors") {
  const auto zero = detail::Philox::at(0, 0, 0);
  CHECK(zero.words[0] == 0x6627e8d5u);
  CHECK(zero.words[1] == 0xe169c58du);
  CHECK(zero.words[2] == 0xbc57ac4cu);
  CHECK(zero.words[3] == 0x9b00dbd8u);
  const auto ones = detail::Philox::at(~0ull, ~0ull, ~0ull);
  CHECK(ones.words[0] == 0x408f276du);
  CHECK(ones.words[1] == 0x41c83b0eu);
  CHECK(ones.words[2] == 0xa20bc7c6u);
  CHECK(ones.words[3] == 0x6d5451fdu);
}

TEST_CASE("streams are named: same name same numbers, other names others") {
  const auto first = [](Rng rng) { return Stream(rng).bits64(); };
  CHECK(first(Rng(1) / "augment" / 3) == first(Rng(1) / "augment" / 3));
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 100; ++i) {
    seen.insert(first(Rng(1) / i));
    seen.insert(first(Rng(2) / i));
    seen.insert(first(Rng(1) / "a" / i));
  }
  CHECK(seen.size() == 300);
}

TEST_CASE("draws have the distributions they claim") {
  Stream stream(Rng(5));
  double sum = 0, square = 0, fourth = 0, uniform = 0;
  constexpr int n = 200000;
  int low = 0;
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal();
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
    uniform += stream.uniform();
    low += stream.below(3) == 0;
  }
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(square / n - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth / n - 3) < 5 * std::sqrt(96.0 / n));
  CHECK(std::abs(uniform / n - 0.5) < 5 * std::sqrt(1 / 12.0 / n));
  CHECK(std::abs(low / double(n) - 1 / 3.0) < 5 * std::sqrt(2 / 9.0 / n));
}

TEST_CASE("every half survives the trip through float, and floats round to nearest even") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    f16 h;
    h.bits = static_cast<std::uint16_t>(bits);
    bf16 b;
    b.bits = static_cast<std::uint16_t>(bits);
    const float fh = h, fb = b;
    if (fh == fh) REQUIRE(f16(fh).bits == bits);
    if (fb == fb) REQUIRE(bf16(fb).bits == bits);
  }
  CHECK(bf16(1.00390625f).bits == 0x3f80);  // halfway between 1 and the next: to even
  CHECK(bf16(1.01171875f).bits == 0x3f82);
  CHECK(f16(65520.f).bits == 0x7c00);  // rounds up to infinity
  CHECK(f16(65519.f).bits == 0x7bff);
  CHECK(f16(std::ldexp(1.f, -25)).bits == 0);  // halfway to the smallest: to even
  CHECK(f16(std::ldexp(1.5f, -25)).bits == 1);
  CHECK(float(bf16(std::nanf(""))) != float(bf16(std::nanf(""))));
  CHECK(float(f16(std::nanf(""))) != float(f16(std::nanf(""))));
}

TEST_CASE("shapes print, compare and broadcast") {
  CHECK(to_string(Shape{256, 128}) == "(256, 128)");
  CHECK(to_string(Shape{}) == "()");
  CHECK(Shape{}.count() == 1);
  CHECK(Shape{2, 0, 3}.count() == 0);
  CHECK(Shape{2, 3}[-1] == 3);
  CHECK(broadcast("x", {3, 1, 5}, {4, 1}) == Shape{3, 4, 5});
  CHECK_THROWS_WITH(broadcast("add", {2, 3}, {4}), Contains("[add] shapes do not broadcast: (2, 3) and (4)"));
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
}

TEST_CASE("parallel loops cover everything once, nest, and hand errors on") {
  for (int count : {1, 2, 3}) {
    set_threads(count);
    std::vector<int> hits(1001, 0);
    parallel_for(1001, 7, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
    });
    CHECK(std::count(hits.begin(), hits.end(), 1) == 1001);
    std::vector<int> inner(64, 0);
    parallel_for(8, 1, [&](std::int64_t begin, std::int64_t) {
      parallel_for(8, 1, [&](std::int64_t b, std::int64_t) { ++inner[static_cast<std::size_t>(begin * 8 + b)]; });
    });
    CHECK(std::count(inner.begin(), inner.end(), 1) == 64);
    CHECK_THROWS_WITH(parallel_for(100, 1, [](std::int64_t begin, std::int64_t) { require(begin != 57, "at 57"); }),
                      "at 57");
  }
  set_threads(0);
}

TEST_CASE("a number outside its bounds is named with them, in as many digits as tell it from them") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double value : {0.0, 0.25, 1.0}) CHECK_NOTHROW(require_within("op", "the share", value, 0, 1));
  CHECK_THROWS_WITH(require_within("op", "the share", -0.5, 0, 1), "[op] the share must be 0 to 1, got -0.5");
  CHECK_THROWS_WITH(require_within("op", "the share", 1 + 1e-9, 0, 1),
                    "[op] the share must be 0 to 1, got 1.000000001");
  CHECK_THROWS_WITH(require_within("op", "the share", std::nan(""), 0, 1), "[op] the share must be 0 to 1, got nan");
  CHECK_THROWS_WITH(require_within("op", "the share", inf, 0, 1), "[op] the share must be 0 to 1, got inf");
  CHECK_THROWS_WITH(require_within("op", "k", std::int64_t{1} << 60, 1, 1000000),
                    "[op] k must be 1 to 1000000, got 1152921504606846976");
  CHECK_THROWS_WITH(check_temperature("op", 1e5), "[op] the temperature must be 0.0001 to 10000, got 100000");
  CHECK_THROWS_WITH(check_log_scale("op", -10.5), "[op] the log scale must be -10 to 10, got -10.5");
}
