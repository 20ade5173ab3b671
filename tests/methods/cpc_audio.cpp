// SPDX-License-Identifier: MIT

// CPC of sequences: the GRU, convolutions in time, sines that are predicted.

#include "contrastive/methods/cpc.hpp"

#include <cmath>

#include "contrastive/encoders/wave_encoder.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("the GRU equals its equations") {
  const std::int64_t N = 2, T = 5, D = 3, H = 4;
  Gru gru(D, H, Rng(1));
  move_to(gru, Device::cpu, DType::f64);
  const Tensor x = init::normal({N, T, D}, 1, Rng(2)).to(DType::f64), y = gru(x);
  const double *wi = gru.weight_ih.data<double>(), *wh = gru.weight_hh.data<double>(), *bi = gru.bias_ih.data<double>(),
               *bh = gru.bias_hh.data<double>();
  for (std::int64_t n = 0; n < N; ++n) {
    std::vector<double> h(H, 0.0);
    for (std::int64_t t = 0; t < T; ++t) {
      std::vector<double> a(3 * H), b(3 * H), next(H);
      for (std::int64_t g = 0; g < 3 * H; ++g) {
        a[g] = bi[g], b[g] = bh[g];
        for (std::int64_t d = 0; d < D; ++d) a[g] += wi[g * D + d] * x.data<double>()[(n * T + t) * D + d];
        for (std::int64_t k = 0; k < H; ++k) b[g] += wh[g * H + k] * h[k];
      }
      const auto sigmoid_of = [](double v) { return 1 / (1 + std::exp(-v)); };
      for (std::int64_t k = 0; k < H; ++k) {
        const double r = sigmoid_of(a[k] + b[k]), z = sigmoid_of(a[H + k] + b[H + k]);
        next[k] = (1 - z) * std::tanh(a[2 * H + k] + r * b[2 * H + k]) + z * h[k];
      }
      h = next;
      for (std::int64_t k = 0; k < H; ++k) CHECK(y.data<double>()[(n * T + t) * H + k] == Approx(h[k]).margin(1e-12));
    }
  }
}

TEST_CASE("conv1d equals a loop, with stride and padding") {
  const Tensor x = init::normal({2, 7, 3}, 1, Rng(1)).to(DType::f64),
               w = init::normal({4, 3, 3}, 1, Rng(2)).to(DType::f64);
  const Tensor y = conv1d(x, w, 2, 1);
  CHECK(y.shape() == Shape{2, 4, 4});
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t t = 0; t < 4; ++t)
      for (std::int64_t o = 0; o < 4; ++o) {
        double sum = 0;
        for (std::int64_t k = 0; k < 3; ++k)
          for (std::int64_t c = 0; c < 3; ++c) {
            const std::int64_t at = 2 * t + k - 1;
            if (at >= 0 && at < 7)
              sum += x.data<double>()[(n * 7 + at) * 3 + c] * w.data<double>()[(o * 3 + k) * 3 + c];
          }
        CHECK(y.data<double>()[(n * 4 + t) * 4 + o] == Approx(sum).margin(1e-12));
      }
  const GradcheckResult result =
      gradcheck([](const std::vector<Tensor>& in) { return conv1d(in[0], in[1], 2, 1); }, {x, w});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("CPC of sequences: mixtures of sines are predicted well below chance", "[learns]") {
  const std::int64_t N = 16, T = 256;
  const auto batch = [&](std::uint64_t step) {
    Views views;
    views.view = {Tensor({N, T, 1, 1})};
    views.globals = 1;
    for (std::int64_t n = 0; n < N; ++n) {
      Stream draw(Rng(seeded(8)) / step / static_cast<std::uint64_t>(n));
      double frequency[2], phase[2];
      for (int i = 0; i < 2; ++i) frequency[i] = draw.uniform(0.05, 1.2), phase[i] = draw.uniform(0, 6.28);
      for (std::int64_t t = 0; t < T; ++t)
        views.view[0].data<float>()[n * T + t] =
            static_cast<float>(std::sin(frequency[0] * static_cast<double>(t) + phase[0]) +
                               std::sin(frequency[1] * static_cast<double>(t) + phase[1]) + 0.1 * draw.normal());
    }
    return views;
  };
  auto method = cpc<GruContext>(WaveEncoder(1, 32, {{8, 4}, {4, 2}}, Rng(seeded(5))), mae(8),
                                {.steps = 3, .skip = 0, .context = 32, .columns = 1}, Rng(seeded(5)));
  CHECK(method.encoder().grid(batch(0).view[0]).shape() == Shape{N, 30, 1, 32});
  CHECK(method.encoder()(batch(0).view[0]).shape() == Shape{N, 32});
  AdamW optimizer(parameter_groups(method));
  std::vector<double> losses;
  for (int step = 0; step < 150; ++step) {
    const Tensor loss = method.loss(batch(static_cast<std::uint64_t>(step)), {step, 150});
    losses.push_back(loss.item());
    loss.backward();
    optimizer.step(3e-3);
    optimizer.clear_grad();
  }
  check_below("CPC of sequences: loss less chance", last_mean(losses, 10) - std::log(17.0), 0);
  // 16 kHz in 128 frames of 160 samples.
  std::int64_t length = 20480;
  for (const WaveLayer& layer : cpc_wave_layers())
    length = (length + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  CHECK(length == 128);
  CHECK(wave_frames(cpc_wave_layers(), 20480) == length);
  CHECK(wave_frames(cpc_wave_layers(), 3) == 0);
}
