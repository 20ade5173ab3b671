// SPDX-License-Identifier: MIT

// What a project that uses the library would start with: an encoder of one matrix learns, by InfoNCE between two
// noisy views, to keep what the views share. Built in every way the library can be consumed.

#include <contrastive/contrastive.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

using namespace contrastive;

int main() {
  constexpr std::int64_t N = 32, D = 16, steps = 60;
  std::vector<float> start(D * 8);
  Stream random(Rng(7) / "weights");
  for (float& w : start) w = static_cast<float>(0.3 * random.normal());
  Tensor weight = Tensor::from(std::span<const float>(start), {D, 8});
  weight.set_requires_grad(true);

  std::vector<std::int64_t> own(N);
  for (std::int64_t i = 0; i < N; ++i) own[static_cast<std::size_t>(i)] = i;
  const Tensor targets = Tensor::from(std::span<const std::int64_t>(own), {N});

  double first = 0, last = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    std::vector<float> a(N * D), b(N * D);  // the first half of each row is shared, the rest is noise
    for (std::int64_t i = 0; i < N * D; ++i) {
      const auto at = static_cast<std::size_t>(i);
      a[at] = static_cast<float>(random.normal());
      b[at] = i % D < D / 2 ? a[at] : static_cast<float>(random.normal());
    }
    const Tensor queries = normalize(matmul(Tensor::from(std::span<const float>(a), {N, D}), weight));  // (N, 8)
    const Tensor keys = normalize(matmul(Tensor::from(std::span<const float>(b), {N, D}), weight));
    const Tensor loss = mean(cross_entropy_rows(matmul(queries, keys, false, true, 1 / 0.2), targets));
    loss.backward();
    const std::span<float> w = weight.span<float>(), dw = weight.grad().span<float>();
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= 0.5f * dw[i];
    weight.clear_grad();
    (step == 0 ? first : last) = loss.item();
  }
  std::printf("loss %.3f -> %.3f\n", first, last);
  return last < 0.7 * first ? 0 : 1;
}
