// SPDX-License-Identifier: MIT

// CPU against CUDA: memory, elementwise kernels, reductions and rows.
// At awkward shapes: 0, 1, primes, not multiples of 32, longer than a block or a chunk.

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
  both([&](auto& k, auto at) { k.map[functors::Unary::index_of<functors::Exp>()](at(unaligned), {}, 0, at(y)); });
  same("unaligned", y);
  Twin copy = Twin::blank({1000}, DType::f32);
  cuda().transfer(odd.far.view(), copy.far.view());
  cuda().synchronize();
  copy.host = odd.host;
  same("device to device", copy);
}

template <class... F>
std::vector<bool> which_from_y(functors::List<F...>) {
  return {functors::from_y<F>...};
}

TEST_CASE("cuda: map, map_grad") {
  if (!device()) return;
  const std::vector<bool> from_y = which_from_y(functors::Unary{});
  for (DType dtype : computed)
    for (std::int64_t n : {0, 1, 7, 1009, 7063, 70001})
      for (std::size_t f = 0; f < functors::Unary::size; ++f) {
        const Twin x = Twin::random({n}, dtype, 0.1, 2), dy = Twin::random({n}, dtype);
        Twin y = Twin::blank({n}, dtype), dx = Twin::blank({n}, dtype);
        const Twin none;
        both([&](auto& k, auto at) { k.map[f](at(x), at(none), 1.25, at(y)); });
        same("map " + std::to_string(f), y);
        y.far = y.host.to(Device::cuda);  // so that df sees the same y
        const Twin& kept = from_y[f] ? y : x;
        both([&](auto& k, auto at) { k.map_grad[f](at(kept), at(none), at(dy), 1.25, at(dx)); });
        same("map_grad " + std::to_string(f), dx);
        if (n % 7 != 0 || n == 0) continue;
        const Twin bias = Twin::random({7}, dtype == DType::f64 ? DType::f64 : DType::f32, 0.1, 1);
        both([&](auto& k, auto at) { k.map[f](at(x), at(bias), 1.25, at(y)); });
        same("map with bias " + std::to_string(f), y);
        if (from_y[f]) continue;
        both([&](auto& k, auto at) { k.map_grad[f](at(x), at(bias), at(dy), 1.25, at(dx)); });
        same("map_grad with bias " + std::to_string(f), dx);
      }
}

TEST_CASE("cuda: zip, accumulate") {
  if (!device()) return;
  struct Case {
    Shape a, b;
  };
  const Case cases[] = {{{1009}, {1009}},
                        {{0, 3}, {3}},
                        {{37, 19}, {19}},
                        {{37, 1}, {1, 19}},
                        {{2, 3, 5, 7}, {5, 1}},
                        {{64, 65}, {}},
                        {{}, {}},
                        {{3, 1, 5}, {3, 4, 1}},
                        {{1, 7}, {5, 7}},
                        {{2, 1, 3, 1, 5, 1}, {4, 1, 2, 1, 3}},
                        {{300, 301}, {300, 301}}};
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
  const Case cases[] = {{{1009}, {}},
                        {{0, 5}, {1, 5}},
                        {{5, 0}, {5, 1}},
                        {{1}, {1}},
                        {{40009}, {1}},
                        {{37, 1}, {37, 1}},
                        {{37, 67}, {37, 1}},
                        {{37, 67}, {67}},
                        {{5, 5000}, {5, 1}},
                        {{5003, 3}, {1, 3}},
                        {{1001, 129}, {1, 129}},
                        {{2, 7, 5, 33}, {2, 1, 1, 33}},
                        {{3, 7, 5}, {7, 1}},
                        {{9, 2, 70}, {2, 1}},
                        {{2, 3, 2, 3}, {2, 1, 2, 1}},
                        {{2, 1000}, {1, 1000}}};
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
    for (const Shape& shape :
         {Shape{0, 5}, Shape{1, 1}, Shape{7, 10}, Shape{33, 127}, Shape{5, 1025}, Shape{3, 5003}}) {
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
