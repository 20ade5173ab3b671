// SPDX-License-Identifier: MIT
#include <cmath>
#include <vector>

#include "contrastive/kernels/cpu/backend.hpp"
#include "contrastive/ops/ops.hpp"
#include "kernels/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

constexpr WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
int passed = 0;  // gradients that a convolution has taken through the batch norm before it

/// The CPU's kernels while it lives, which count these.
struct Counted {
  Counted() {
    passed = 0;
    static const KernelTable counting = [] {
      KernelTable table = cpu_kernels();
      table.conv2d_grad_input_with_sums = [](View dy, View w, View dx, WindowSpec s, bool add, View x, View y,
                                             View mean, View var, double eps, View weight, View bias, bool relu,
                                             View sums) {
        const bool done = cpu_kernels().conv2d_grad_input_with_sums(dy, w, dx, s, add, x, y, mean, var, eps, weight,
                                                                    bias, relu, sums);
        passed += done;
        return done;
      };
      return table;
    }();
    register_kernels(Device::cpu, &counting);
  }
  ~Counted() { register_kernels(Device::cpu, nullptr); }
};

}  // namespace

TEST_CASE("a convolution's gradient, taken through the batch norm before it, is what two passes find") {
  struct Case {
    std::int64_t N, H, W, C, O, groups;
    WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
  };
  std::vector<Case> cases{// In one part and in several, odd sides, many channels.
                          {4, 32, 32, 64, 64, 1}, {8, 32, 32, 64, 32, 4}, {3, 13, 11, 64, 32, 1},
                          {64, 5, 7, 32, 32, 2},  {40, 4, 4, 96, 192, 1}, {1, 2, 2, 32, 32, 1}};
#if defined(CONTRASTIVE_WITH_ONEDNN)
  // In three slices, one a group, of a picture above the size, of channels that are no whole vectors, of a mere product.
  const WindowSpec strided{.kernel = 3, .stride = 2, .padding = 1}, pointwise{.kernel = 1, .stride = 2};
  const WindowSpec product{.kernel = 1, .stride = 1};
  for (const Case& c :
       {Case{19, 32, 32, 64, 32, 1, strided}, Case{24, 32, 32, 64, 32, 8, strided},
        Case{2, 96, 96, 64, 32, 1, pointwise}, Case{6, 7, 9, 35, 33, 2, strided}, Case{5, 32, 32, 64, 48, 1, product}})
    cases.push_back(c);
#endif
  for (const Case& c : cases)
    for (int with = 0; with < 16; ++with) {
      const bool relu = with & 1, affine = with & 2, residual = with & 4, add = with & 8;
      INFO(c.N << " of " << c.H << " x " << c.W << ", " << c.groups << " groups, " << with);
      const Shape in{c.N, c.H, c.W, c.C}, rows{c.groups, c.C}, channels{c.C};
      const Tensor x = random(in, 1), w = random({c.O, c.spec.kernel, c.spec.kernel, c.C}, 2);
      const Tensor dy = random({c.N, window_output(c.H, c.spec), window_output(c.W, c.spec), c.O}, 3);
      const Tensor mean = random(rows, 4), var = square(random(rows, 5)) + 0.5, held = random(in, 6), y(in);
      const Tensor gain = affine ? random(channels, 7) : Tensor(), offset = affine ? random(channels, 8) : Tensor();
      const View r = residual ? held.view() : View{}, of_y = relu && residual ? y.view() : View{};
      const KernelTable& k = cpu_kernels();
      k.batch_norm(x.view(), mean.view(), var.view(), 1e-3, gain.view(), offset.view(), r, relu, y.view());

      const auto second = [&](const Tensor& d, View sums, View dresidual) {
        const Tensor dx(in), dgain(channels), doffset(channels);
        k.batch_norm_grad(x.view(), of_y, mean.view(), var.view(), 1e-3, gain.view(), offset.view(), relu, false,
                          d.view(), sums, dx.view(), dgain.view(), doffset.view(), dresidual);
        return std::vector<Tensor>{dx, dgain, doffset};
      };
      const Tensor d = held.clone(), dz = held.clone(), gated(in), sums({2, c.groups, c.C}, DType::f64);
      k.conv2d_grad_input(dy.view(), w.view(), d.view(), c.spec, add);
      const Tensor alone(in);
      k.conv2d_grad_input(dy.view(), w.view(), alone.view(), c.spec, false);
      CHECK(relative_error(d, add ? alone + held : alone) < 1e-6);
      const std::vector<Tensor> want = second(d, {}, gated.view());

      const std::vector<float> scale = cpu::detail::batch_norm_scale<float>(var.view(), gain.view(), 1e-3);
      const cpu::detail::NormBefore norm{x.data<float>(), mean.data<float>(),
                                         cpu::detail::batch_norm_gate<float>(of_y, scale.data(), offset.view(), relu)};
      if (cpu::winograd::takes(dy.view(), w.view(), c.spec))
        cpu::winograd::conv2d_grad_input_with_sums(dy.view(), w.view(), dz.view(), add, norm, sums.view());
#if defined(CONTRASTIVE_WITH_ONEDNN)
      else
        cpu::onednn::conv2d_grad_input_in_slices(dy.view(), w.view(), dz.view(), c.spec, add, norm, sums.view());
#endif
      // Our own product, which adds, may sum in another order than oneDNN.
      CHECK((c.spec.kernel == 1 && c.spec.stride == 1 ? relative_error(dz, gated) < 1e-6 : same_bits(dz, gated)));
      const std::vector<Tensor> got = second(dz, sums.view(), {});
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(relative_error(got[i], want[i]) < 2e-6);
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
  k.batch_norm(x.view(), mean.view(), var.view(), 1e-3, gain.view(), offset.view(), {}, true, y.view());

  const auto found = [&](const Tensor& gated) {
    bool same = true;
    std::int64_t on = 0;
    for (std::int64_t i = 0; i < y.count(); ++i) {
      same = same && (gated.data<float>()[i] != 0) == (y.data<float>()[i] > 0);
      on += y.data<float>()[i] > 0;
    }
    return same && on > y.count() / 16 && on < y.count() * 15 / 16;
  };
  const Tensor dz(in), sums({2, 1, 64}, DType::f64), ones = Tensor::full(in, 1);
  k.batch_norm_grad(x.view(), {}, mean.view(), var.view(), 1e-3, gain.view(), offset.view(), true, false, ones.view(),
                    {}, {}, {}, {}, dz.view());
  CHECK(found(dz));
  const cpu::detail::NormBefore norm{x.data<float>(), mean.data<float>(),
                                     cpu::detail::batch_norm_gate<float>({}, scale.data(), offset.view(), true)};
  const Tensor w = random({64, 3, 3, 64}, 6);
  cpu::winograd::conv2d_grad_input_with_sums(random(in, 7).view(), w.view(), dz.view(), false, norm, sums.view());
  CHECK(found(dz));
#if defined(CONTRASTIVE_WITH_ONEDNN)
  const WindowSpec strided{.kernel = 3, .stride = 2, .padding = 1};
  cpu::onednn::conv2d_grad_input_in_slices(random({4, 8, 8, 64}, 8).view(), w.view(), dz.view(), strided, false, norm,
                                           sums.view());
  CHECK(found(dz));
#endif
}

TEST_CASE("a batch norm passes its gradient to the first that reads it, where that adds the last part") {
  const Shape in{33, 32, 32, 64};  // the sums go along where the data leaves the caches
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
    const Counted counted;
    const std::vector<Tensor> got = gradients(way, DType::f32);
    CHECK(passed == (way == block ? 2 : 1));
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(relative_error(got[i], want[i]) < 1e-5);
    passed = 0;
    const Deterministic mode;
    const std::vector<Tensor> own = gradients(way, DType::f32);
    CHECK(passed == 0);
    for (std::size_t i = 0; i < own.size(); ++i) CHECK(relative_error(own[i], want[i]) < 1e-5);
  }
}
