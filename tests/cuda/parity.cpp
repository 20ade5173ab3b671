// SPDX-License-Identifier: MIT

// Every row of the table of kernels, CPU against CUDA, at awkward shapes: 0, 1, primes, not multiples of 32, longer
// than a block or a chunk.

#include "twins.hpp"

using namespace parity;

TEST_CASE("cuda: fill, cast, transfer") {
  if (!device()) return;
  const DType all[] = {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8};
  for (DType from : all)
    for (std::int64_t n : {0, 1, 31, 1009, 100003}) {
      Twin filled = Twin::blank({n}, from);
      both([&](auto& k, auto at) { k.fill(at(filled), 3); });
      same("fill", filled);
      const Twin x = Twin::random({n}, from, 0, 100);
      same("transfer", x);
      for (DType to : all) {
        Twin y = Twin::blank({n}, to);
        both([&](auto& k, auto at) { k.cast(at(x), at(y)); });
        same("cast", y);
      }
    }
  const Twin wide = Twin::random({1001}, DType::f32);
  const Twin odd(wide.host.slice(1, 1001).clone());  // starts off a 16-byte boundary on the device side
  Twin unaligned;
  unaligned.host = wide.host.slice(1, 1001);
  unaligned.far = wide.far.slice(1, 1001);
  Twin y = Twin::blank({1000}, DType::f32);
  both([&](auto& k, auto at) { k.map[functors::Unary::index_of<functors::Exp>()](at(unaligned), 0, at(y)); });
  same("unaligned", y);
  Twin copy = Twin::blank({1000}, DType::f32);
  cuda().transfer(odd.far.view(), copy.far.view());
  cuda().synchronize();
  copy.host = odd.host;
  same("device to device", copy);
}

TEST_CASE("cuda: map, map_grad") {
  if (!device()) return;
  for (DType dtype : computed)
    for (std::int64_t n : {0, 1, 7, 1009, 70001})
      for (std::size_t f = 0; f < functors::Unary::size; ++f) {
        const Twin x = Twin::random({n}, dtype, 0.1, 2), dy = Twin::random({n}, dtype);
        Twin y = Twin::blank({n}, dtype), dx = Twin::blank({n}, dtype);
        both([&](auto& k, auto at) { k.map[f](at(x), 1.25, at(y)); });
        same("map " + std::to_string(f), y);
        y.far = y.host.to(Device::cuda);  // so that df sees the same y
        both([&](auto& k, auto at) { k.map_grad[f](at(x), at(y), at(dy), 1.25, at(dx)); });
        same("map_grad " + std::to_string(f), dx);
      }
}

TEST_CASE("cuda: zip, accumulate") {
  if (!device()) return;
  struct Case {
    Shape a, b;
  };
  const Case cases[] = {{{1009}, {1009}},       {{0, 3}, {3}},          {{37, 19}, {19}},        {{37, 1}, {1, 19}},
                        {{2, 3, 5, 7}, {5, 1}}, {{64, 65}, {}},         {{}, {}},                {{3, 1, 5}, {3, 4, 1}},
                        {{1, 7}, {5, 7}},       {{2, 1, 3, 1, 5, 1}, {4, 1, 2, 1, 3}}, {{300, 301}, {300, 301}}};
  for (DType dtype : computed)
    for (const Case& c : cases)
      for (std::size_t f = 0; f < functors::Binary::size; ++f) {
        const Twin a = Twin::random(c.a, dtype, 0.5, 2), b = Twin::random(c.b, dtype, 0.5, 2);
        Twin y = Twin::blank(broadcast("test", c.a, c.b), dtype);
        both([&](auto& k, auto at) { k.zip[f](at(a), at(b), at(y)); });
        same("zip " + std::to_string(f), y);
      }
  for (DType dtype : computed)
    for (std::int64_t n : {0, 1, 1009}) {
      const Twin x = Twin::random({n}, dtype);
      Twin y = Twin::random({n}, dtype);
      both([&](auto& k, auto at) { k.accumulate(at(x), at(y)); });
      same("accumulate", y);
    }
}

TEST_CASE("cuda: sum_to, max_axis") {
  if (!device()) return;
  struct Case {
    Shape x, y;
  };
  const Case cases[] = {{{1009}, {}},         {{0, 5}, {1, 5}},     {{5, 0}, {5, 1}},         {{1}, {1}},
                        {{40009}, {1}},       {{37, 1}, {37, 1}},   {{37, 67}, {37, 1}},      {{37, 67}, {67}},
                        {{5, 5000}, {5, 1}},  {{5003, 3}, {1, 3}},  {{1001, 129}, {1, 129}},  {{2, 7, 5, 33}, {2, 1, 1, 33}},
                        {{3, 7, 5}, {7, 1}},  {{9, 2, 70}, {2, 1}}, {{2, 3, 2, 3}, {2, 1, 2, 1}}, {{2, 1000}, {1, 1000}}};
  for (DType dtype : computed)
    for (const Case& c : cases) {
      const Twin x = Twin::random(c.x, dtype);
      Twin y = Twin::blank(c.y, dtype);
      both([&](auto& k, auto at) { k.sum_to(at(x), 0.5, at(y)); });
      same("sum_to from " + to_string(c.x), y, 4);
    }
  for (DType dtype : computed)
    for (const Shape& shape : {Shape{1, 1, 1}, Shape{3, 7, 5}, Shape{2, 1200, 3}, Shape{67, 2, 33}, Shape{5, 31, 1}})
      for (int axis = 0; axis < 3; ++axis) {
        // Eight values only: ties must go to the first.
        Twin x(Twin::indices(shape, 8).host.to(dtype));
        Shape out;
        for (int i = 0; i < 3; ++i)
          if (i != axis) out.push_back(shape[i]);
        Twin y = Twin::blank(out, dtype), index = Twin::blank(out, DType::i64);
        both([&](auto& k, auto at) { k.max_axis(at(x), axis, at(y), at(index)); });
        same("max", y);
        same("argmax", index);
      }
}

TEST_CASE("cuda: rows: softmax and its relatives, normalize") {
  if (!device()) return;
  for (DType dtype : computed)
    for (const Shape& shape : {Shape{0, 5}, Shape{1, 1}, Shape{7, 10}, Shape{33, 127}, Shape{5, 1025}, Shape{3, 5003}}) {
      const std::int64_t N = shape[0], n = shape[1];
      const Twin x = Twin::random(shape, dtype, -5, 5), dy = Twin::random(shape, dtype);
      Twin y = Twin::blank(shape, dtype), dx = Twin::blank(shape, dtype);
      both([&](auto& k, auto at) { k.softmax(at(x), at(y)); });
      same("softmax", y);
      y.far = y.host.to(Device::cuda);
      both([&](auto& k, auto at) { k.softmax_grad(at(y), at(dy), at(dx)); });
      same("softmax_grad", dx);
      both([&](auto& k, auto at) { k.log_softmax(at(x), at(y)); });
      same("log_softmax", y);
      y.far = y.host.to(Device::cuda);
      both([&](auto& k, auto at) { k.log_softmax_grad(at(y), at(dy), at(dx)); });
      same("log_softmax_grad", dx, 2);

      const Twin targets = Twin::indices({N}, n), dloss = Twin::random({N}, wide(dtype));
      Twin loss = Twin::blank({N}, wide(dtype)), lse = Twin::blank({N}, wide(dtype));
      both([&](auto& k, auto at) { k.cross_entropy(at(x), at(targets), at(loss), at(lse)); });
      same("cross_entropy", loss);
      same("cross_entropy's lse", lse);
      both([&](auto& k, auto at) { k.cross_entropy_grad(at(x), at(targets), at(lse), at(dloss), at(dx)); });
      same("cross_entropy_grad", dx);

      Twin norm = Twin::blank({N}, wide(dtype));
      for (double eps : {1e-12, 1e3}) {  // the second floors every row
        both([&](auto& k, auto at) { k.normalize(at(x), eps, at(y), at(norm)); });
        same("normalize", y);
        same("normalize's norm", norm);
        y.far = y.host.to(Device::cuda);
        both([&](auto& k, auto at) { k.normalize_grad(at(y), at(norm), at(dy), eps, at(dx)); });
        same("normalize_grad", dx);
      }
    }
  Twin masked(Tensor::from<float>({-INFINITY, 0, 1, -INFINITY, -INFINITY, -INFINITY}, {2, 3}));
  Twin y = Twin::blank({2, 3}, DType::f32);
  both([&](auto& k, auto at) { k.softmax(at(masked), at(y)); });
  same("softmax of masked rows", y);
}

TEST_CASE("cuda: matmul") {
  if (!device()) return;
  struct Sizes {
    std::int64_t batch, M, N, K;
  };
  const Sizes cases[] = {{0, 1, 1, 1},   {0, 1, 129, 37}, {0, 67, 1, 31},  {0, 64, 64, 64},  {0, 257, 127, 300},
                         {0, 0, 5, 3},   {0, 5, 7, 0},    {3, 33, 17, 65}, {4, 128, 96, 64}, {1, 7, 5, 3}};
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
      both([&](auto& k, auto at) { k.conv2d_grad_input(at(dy), at(w), at(dx), c.spec); });
      same("conv2d_grad_input", dx, 2);
      both([&](auto& k, auto at) { k.conv2d_grad_weight(at(x), at(dy), at(dw), c.spec); });
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
  const Case cases[] = {{{1, 1, 1, 1}, {1, 1, 0}},   {{2, 7, 5, 3}, {2, 2, 0}},  {{3, 9, 11, 5}, {3, 2, 1}},
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
  const Case cases[] = {{{1, 1}, 1}, {{8, 3}, 1}, {{37, 67}, 1}, {{6, 5, 7, 19}, 3}, {{4, 33, 33, 64}, 2}, {{4, 90, 90, 2}, 1}};
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
      for (int with = 0; with < 8; ++with) {
        const bool relu = with & 1, affine = with & 2, frozen = with & 4;
        const Twin none, &w = affine ? weight : none, &b = affine ? bias : none, &r = relu ? residual : none;
        Twin y = Twin::blank(c.x, dtype), dx = Twin::blank(c.x, dtype), dresidual = Twin::blank(c.x, dtype);
        Twin dweight = Twin::blank({C}, wide(dtype)), dbias = Twin::blank({C}, wide(dtype));
        both([&](auto& k, auto at) { k.batch_norm(at(x), at(mean), at(var), 1e-3, at(w), at(b), at(r), relu, at(y)); });
        same("batch_norm", y, 4);
        y.far = y.host.to(Device::cuda);
        both([&](auto& k, auto at) {
          k.batch_norm_grad(at(x), at(y), at(mean), at(var), 1e-3, at(w), relu, frozen, at(dy), at(dx),
                            at(affine ? dweight : none), at(affine ? dbias : none), at(relu ? dresidual : none));
        });
        same("batch_norm_grad: dx", dx, 8);
        same("batch_norm_grad: dweight", dweight, 8);
        same("batch_norm_grad: dbias", dbias, 8);
        same("batch_norm_grad: dresidual", dresidual);
      }
    }
}

TEST_CASE("cuda: moving data") {
  if (!device()) return;
  const DType all[] = {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8};
  for (DType dtype : all) {
    for (const Shape& row : {Shape{}, Shape{1}, Shape{3}, Shape{8}, Shape{16, 5}, Shape{0}}) {
      Shape from{37}, to{101};
      for (int i = 0; i < row.rank; ++i) {
        from.push_back(row[i]);
        to.push_back(row[i]);
      }
      const Twin x = Twin::random(from, dtype, 0, 100), index = Twin::indices({101}, 37);
      Twin y = Twin::blank(to, dtype);
      both([&](auto& k, auto at) { k.gather(at(x), at(index), at(y)); });
      same("gather", y);
    }
    const std::array<int, 6> orders[] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 2, 1, 0}, {0, 2, 1, 3}, {0, 3, 1, 2}, {1, 0, 3, 2}};
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{3, 33, 1, 40}, Shape{1, 70, 65, 9}, Shape{2, 0, 3, 4}})
      for (const auto& axes : orders) {
        const Twin x = Twin::random(shape, dtype, 0, 100);
        Twin y = Twin::blank({shape[axes[0]], shape[axes[1]], shape[axes[2]], shape[axes[3]]}, dtype);
        both([&](auto& k, auto at) { k.permute(at(x), axes, at(y)); });
        same("permute", y);
      }
    for (int axis = 0; axis < 3; ++axis)
      for (std::int64_t length : {0, 1, 4}) {
        Shape part{5, 6, 7};
        part[axis] = length;
        const Twin x = Twin::random(part, dtype, 0, 100);
        Twin whole = Twin::random({5, 6, 7}, dtype, 0, 100), back = Twin::blank(part, dtype);
        both([&](auto& k, auto at) {
          k.place(at(x), at(whole), axis, 1);
          k.extract(at(whole), at(back), axis, 1);
        });
        same("place", whole);
        same("extract", back);
      }
  }
  for (DType dtype : computed)
    for (std::int64_t columns : {1, 3, 67, 300})
      for (std::int64_t n : {0, 1, 200, 3001})
        for (std::int64_t rows : {1, 2, 37, 1024}) {
          const Twin index = Twin::indices({n}, rows), dy = Twin::random({n, columns}, dtype);
          Twin dx = Twin::random({rows, columns}, dtype);
          // In bf16 the CPU rounds after every summand: long runs are compared where sums stay small.
          if (dtype == DType::bf16 && n > 8 * rows) continue;
          both([&](auto& k, auto at) { k.scatter_add(at(dy), at(index), at(dx)); });
          same("scatter_add", dx, 8);
        }
}

TEST_CASE("cuda: an index out of range does no harm") {
  if (!device()) return;
  const Twin x = Twin::random({3, 2}, DType::f32);
  const Tensor index = Tensor::from<std::int64_t>({2, 3, -1}, {3}).to(Device::cuda);
  Tensor y = Tensor::zeros({3, 2}, DType::f32, Device::cuda);
  cuda().gather(x.far.view(), index.view(), y.view());
  const Tensor rows = y.to(Device::cpu);
  CHECK(rows.data<float>()[0] == x.host.data<float>()[4]);
  CHECK(std::isnan(rows.data<float>()[2]));
  CHECK(std::isnan(rows.data<float>()[5]));
  Tensor dx = Tensor::zeros({3, 2}, DType::f32, Device::cuda);
  cuda().scatter_add(x.far.view(), index.view(), dx.view());
  const Tensor sums = dx.to(Device::cpu);
  CHECK(sums.data<float>()[0] == 0);
  CHECK(sums.data<float>()[4] == x.host.data<float>()[0]);
}

TEST_CASE("cuda: optimisers") {
  if (!device()) return;
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t n : {1, 1009, 40009}) {
      const auto hyper = [&](std::initializer_list<double> values) {
        return Twin(Tensor::from<double>(values, {static_cast<std::int64_t>(values.size())}).to(dtype));
      };
      const Twin g = Twin::random({n}, dtype), none;
      for (int with = 0; with < 32; ++with) {
        const double nesterov = with & 1, in_buffer = (with & 2) / 2, decayed = (with & 4) / 4, clip = (with & 8) / 8;
        const bool lars = with & 16;
        // lr, momentum, weight_decay, nesterov, lr_in_buffer; trust, eps, decayed_norm, clip
        const Twin h = hyper({0.1, 0.9, 0.01, nesterov, in_buffer, 0.02, 1e-8, decayed, clip});
        Twin p = Twin::random({n}, dtype), buffer = Twin::random({n}, dtype), trust = Twin::blank({2}, dtype);
        both([&](auto& k, auto at) {
          if (lars) k.trust_ratio(at(p), at(g), at(h), at(trust));
          k.sgd(at(p), at(g), at(buffer), at(lars ? trust : none), at(h));
          k.sgd(at(p), at(g), at(none), at(none), at(h));
        });
        same("trust_ratio", trust);
        same("sgd's buffer", buffer);
        same("sgd", p);
      }
      Twin still(Tensor::zeros({n}, dtype)), trust = Twin::blank({2}, dtype);
      for (double decayed : {0.0, 1.0}) {
        const Twin h = hyper({0.1, 0.9, 0.01, 0, 0, 0.02, 1e-8, decayed, 0});
        both([&](auto& k, auto at) { k.trust_ratio(at(still), at(g), at(h), at(trust)); });
        same("trust_ratio of zeros", trust);
      }
      for (double decoupled : {0.0, 1.0}) {
        const Twin h = hyper({1e-3, 0.9, 0.999, 1e-8, 0.05, decoupled, 0.1, 0.001, 0.19, 0.002});
        Twin p = Twin::random({n}, dtype), m = Twin::random({n}, dtype), v = Twin::random({n}, dtype, 0, 1);
        both([&](auto& k, auto at) { k.adamw(at(p), at(g), at(m), at(v), at(h)); });
        same("adamw", p);
        same("adamw's m", m);
        same("adamw's v", v);
      }
      for (DType keep_type : {DType::f32, DType::f64}) {
        const Twin keep(Tensor::full({1}, 0.996, keep_type));
        Twin target = Twin::random({n}, dtype);
        both([&](auto& k, auto at) { k.lerp(at(target), at(g), at(keep)); });
        same("lerp", target);
      }
    }
  for (DType dtype : computed)
    for (std::int64_t n : {0, 1, 1009, 100003})
      for (DType out : {DType::f32, DType::f64}) {
        const Twin x = Twin::random({n}, dtype);
        Twin y = Twin::blank({1}, out);
        both([&](auto& k, auto at) { k.sum_squares(at(x), at(y)); });
        same("sum_squares", y);
      }
}

TEST_CASE("cuda: the same call gives the same bits") {
  if (!device()) return;
  const Twin x = Twin::random({8, 30, 30, 33}, DType::f32), index = Twin::indices({5000}, 50);
  const Twin w = Twin::random({24, 3, 3, 33}, DType::f32), dy = Twin::random({5000, 33}, DType::f32);
  const Twin image_dy = Twin::random({8, 30, 30, 24}, DType::f32);
  const auto once = [&] {
    std::vector<Tensor> out;
    const auto make = [&](Shape shape, double value = 0) {
      return out.emplace_back(Tensor::full(shape, value, DType::f32, Device::cuda)).view();
    };
    cuda().sum_to(x.far.view(), 1, make({33}));
    cuda().sum_to(x.far.view(), 1, make({}));
    cuda().scatter_add(dy.far.view(), index.far.view(), make({50, 33}));
    cuda().conv2d(x.far.view(), w.far.view(), make({8, 30, 30, 24}), {3, 1, 1});
    cuda().conv2d_grad_input(image_dy.far.view(), w.far.view(), make({8, 30, 30, 33}), {3, 1, 1});
    cuda().conv2d_grad_weight(x.far.view(), image_dy.far.view(), make({24, 3, 3, 33}), {3, 1, 1});
    cuda().matmul(dy.far.view(), dy.far.view(), make({33, 33}), {.transpose_a = true});
    for (Tensor& tensor : out) tensor = tensor.to(Device::cpu);
    return out;
  };
  const std::vector<Tensor> first = once();
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::vector<Tensor> again = once();
    for (std::size_t i = 0; i < first.size(); ++i)
      CHECK(std::equal(first[i].span<float>().begin(), first[i].span<float>().end(), again[i].span<float>().begin()));
  }
}

TEST_CASE("cuda: without a device, one sentence says so") {
  if (cuda_available()) return;
  CHECK_THROWS_WITH(use_cuda(), Contains("[cuda] "));
}
