// SPDX-License-Identifier: MIT
#include "contrastive/ops/attention.hpp"

#include <cstring>

#include "contrastive/core/parallel.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "ops/support.hpp"
#include "support/catch.hpp"
#include "support/far_device.hpp"

using namespace contrastive;

namespace {

/// The definition, by loops.
Tensor plain_attention(const Tensor& qkv, int heads, bool causal, const Tensor& lengths = {}) {
  const std::int64_t N = qkv.size(0), L = qkv.size(1), D = qkv.size(2) / 3, d = D / heads;
  const Tensor y = Tensor::zeros({N, L, D}, DType::f64);
  const double* x = qkv.data<double>();
  for (std::int64_t n = 0; n < N; ++n)
    for (int h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < L; ++i) {
        std::vector<double> p;
        const std::int64_t live = lengths.defined() ? lengths.data<std::int64_t>()[n] : L;
        for (std::int64_t j = 0; j < std::min(live, causal ? i + 1 : L); ++j) {
          double score = 0;
          for (std::int64_t c = 0; c < d; ++c)
            score += x[(n * L + i) * 3 * D + h * d + c] * x[(n * L + j) * 3 * D + D + h * d + c];
          p.push_back(score / std::sqrt(static_cast<double>(d)));
        }
        const double largest = *std::max_element(p.begin(), p.end());
        double total = 0;
        for (double& value : p) total += value = std::exp(value - largest);
        for (std::size_t j = 0; j < p.size(); ++j)
          for (std::int64_t c = 0; c < d; ++c)
            y.data<double>()[(n * L + i) * D + h * d + c] +=
                p[j] / total * x[(n * L + static_cast<std::int64_t>(j)) * 3 * D + 2 * D + h * d + c];
      }
  return y;
}

struct Sizes {
  std::int64_t N, L, D;
  int heads;
};
const Sizes awkward[] = {{1, 1, 1, 1},  {2, 3, 4, 2},    {1, 13, 10, 2},  {2, 50, 33, 3},
                         {1, 97, 8, 1}, {1, 197, 64, 1}, {2, 211, 80, 2}, {1, 300, 34, 2}};

Tensor whole(std::vector<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}
/// One sequence of each length that may go wrong: the ends, and around tiles of 12 keys and 96 queries.
Tensor lengths_up_to(std::int64_t L) {
  std::vector<std::int64_t> all{L};
  for (std::int64_t length : {1, 2, 11, 12, 13, 24, 25, 95, 96, 97, 108, 192, 193})
    if (length < L) all.push_back(length);
  return whole(all);
}

/// Calls f(n, i, live) for each position.
template <class F>
void each_position(const Tensor& lengths, std::int64_t L, F&& f) {
  for (std::int64_t n = 0; n < lengths.count(); ++n)
    for (std::int64_t i = 0; i < L; ++i) f(n, i, i < lengths.data<std::int64_t>()[n]);
}
/// Overwrites columns [begin, end) of the padded rows of x (N, L, D).
void fill_padding(const Tensor& x, const Tensor& lengths, std::int64_t begin, std::int64_t end, double value) {
  const Tensor wide = x.to(DType::f64).clone();
  each_position(lengths, x.size(1), [&](std::int64_t n, std::int64_t i, bool live) {
    double* const row = wide.data<double>() + (n * x.size(1) + i) * x.size(2);
    if (!live) std::fill(row + begin, row + end, value);
  });
  x.copy_from(wide.to(x.dtype()));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0;
}
/// The first `length` rows of sequence n.
Tensor live_rows(const Tensor& x, std::int64_t n, std::int64_t length) {
  return narrow(x.slice(n, n + 1), 1, 0, length);
}

struct Result {
  Tensor y, dqkv;
};
Result attend(const Tensor& qkv, int heads, bool causal, const Tensor& lengths, const Tensor& dy) {
  Tensor x = qkv.clone();
  x.set_requires_grad(true);
  const Tensor y = attention(x, heads, causal, lengths);
  y.backward(dy);
  return {y.detach(), x.grad()};
}

}  // namespace

TEST_CASE("attention equals its definition at awkward sizes, in f64, f32 and bf16") {
  for (const Sizes& s : awkward)
    for (bool causal : {false, true}) {
      INFO(s.N << " " << s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const Tensor x = random({s.N, s.L, 3 * s.D}, 1);
      const Tensor want = plain_attention(x, s.heads, causal);
      CHECK(largest_error(attention(x, s.heads, causal), want) < 1e-13);
      CHECK(largest_error(attention(x.to(DType::f32), s.heads, causal), want) < 2e-6);
      const Tensor narrow = x.to(DType::bf16);
      CHECK(largest_error(attention(narrow, s.heads, causal), plain_attention(narrow.to(DType::f64), s.heads, causal)) <
            5e-3);
    }
  CHECK(attention(Tensor({0, 5, 12}), 2).shape() == Shape{0, 5, 4});
}

TEST_CASE("attention's gradient equals differences, and in f32 and bf16 that of f64") {
  for (const Sizes& s : {Sizes{1, 1, 2, 1}, {2, 3, 4, 2}, {1, 14, 6, 2}, {1, 99, 2, 1}})
    for (bool causal : {false, true}) {
      const auto result = gradcheck([&](const auto& in) { return attention(in[0], s.heads, causal); },
                                    {random({s.N, s.L, 3 * s.D}, 2)});
      INFO(result.message);
      CHECK(result.ok);
    }
  for (const Sizes& s : awkward)
    for (bool causal : {false, true}) {
      INFO(s.N << " " << s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const auto gradient = [&](DType dtype) {
        Tensor x = random({s.N, s.L, 3 * s.D}, 3, DType::bf16).to(dtype);
        x.set_requires_grad(true);
        attention(x, s.heads, causal).backward(random({s.N, s.L, s.D}, 4, DType::bf16).to(dtype));
        return x.grad();
      };
      const Tensor want = gradient(DType::f64);
      CHECK(largest_error(gradient(DType::f32), want) < 5e-6);
      CHECK(largest_error(gradient(DType::bf16), want) < 2e-2);
    }
}

TEST_CASE("attention holds where scores are huge, and does not see what is causally hidden") {
  const Tensor x = random({1, 20, 3 * 8}, 5, DType::f32, 40);
  const Tensor y = attention(x, 2);
  for (float value : y.span<float>()) CHECK(std::isfinite(value));
  CHECK(largest_error(y, plain_attention(x.to(DType::f64), 2, false)) < 1e-3);  // scores of 1e4 carry 1e-3 in f32
  Tensor later = random({1, 20, 24}, 6, DType::f32);
  const Tensor before = attention(later, 2, true);
  for (std::int64_t i = 11 * 24; i < 20 * 24; ++i) later.data<float>()[i] = 1e6f;
  const Tensor after = attention(later, 2, true);
  CHECK(std::memcmp(before.view().data, after.view().data, 11 * 8 * sizeof(float)) == 0);
}

TEST_CASE("attention of sequences of different length equals its definition, and without lengths that of full ones") {
  for (const Sizes& s : {Sizes{0, 1, 1, 1}, {0, 3, 4, 2}, {0, 26, 10, 2}, {0, 98, 33, 3}, {0, 211, 8, 1}})
    for (bool causal : {false, true}) {
      INFO(s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const Tensor lengths = lengths_up_to(s.L);
      const Tensor x = random({lengths.count(), s.L, 3 * s.D}, 21, DType::bf16).to(DType::f64);
      const Tensor want = plain_attention(x, s.heads, causal, lengths);
      CHECK(largest_error(attention(x, s.heads, causal, lengths), want) < 1e-13);
      CHECK(largest_error(attention(x.to(DType::f32), s.heads, causal, lengths), want) < 2e-6);
      CHECK(largest_error(attention(x.to(DType::bf16), s.heads, causal, lengths), want) < 5e-3);
      const Tensor full = Tensor::full({x.size(0)}, static_cast<double>(s.L), DType::i64);
      CHECK(same_bits(attention(x, s.heads, causal, full), attention(x, s.heads, causal)));
    }
  CHECK(attention(Tensor({0, 5, 12}), 2, false, Tensor({0}, DType::i64)).shape() == Shape{0, 5, 4});
}

TEST_CASE("the gradient of sequences of different length equals differences, and in f32 and bf16 that of f64") {
  const auto check = [](const Tensor& lengths, std::int64_t L, std::int64_t D, int heads) {
    for (bool causal : {false, true}) {
      const auto result = gradcheck([&](const auto& in) { return attention(in[0], heads, causal, lengths); },
                                    {random({lengths.count(), L, 3 * D}, 22)});
      INFO(L << " causal " << causal << " " << result.message);
      CHECK(result.ok);
    }
  };
  check(lengths_up_to(3), 3, 4, 2);
  check(lengths_up_to(26), 26, 2, 1);
  for (std::int64_t length : {1, 95, 96, 97, 98}) check(whole({length}), 98, 1, 1);
  for (const Sizes& s : {Sizes{0, 1, 1, 1}, {0, 26, 10, 2}, {0, 98, 33, 3}, {0, 211, 8, 1}})
    for (bool causal : {false, true}) {
      INFO(s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const Tensor lengths = lengths_up_to(s.L), x = random({lengths.count(), s.L, 3 * s.D}, 23, DType::bf16),
                   dy = random({lengths.count(), s.L, s.D}, 24, DType::bf16);
      const auto gradient = [&](DType dtype) {
        return attend(x.to(dtype), s.heads, causal, lengths, dy.to(dtype)).dqkv;
      };
      const Tensor want = gradient(DType::f64);
      CHECK(largest_error(gradient(DType::f32), want) < 5e-6);
      CHECK(largest_error(gradient(DType::bf16), want) < 2e-2);
    }
}

TEST_CASE("a padded sequence has the bits of the sequence alone, whatever its padding holds") {
  const std::int64_t L = 110, D = 10;
  const int heads = 2;
  const Tensor lengths = lengths_up_to(L);
  const std::int64_t N = lengths.count();
  for (DType dtype : {DType::f64, DType::f32, DType::bf16})
    for (bool causal : {false, true}) {
      const Tensor x = random({N, L, 3 * D}, 25, dtype), dy = random({N, L, D}, 26, dtype);
      const Tensor live_dy = dy.clone();
      fill_padding(live_dy, lengths, 0, D, 0);
      const Result padded = attend(x, heads, causal, lengths, live_dy);
      for (std::int64_t n = 0; n < N; ++n) {
        const std::int64_t length = lengths.data<std::int64_t>()[n];
        INFO(to_string(dtype) << " causal " << causal << " length " << length);
        const Result alone = attend(live_rows(x, n, length), heads, causal, {}, live_rows(dy, n, length));
        CHECK(same_bits(live_rows(padded.y, n, length), alone.y));
        CHECK(same_bits(live_rows(padded.dqkv, n, length), alone.dqkv));
        // What is padded gets no gradient from queries that are live.
        const Tensor rest = narrow(padded.dqkv.slice(n, n + 1), 1, length, L);
        CHECK(largest_error(rest, Tensor::zeros(rest.shape(), dtype)) == 0);
      }
      INFO(to_string(dtype) << " causal " << causal);
      for (double value : padded.y.to(DType::f64).span<double>()) REQUIRE(std::isfinite(value));

      const Tensor other = x.clone();
      fill_padding(other, lengths, 0, 3 * D, 7);
      const Result changed = attend(other, heads, causal, lengths, live_dy);
      for (std::int64_t n = 0; n < N; ++n) {
        const std::int64_t length = lengths.data<std::int64_t>()[n];
        CHECK(same_bits(live_rows(padded.y, n, length), live_rows(changed.y, n, length)));
        CHECK(same_bits(live_rows(padded.dqkv, n, length), live_rows(changed.dqkv, n, length)));
      }

      // Hidden keys and values are not even read, and get no gradient from padded queries either.
      const Tensor unread = x.clone();
      fill_padding(unread, lengths, D, 3 * D, NAN);
      const Result every = attend(x, heads, causal, lengths, dy), blind = attend(unread, heads, causal, lengths, dy);
      CHECK(same_bits(every.y, blind.y));
      CHECK(same_bits(every.dqkv, blind.dqkv));
      const Tensor zeroed = every.dqkv.clone();
      fill_padding(zeroed, lengths, D, 3 * D, 0);
      CHECK(largest_error(every.dqkv, zeroed) == 0);
    }
}

TEST_CASE("attention has the same bits for any number of threads") {
  const Tensor x = random({3, 101, 3 * 24}, 7, DType::f32), dy = random({3, 101, 24}, 8, DType::f32);
  for (const Tensor& lengths : {Tensor(), whole({101, 13, 97})}) {
    const auto run = [&](int count) {
      set_threads(count);
      const Result result = attend(x, 3, false, lengths, dy);
      set_threads(0);
      return result;
    };
    const Result one = run(1), three = run(3);
    CHECK(same_bits(one.y, three.y));
    CHECK(same_bits(one.dqkv, three.dqkv));
  }
}

TEST_CASE("lengths on a device are not read by the host") {
  const Tensor x = random({3, 30, 3 * 8}, 27, DType::f32), dy = random({3, 30, 8}, 28, DType::f32),
               lengths = whole({30, 1, 13});
  const Result near = attend(x, 2, true, lengths, dy);
  const Tensor weights = attention_weights(x, 2, 4, lengths);
  const far_device::Installed installed;
  const auto away = [](const Tensor& t) { return t.to(Device::cuda); };
  const Result far = attend(away(x), 2, true, away(lengths), away(dy));
  CHECK(same_bits(near.y, far.y.to(Device::cpu)));
  CHECK(same_bits(near.dqkv, far.dqkv.to(Device::cpu)));
  CHECK(same_bits(weights, attention_weights(away(x), 2, 4, away(lengths)).to(Device::cpu)));
  CHECK_THROWS_WITH(attention(away(x), 2, false, lengths), "[attention] devices differ: cuda and cpu");
}

TEST_CASE("attention weights are what attention averages with") {
  const Tensor x = random({2, 7, 3 * 6}, 9);
  for (const Tensor& lengths : {Tensor(), whole({7, 4})}) {
    const Tensor weights = attention_weights(x, 2, 3, lengths);
    REQUIRE(weights.shape() == Shape{2, 2, 3, 7});
    const Tensor y = attention(x, 2, false, lengths);
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t h = 0; h < 2; ++h)
        for (std::int64_t i = 0; i < 3; ++i)
          for (std::int64_t c = 0; c < 3; ++c) {
            double value = 0;
            for (std::int64_t j = 0; j < 7; ++j) {
              const double weight = weights.data<double>()[((n * 2 + h) * 3 + i) * 7 + j];
              if (lengths.defined() && n == 1 && j >= 4) CHECK(weight == 0);
              value += weight * x.data<double>()[(n * 7 + j) * 18 + 12 + h * 3 + c];
            }
            CHECK(value == Approx(y.data<double>()[(n * 7 + i) * 6 + h * 3 + c]).epsilon(1e-12));
          }
  }
}

TEST_CASE("attention says what it expects") {
  CHECK_THROWS_WITH(attention(Tensor({2, 5, 20}), 3),
                    "[attention] expected (N, L, 3 D) with D a multiple of 3 heads, got (2, 5, 20)");
  CHECK_THROWS_WITH(attention_weights(Tensor({2, 5, 18}), 3, 6), "[attention_weights] 6 queries of 5 positions");
  const Tensor x = random({2, 5, 18}, 29);
  CHECK_THROWS_WITH(attention(x, 3, false, whole({5})), "[attention] expected i64 lengths (2), got (1) i64");
  CHECK_THROWS_WITH(attention(x, 3, false, Tensor::full({2}, 1, DType::i32)),
                    "[attention] expected i64 lengths (2), got (2) i32");
  CHECK_THROWS_WITH(attention(x, 3, false, whole({5, 0})), "[attention] sequence 1 has a length of 0, expected 1 to 5");
  CHECK_THROWS_WITH(attention(x, 3, true, whole({6, 5})), "[attention] sequence 0 has a length of 6, expected 1 to 5");
  CHECK_THROWS_WITH(attention_weights(x, 3, 2, whole({5, -1})),
                    "[attention_weights] sequence 1 has a length of -1, expected 1 to 5");
}
