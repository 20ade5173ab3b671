// SPDX-License-Identifier: MIT
//
// Exact search over 1,000,000 rows of 512 numbers: one query over f16 and int8 rows, with the share of the bandwidth that
// reading the same memory has in this run, and 1,000 queries at once.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>

#include "contrastive/core/rng.hpp"
#include "contrastive/search/exact_search.hpp"

using namespace contrastive;

namespace {

/// Adds up memory, a vector at a time: nothing reads it faster.
struct ReadLoop {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* from, std::int64_t count, float* out) {
    using V = simd::native<Isa, float>;
    constexpr int N = simd::size_v<V>;
    V a{}, b{}, c{}, d{};
    for (std::int64_t i = 0; i < count; i += 4 * N) {
      a += simd::load<V>(from + i);
      b += simd::load<V>(from + i + N);
      c += simd::load<V>(from + i + 2 * N);
      d += simd::load<V>(from + i + 3 * N);
    }
    *out = simd::sum((a + b) + (c + d));
  }
};

struct Rows {
  static constexpr std::int64_t count = 1000000, dimension = 512;
  std::vector<f16> halves = std::vector<f16>(count * dimension);
  std::vector<std::int8_t> bytes = std::vector<std::int8_t>(count * dimension);
  std::vector<float> scales = std::vector<float>(count);
  Tensor queries{Shape{1000, dimension}};

  Rows() {
    parallel_for(count, 1000, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        Stream stream(Rng(1) / static_cast<std::uint64_t>(n));
        // Uniform numbers of about unit length: what they are does not change the time.
        for (std::int64_t d = 0; d < dimension; ++d)
          halves[static_cast<std::size_t>(n * dimension + d)] =
              f16(0.0765f * (2 * static_cast<float>(stream.uniform()) - 1));
        scales[static_cast<std::size_t>(n)] =
            quantize_row(halves.data() + n * dimension, dimension, bytes.data() + n * dimension);
      }
    });
    Stream stream(Rng(2));
    for (float& x : queries.span<float>()) x = 0.0765f * (2 * static_cast<float>(stream.uniform()) - 1);
  }
  RowTable table(bool int8) const {
    return {halves.data(), int8 ? bytes.data() : nullptr, scales.data(), count, dimension};
  }
  static const Rows& instance() {
    static const Rows rows;
    return rows;
  }
};

/// Bytes a second, the best of several readings of the same rows.
double bandwidth() {
  static const double best = [] {
    const Rows& rows = Rows::instance();
    const auto* const floats = reinterpret_cast<const float*>(rows.halves.data());
    const auto count = static_cast<std::int64_t>(rows.halves.size() / 2);
    double most = 0;
    for (int attempt = 0; attempt < 7; ++attempt) {
      const auto start = std::chrono::steady_clock::now();
      parallel_for(count, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
        float sum = 0;
        simd::dispatch<ReadLoop>(floats + begin, (end - begin) / 256 * 256, &sum);
        benchmark::DoNotOptimize(sum);
      });
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      most = std::max(most, 4.0 * static_cast<double>(count) / seconds);
    }
    std::fprintf(stderr, "reading memory (%s, %d threads): %.1f GB/s\n", simd::isa_name(), threads(), most * 1e-9);
    return most;
  }();
  return best;
}

void one_query(benchmark::State& state, bool int8) {
  const Rows& rows = Rows::instance();
  const RowTable table = rows.table(int8);
  const std::span<const float> query(rows.queries.data<float>(), Rows::dimension);
  const double peak = bandwidth(), bytes = static_cast<double>(Rows::count * Rows::dimension) * (int8 ? 1 : 2);
  for (auto _ : state) benchmark::DoNotOptimize(search_rows(table, query, 10));
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["share"] = benchmark::Counter(bytes / peak, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_CAPTURE(one_query, f16, false)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(one_query, int8, true)->Unit(benchmark::kMillisecond)->UseRealTime();

void many_queries(benchmark::State& state) {
  const Rows& rows = Rows::instance();
  for (auto _ : state) benchmark::DoNotOptimize(search_rows(rows.table(false), rows.queries, 10));
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * 1000 * static_cast<double>(Rows::count * Rows::dimension),
                                                 benchmark::Counter::kIsIterationInvariantRate);
  state.counters["queries/s"] = benchmark::Counter(1000, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(many_queries)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);

/// The share of the best ten that int8 rows miss, over 50 queries.
void int8_recall(benchmark::State& state) {
  const Rows& rows = Rows::instance();
  std::size_t found = 0, all = 0;
  for (auto _ : state)
    for (std::int64_t q = 0; q < 50; ++q) {
      const std::span<const float> query(rows.queries.data<float>() + q * Rows::dimension, Rows::dimension);
      const std::vector<Hit> exact = search_rows(rows.table(false), query, 10),
                             fast = search_rows(rows.table(true), query, 10);
      for (const Hit& hit : exact) {
        found += std::any_of(fast.begin(), fast.end(), [&](const Hit& other) { return other.row == hit.row; });
        ++all;
      }
    }
  state.counters["recall@10"] = static_cast<double>(found) / static_cast<double>(all);
}
BENCHMARK(int8_recall)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
