// SPDX-License-Identifier: MIT

// CPU against CUDA: moving data and optimisers; the same bits again; no device.
// At awkward shapes: 0, 1, primes, not multiples of 32, longer than a block or a chunk.

#include "twins.hpp"

using namespace parity;

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
    const std::array<int, 6> orders[] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 2, 1, 0},
                                         {0, 2, 1, 3}, {0, 3, 1, 2}, {1, 0, 3, 2}};
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
    cuda().conv2d_grad_input(image_dy.far.view(), w.far.view(), make({8, 30, 30, 33}), {3, 1, 1}, false);
    cuda().conv2d_grad_weight(x.far.view(), image_dy.far.view(), make({24, 3, 3, 33}), {3, 1, 1}, false);
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
