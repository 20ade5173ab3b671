// SPDX-License-Identifier: MIT

// CPU against CUDA: products, pooling and batch norm.
// At awkward shapes: 0, 1, primes, not multiples of 32, longer than a block or a chunk.

#include "twins.hpp"

using namespace parity;

TEST_CASE("cuda: matmul") {
  if (!device()) return;
  struct Sizes {
    std::int64_t batch, M, N, K;
  };
  const Sizes cases[] = {{0, 1, 1, 1}, {0, 1, 129, 37}, {0, 67, 1, 31},  {0, 64, 64, 64},  {0, 257, 127, 300},
                         {0, 0, 5, 3}, {0, 5, 7, 0},    {3, 33, 17, 65}, {4, 128, 96, 64}, {1, 7, 5, 3}};
  struct Types {
    DType a, b, y;
  };
  const Types types[] = {{DType::f32, DType::f32, DType::f32},    {DType::f64, DType::f64, DType::f64},
                         {DType::bf16, DType::bf16, DType::bf16}, {DType::bf16, DType::f32, DType::bf16},
                         {DType::bf16, DType::bf16, DType::f32},  {DType::f32, DType::f32, DType::bf16}};
  for (const Types& t : types)
    for (const Sizes& s : cases)
      for (int turn = 0; turn < 4; ++turn)
        for (double beta : {0.0, 0.5}) {
          const bool ta = turn & 1, tb = turn & 2;
          const auto shape = [&](std::int64_t rows, std::int64_t columns) {
            return s.batch ? Shape{s.batch, rows, columns} : Shape{rows, columns};
          };
          const Twin a = Twin::random(ta ? shape(s.K, s.M) : shape(s.M, s.K), t.a);
          const Twin b = Twin::random(tb ? shape(s.N, s.K) : shape(s.K, s.N), t.b);
          Twin y = Twin::random(shape(s.M, s.N), t.y);
          both([&](auto& k, auto at) { k.matmul(at(a), at(b), at(y), {ta, tb, 0.25, beta}); });
          // Where bf16 meets f32 the f32 side is rounded first, on the device.
          same("matmul of " + std::string(to_string(t.a)) + " and " + to_string(t.b), y,
               t.a != t.b || (t.a == DType::bf16 && t.y == DType::f32) ? 4 : 2);
        }
}

TEST_CASE("cuda: conv2d") {
  if (!device()) return;
  struct Case {
    std::int64_t N, H, W, C, O;
    WindowSpec spec;
  };
  const Case cases[] = {{1, 1, 1, 1, 1, {1, 1, 0}},   {2, 7, 5, 3, 4, {3, 1, 1}},    {3, 9, 11, 5, 7, {3, 2, 1}},
                        {2, 8, 8, 16, 32, {1, 1, 0}}, {2, 9, 9, 16, 8, {1, 2, 0}},   {1, 23, 19, 3, 13, {7, 2, 3}},
                        {4, 6, 6, 64, 64, {3, 1, 1}}, {2, 12, 12, 3, 16, {4, 4, 0}}, {0, 8, 8, 3, 4, {3, 1, 1}}};
  for (DType dtype : computed)
    for (const Case& c : cases) {
      const Shape out{c.N, window_output(c.H, c.spec), window_output(c.W, c.spec), c.O};
      const Twin x = Twin::random({c.N, c.H, c.W, c.C}, dtype), dy = Twin::random(out, dtype);
      const Twin w = Twin::random({c.O, c.spec.kernel, c.spec.kernel, c.C}, wide(dtype), -0.2, 0.2);
      Twin y = Twin::blank(out, dtype), dx = Twin::blank(x.host.shape(), dtype);
      Twin dw = Twin::blank(w.host.shape(), wide(dtype));
      both([&](auto& k, auto at) { k.conv2d(at(x), at(w), at(y), c.spec); });
      same("conv2d", y, 2);
      both([&](auto& k, auto at) { k.conv2d_grad_input(at(dy), at(w), at(dx), c.spec, false); });
      same("conv2d_grad_input", dx, 2);
      both([&](auto& k, auto at) { k.conv2d_grad_input(at(dy), at(w), at(dx), c.spec, true); });
      same("conv2d_grad_input, added", dx, 2);
      both([&](auto& k, auto at) { k.conv2d_grad_weight(at(x), at(dy), at(dw), c.spec, false); });
      // bf16: the gradient may pass through bf16 before it is stored in f32.
      same("conv2d_grad_weight", dw, dtype == DType::bf16 ? 2 * tolerance(DType::bf16) / tolerance(DType::f32) : 4);
    }
}

TEST_CASE("cuda: pooling") {
  if (!device()) return;
  struct Case {
    Shape x;
    WindowSpec spec;
  };
  const Case cases[] = {{{1, 1, 1, 1}, {1, 1, 0}},    {{2, 7, 5, 3}, {2, 2, 0}}, {{3, 9, 11, 5}, {3, 2, 1}},
                        {{2, 13, 13, 33}, {3, 1, 1}}, {{0, 4, 4, 2}, {2, 2, 0}}, {{2, 7, 7, 130}, {7, 7, 0}}};
  for (DType dtype : computed)
    for (const Case& c : cases) {
      const Shape out{c.x[0], window_output(c.x[1], c.spec), window_output(c.x[2], c.spec), c.x[3]};
      const Twin x(Twin::indices(c.x, 6).host.to(dtype)), dy = Twin::random(out, dtype);  // with ties
      Twin y = Twin::blank(out, dtype), index = Twin::blank(out, DType::u8), dx = Twin::blank(c.x, dtype);
      both([&](auto& k, auto at) { k.max_pool(at(x), at(y), at(index), c.spec); });
      same("max_pool", y);
      same("max_pool's index", index);
      both([&](auto& k, auto at) { k.max_pool_grad(at(dy), at(index), at(dx), c.spec); });
      same("max_pool_grad", dx, 2);
      both([&](auto& k, auto at) { k.avg_pool(at(x), at(y), c.spec); });
      same("avg_pool", y);
      both([&](auto& k, auto at) { k.avg_pool_grad(at(dy), at(dx), c.spec); });
      same("avg_pool_grad", dx, 2);
    }
}

TEST_CASE("cuda: batch norm") {
  if (!device()) return;
  struct Case {
    Shape x;
    std::int64_t groups;
  };
  const Case cases[] = {{{1, 1}, 1},        {{8, 3}, 1},          {{37, 67}, 1},
                        {{6, 5, 7, 19}, 3}, {{4, 33, 33, 64}, 2}, {{4, 90, 90, 2}, 1}};
  for (DType dtype : computed)
    for (const Case& c : cases) {
      const std::int64_t C = c.x[-1];
      const Twin x = Twin::random(c.x, dtype, 3, 5), residual = Twin::random(c.x, dtype), dy = Twin::random(c.x, dtype);
      const Twin weight = Twin::random({C}, wide(dtype), 0.5, 2), bias = Twin::random({C}, wide(dtype));
      Twin mean = Twin::blank({c.groups, C}, wide(dtype)), var = Twin::blank({c.groups, C}, wide(dtype));
      both([&](auto& k, auto at) { k.batch_norm_stats(at(x), at(mean), at(var)); });
      same("batch_norm_stats: mean", mean);
      same("batch_norm_stats: var", var);
      mean.far = mean.host.to(Device::cuda);
      var.far = var.host.to(Device::cuda);
      for (int with = 0; with < 16; ++with) {
        const bool relu = with & 1, affine = with & 2, frozen = with & 4, add = with & 8;
        const Twin none, &w = affine ? weight : none, &b = affine ? bias : none, &r = add ? residual : none;
        Twin y = Twin::blank(c.x, dtype), dx = Twin::blank(c.x, dtype), dresidual = Twin::blank(c.x, dtype);
        Twin dweight = Twin::blank({C}, wide(dtype)), dbias = Twin::blank({C}, wide(dtype));
        both([&](auto& k, auto at) {
          k.batch_norm({.x = at(x),
                        .mean = at(mean),
                        .var = at(var),
                        .weight = at(w),
                        .bias = at(b),
                        .residual = at(r),
                        .eps = 1e-3,
                        .relu = relu,
                        .y = at(y)});
        });
        same("batch_norm", y, 4);
        y.far = y.host.to(Device::cuda);
        both([&](auto& k, auto at) {
          k.batch_norm_grad({.x = at(x),
                             .y = at(add ? y : none),
                             .mean = at(mean),
                             .var = at(var),
                             .weight = at(w),
                             .bias = at(b),
                             .eps = 1e-3,
                             .relu = relu,
                             .frozen = frozen,
                             .dy = at(dy),
                             .dx = at(dx),
                             .dweight = at(affine ? dweight : none),
                             .dbias = at(affine ? dbias : none),
                             .dresidual = at(relu && add ? dresidual : none)});
        });
        same("batch_norm_grad: dx", dx, 8);
        same("batch_norm_grad: dweight", dweight, 8);
        same("batch_norm_grad: dbias", dbias, 8);
        if (relu && add) same("batch_norm_grad: dresidual", dresidual);
      }
    }
}

TEST_CASE("cuda: layer norm") {
  if (!device()) return;
  for (DType dtype : computed)
    for (const auto& [N, D] : {std::pair(1, 1), {3, 2}, {257, 33}, {64, 192}, {5, 1025}, {0, 7}})
      for (bool affine : {false, true}) {
        const Twin x = Twin::random({N, D}, dtype), dy = Twin::random({N, D}, dtype);
        const Twin weight = affine ? Twin::random({D}, wide(dtype)) : Twin();
        const Twin bias = affine ? Twin::random({D}, wide(dtype)) : Twin();
        Twin y = Twin::blank({N, D}, dtype), dx = Twin::blank({N, D}, dtype);
        Twin mean = Twin::blank({N}, wide(dtype)), spread = Twin::blank({N}, wide(dtype));
        Twin dweight = Twin::blank({D}, wide(dtype)), dbias = Twin::blank({D}, wide(dtype));
        both([&](auto& k, auto at) { k.layer_norm(at(x), at(weight), at(bias), 1e-3, at(y), at(mean), at(spread)); });
        same("layer_norm", y, 2);
        same("layer_norm mean", mean, 2);
        same("layer_norm spread", spread, 4);
        both([&](auto& k, auto at) {
          k.layer_norm_grad({.x = at(x),
                             .mean = at(mean),
                             .spread = at(spread),
                             .weight = at(weight),
                             .dy = at(dy),
                             .dx = at(dx),
                             .dweight = at(dweight),
                             .dbias = at(dbias)});
        });
        same("layer_norm_grad", dx, 4);
        same("layer_norm_grad weight", dweight, 4);
        same("layer_norm_grad bias", dbias, 4);
      }
}

TEST_CASE("cuda: attention") {
  if (!device()) return;
  struct Case {
    std::int64_t N, L, D;
    int heads;
  };
  const Case cases[] = {{1, 1, 1, 1}, {2, 3, 4, 2}, {3, 37, 15, 3}, {2, 197, 64, 2}, {1, 300, 32, 1}, {0, 5, 4, 2}};
  for (DType dtype : computed)
    for (const Case& c : cases)
      for (int with = 0; with < 4; ++with) {
        const bool causal = with & 1;
        const AttentionSpec spec{c.heads, 0.3, causal};
        Twin lengths;
        if (with & 2) {
          const Tensor host = Twin::indices({c.N}, c.L).host;  // below L
          for (std::int64_t& length : host.span<std::int64_t>()) length = c.L - length;
          lengths = Twin(host);
        }
        const Twin qkv = Twin::random({c.N, c.L, 3 * c.D}, dtype, -2, 2), dy = Twin::random({c.N, c.L, c.D}, dtype);
        Twin y = Twin::blank({c.N, c.L, c.D}, dtype), lse = Twin::blank({c.N, c.heads, c.L}, wide(dtype));
        Twin dqkv = Twin::blank({c.N, c.L, 3 * c.D}, dtype);
        both([&](auto& k, auto at) { k.attention(at(qkv), at(lengths), at(y), at(lse), spec); });
        same("attention", y, 2);
        same("attention lse", lse, 2);
        both([&](auto& k, auto at) { k.attention_grad(at(qkv), at(lengths), at(y), at(lse), at(dy), at(dqkv), spec); });
        same("attention_grad", dqkv, 4);
      }
}

TEST_CASE("cuda: attention makes a sequence NaN whose length cannot be, and no other") {
  if (!device()) return;
  const Tensor qkv = Twin::random({4, 7, 3 * 4}, DType::f32).far, dy = Twin::random({4, 7, 4}, DType::f32).far;
  const Tensor lengths = Tensor::from<std::int64_t>({3, 0, 8, 7}, {4}).to(Device::cuda);
  const Tensor y({4, 7, 4}, DType::f32, Device::cuda), lse({4, 2, 7}, DType::f32, Device::cuda),
      dqkv({4, 7, 3 * 4}, DType::f32, Device::cuda);
  const AttentionSpec spec{2, 0.3, false};
  cuda().attention(qkv.view(), lengths.view(), y.view(), lse.view(), spec);
  cuda().attention_grad(qkv.view(), lengths.view(), y.view(), lse.view(), dy.view(), dqkv.view(), spec);
  for (const Tensor& result : {y, dqkv}) {
    const Tensor host = result.to(Device::cpu);
    for (std::int64_t i = 0; i < host.count(); ++i) {
      const std::int64_t n = i / host.shape().count(1, 3);
      CHECK(std::isnan(host.data<float>()[i]) == (n == 1 || n == 2));
    }
  }
}
