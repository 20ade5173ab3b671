// SPDX-License-Identifier: MIT
#include <cmath>
#include <vector>

#include "contrastive/kernels/cpu/batch_norm_passes.hpp"
#include "contrastive/kernels/registry.hpp"
#include "contrastive/ops/ops.hpp"
#include "kernels/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("a convolution adds its gradient to what is there") {
  struct Case {
    std::int64_t N, H, W, C, O;
    WindowSpec spec;
  };
  // Winograd's, strided, pointwise, and a mere product; odd sides, and channels that are no whole vectors.
  const WindowSpec same{.kernel = 3, .stride = 1, .padding = 1}, strided{.kernel = 3, .stride = 2, .padding = 1};
  const WindowSpec pointwise{.kernel = 1, .stride = 2}, product{.kernel = 1, .stride = 1};
  for (const Case& c : {Case{4, 32, 32, 64, 64, same}, Case{3, 13, 11, 64, 32, same}, Case{40, 4, 4, 96, 192, same},
                        Case{1, 2, 2, 32, 32, same}, Case{19, 32, 32, 64, 32, strided}, Case{6, 7, 9, 35, 33, strided},
                        Case{2, 96, 96, 64, 32, pointwise}, Case{5, 32, 32, 64, 48, product}})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      INFO(c.N << " of " << c.H << " x " << c.W << ", " << c.spec.kernel << " / " << c.spec.stride);
      const Shape in{c.N, c.H, c.W, c.C};
      const Tensor w = random({c.O, c.spec.kernel, c.spec.kernel, c.C}, 1), held = random(in, 2, dtype);
      const Tensor dy = random({c.N, window_output(c.H, c.spec), window_output(c.W, c.spec), c.O}, 3, dtype);
      const Tensor sum = held.clone(), alone(in, dtype);
      cpu_kernels().conv2d_grad_input(dy.view(), w.view(), sum.view(), c.spec, true);
      cpu_kernels().conv2d_grad_input(dy.view(), w.view(), alone.view(), c.spec, false);
      const Tensor want = alone.to(DType::f64) + held.to(DType::f64);
      CHECK(relative_error(sum, want) < (dtype == DType::f32 ? 1e-6 : 4e-3));
    }
}

TEST_CASE("which side of the ReLU a number was on is found again from x by the same arithmetic") {
  const Shape in{4, 16, 16, 64}, row{1, 64}, channels{64};
  const Tensor mean = random(row, 1), var = square(random(row, 2)) + 0.5, gain = random(channels, 3) + 3;
  const std::vector<float> scale = cpu::detail::batch_norm_scale<float>(var.view(), gain.view(), 1e-3);
  const Tensor start = random(channels, 4), jitter = random(in, 5), x(in), offset(channels), y(in);
  for (std::int64_t c = 0; c < 64; ++c)  // so that all of the channel's outputs are within rounding of 0
    offset.data<float>()[c] = -((start.data<float>()[c] - mean.data<float>()[c]) * scale[c]);
  for (std::int64_t i = 0; i < x.count(); ++i)
    x.data<float>()[i] = start.data<float>()[i % 64] * (1 + 1e-7f * std::round(jitter.data<float>()[i]));
  const KernelTable& k = cpu_kernels();
  k.batch_norm({.x = x.view(),
                .mean = mean.view(),
                .var = var.view(),
                .weight = gain.view(),
                .bias = offset.view(),
                .eps = 1e-3,
                .relu = true,
                .y = y.view()});

  const Tensor dz(in), ones = Tensor::full(in, 1);
  k.batch_norm_grad({.x = x.view(),
                     .mean = mean.view(),
                     .var = var.view(),
                     .weight = gain.view(),
                     .bias = offset.view(),
                     .eps = 1e-3,
                     .relu = true,
                     .dy = ones.view(),
                     .dresidual = dz.view()});
  bool same = true;
  std::int64_t on = 0;
  for (std::int64_t i = 0; i < y.count(); ++i) {
    same = same && (dz.data<float>()[i] != 0) == (y.data<float>()[i] > 0);
    on += y.data<float>()[i] > 0;
  }
  CHECK(same);
  CHECK(on > y.count() / 16);
  CHECK(on < y.count() * 15 / 16);
}

TEST_CASE("the gradients of a residual block in f32 are those in f64, whoever else reads its middle") {
  const Shape in{5, 16, 16, 64};
  const WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
  enum Way { block, also_read, shared };
  const auto gradients = [&](Way way, DType dtype) {
    const Tensor x = leaf(random(in, 1, dtype)), a = leaf(random({64, 3, 3, 64}, 2, dtype)),
                 b = leaf(random({64, 3, 3, 64}, 3, dtype)), gain = leaf(random({64}, 4, dtype)),
                 offset = leaf(random({64}, 5, dtype));
    const auto norm = [&](const Tensor& y, const Tensor& residual) {
      const auto [mean, var] = batch_norm_statistics(y.detach());
      return batch_norm(y, mean, var, false, {gain, offset, residual, true});
    };
    const Tensor first = norm(x, {});
    Tensor unused;
    if (way == also_read) unused = first * 2;
    const Tensor between = conv2d(first, a, spec);
    // The sum's gradient is one tensor for both its terms, so the convolution cannot add to it where it is.
    const Tensor second = way == shared ? norm(between + first, {}) : norm(between, first);
    const Tensor last = conv2d(second, b, spec);
    last.backward(random(last.shape(), 6, dtype));
    clear_tape();
    return std::vector<Tensor>{x.grad(), a.grad(), b.grad(), gain.grad(), offset.grad()};
  };
  for (const Way way : {block, also_read, shared}) {
    INFO(way);
    const std::vector<Tensor> want = gradients(way, DType::f64);
    const auto check = [&] {
      const std::vector<Tensor> got = gradients(way, DType::f32);
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(relative_error(got[i], want[i]) < 1e-5);
    };
    check();
    const Deterministic mode;
    check();
  }
}
