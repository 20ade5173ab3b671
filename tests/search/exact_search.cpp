// SPDX-License-Identifier: MIT
#include "contrastive/search/exact_search.hpp"

#include <cstring>

#include "contrastive/core/rng.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// Unit rows, drawn; every seventh is equal to the first.
struct Rows {
  std::int64_t count, dimension;
  std::vector<f16> halves;
  std::vector<std::int8_t> bytes;
  std::vector<float> scales;

  Rows(std::int64_t n, std::int64_t d) : count(n), dimension(d) {
    const std::int64_t width = detail::padded_width(d);
    halves.resize(static_cast<std::size_t>(n * width));
    bytes.resize(halves.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const std::vector<float> row = unit(d, Rng(1) / static_cast<std::uint64_t>(i % 7 == 0 ? 0 : i));
      for (std::int64_t k = 0; k < d; ++k)
        halves[static_cast<std::size_t>(i * width + k)] = f16(row[static_cast<std::size_t>(k)]);
      scales.push_back(quantize_row(halves.data() + i * width, width, bytes.data() + i * width));
    }
  }
  static std::vector<float> unit(std::int64_t d, Rng rng) {
    Stream stream(rng);
    std::vector<float> row(static_cast<std::size_t>(d));
    double length = 0;
    for (float& x : row) length += std::pow(x = static_cast<float>(stream.normal()), 2);
    for (float& x : row) x /= static_cast<float>(std::sqrt(length));
    return row;
  }
  RowTable table(bool int8 = false) const {
    return {halves.data(), int8 ? bytes.data() : nullptr, scales.data(), count, dimension};
  }
  std::vector<Hit> brute_force(const std::vector<float>& query, std::size_t k,
                               const std::vector<std::uint8_t>& allowed = {}) const {
    std::vector<Hit> hits;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!allowed.empty() && !allowed[static_cast<std::size_t>(i)]) continue;
      double sum = 0;
      for (std::int64_t d = 0; d < dimension; ++d)
        sum += static_cast<double>(static_cast<float>(table().row(i)[d])) * query[static_cast<std::size_t>(d)];
      hits.push_back({sum, i});
    }
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
    hits.resize(std::min(k, hits.size()));
    return hits;
  }
};

void check_equal(const std::vector<Hit>& found, const std::vector<Hit>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("hit " << i);
    CHECK(found[i].row == expected[i].row);
    CHECK(found[i].score == expected[i].score);
  }
}

}  // namespace

TEST_CASE("halves widen to the floats they are, whatever the instruction set") {
  std::vector<f16> halves;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits)
    if ((bits & 0x7c00u) != 0x7c00u) {  // neither infinity nor NaN
      f16 half;
      half.bits = static_cast<std::uint16_t>(bits);
      halves.push_back(half);
    }
  std::vector<float> dispatched(halves.size()), plain(halves.size());
  const auto count = static_cast<std::int64_t>(halves.size());
  simd::dispatch<detail::WidenRows>(static_cast<const f16*>(halves.data()), dispatched.data(), count);
  simd::plain<detail::WidenRows>(static_cast<const f16*>(halves.data()), plain.data(), count);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const float expected = halves[i];
    wrong += std::memcmp(&expected, &dispatched[i], 4) != 0 || std::memcmp(&expected, &plain[i], 4) != 0;
  }
  CHECK(wrong == 0);
}

TEST_CASE("search equals brute force in f64, ties in the order of the rows") {
  for (const std::int64_t dimension : {1, 63, 64, 100, 512}) {
    const Rows rows(9001, dimension);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      // The first query is the row that many are equal to.
      const std::vector<float> query = Rows::unit(dimension, seed == 0 ? Rng(1) / std::uint64_t{0} : Rng(2) / seed);
      INFO("dimension " << dimension << ", seed " << seed);
      check_equal(search_rows(rows.table(), query, 10), rows.brute_force(query, 10));
    }
  }
}

TEST_CASE("rows that do not count are not found, and there may be fewer than asked for") {
  const Rows rows(500, 32);
  std::vector<std::uint8_t> allowed(500, 0);
  allowed[3] = allowed[77] = allowed[499] = 1;
  const std::vector<float> query = Rows::unit(32, Rng(5));
  check_equal(search_rows(rows.table(), query, 10, allowed), rows.brute_force(query, 10, allowed));
  CHECK(search_rows(rows.table(), query, 0).empty());
  CHECK(search_rows(RowTable{nullptr, nullptr, nullptr, 0, 32}, query, 3).empty());
  CHECK_THROWS_WITH(search_rows(rows.table(), std::vector<float>(31), 3), Contains("32 numbers, the query 31"));
}

TEST_CASE("the number of threads changes nothing") {
  const Rows rows(20000, 64);
  const std::vector<float> query = Rows::unit(64, Rng(6));
  const int before = threads();
  set_threads(1);
  const std::vector<Hit> one = search_rows(rows.table(), query, 25);
  set_threads(3);
  check_equal(search_rows(rows.table(), query, 25), one);
  set_threads(before);
}

TEST_CASE("many queries find what each finds alone") {
  const Rows rows(5000, 96);
  std::vector<float> all;
  std::vector<std::vector<float>> queries;
  for (std::uint64_t q = 0; q < 9; ++q) {
    queries.push_back(Rows::unit(96, Rng(7) / q));
    all.insert(all.end(), queries.back().begin(), queries.back().end());
  }
  const auto found = search_rows(rows.table(), Tensor::from<float>(all, {9, 96}), 7);
  for (std::size_t q = 0; q < queries.size(); ++q) check_equal(found[q], rows.brute_force(queries[q], 7));
}

TEST_CASE("int8 rows, scored again from f16, find the same") {
  const Rows rows(30000, 128);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const std::vector<float> query = Rows::unit(128, Rng(8) / seed);
    check_equal(search_rows(rows.table(true), query, 10), rows.brute_force(query, 10));
  }
}
