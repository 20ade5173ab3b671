// SPDX-License-Identifier: MIT

// Odd shapes, empty tensors, narrow dtypes, and what every op says when its arguments do not fit.

#include <functional>

#include "contrastive/core/rng.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"

using namespace contrastive;
using Inputs = const std::vector<Tensor>&;

namespace {

Tensor random(Shape shape, std::uint64_t seed) {
  Tensor t(shape, DType::f64);
  Stream stream(Rng(seed) / "inputs");
  for (double& x : t.span<double>()) x = stream.normal();
  return t;
}

template <class F>
void check(const char* name, F f, std::vector<Tensor> inputs) {
  const GradcheckResult result = gradcheck(f, inputs);
  INFO(name << ": " << result.message);
  CHECK(result.ok);
}

/// |a - b| / |b|
double relative_error(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().to(DType::f64), y = b.detach().to(DType::f64);
  REQUIRE(x.shape() == y.shape());
  double off = 0, size = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    off += std::pow(x.data<double>()[i] - y.data<double>()[i], 2);
    size += std::pow(y.data<double>()[i], 2);
  }
  return std::sqrt(off / (size > 0 ? size : 1));
}

}  // namespace

TEST_CASE("gradients broadcast in every direction and at rank six") {
  const Shape pairs[][2] = {{{}, {3, 2}},
                            {{3, 2}, {}},
                            {{1, 1}, {5, 7}},
                            {{5, 1, 7}, {1, 3, 1}},
                            {{1}, {1}},
                            {{2, 1, 3, 1}, {5, 1, 4}},
                            {{1, 2, 1, 2, 1, 2}, {2, 1, 2, 1, 2, 1}},
                            {{11, 13}, {11, 1}}};
  for (const auto& [a, b] : pairs) {
    INFO(to_string(a) << " and " << to_string(b));
    check("add", [](Inputs x) { return square(x[0] + x[1]); }, {random(a, 1), random(b, 2)});
    check("subtract", [](Inputs x) { return square(x[0] - x[1]); }, {random(a, 1), random(b, 2)});
    check("multiply", [](Inputs x) { return x[0] * x[1]; }, {random(a, 1), random(b, 2)});
    check("divide", [](Inputs x) { return x[0] / x[1]; }, {random(a, 1), exp(random(b, 2))});
    check("maximum", [](Inputs x) { return maximum(x[0], x[1]); }, {random(a, 1), random(b, 2)});
  }
  // Equal values share the gradient, a half each.
  Tensor a = Tensor::full({1}, 2), b = Tensor::full({1}, 2);
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  maximum(a, b).backward();
  CHECK(a.grad().item() == 0.5);
  CHECK(b.grad().item() == 0.5);
}

TEST_CASE("gradients of sums, movers and rows at odd shapes") {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 3, 5, 7}, Shape{1, 13, 1, 2}})
    for (int axis = 0; axis < 4; ++axis) {
      check("sum", [=](Inputs x) { return sum(square(x[0]), axis, axis % 2 == 0); }, {random(shape, 1)});
      check("concat",
            [=](Inputs x) {
              return square(concat({x[0], x[1], x[0]}, axis));
            },
            {random(shape, 1), random(shape, 2)});
      check("narrow", [=](Inputs x) { return square(narrow(x[0], axis, x[0].size(axis) / 2, x[0].size(axis))); },
            {random(shape, 1)});
    }
  // Axes apart from each other, through broadcasting: the sum over 0 and 2 at once.
  check("sum_to", [](Inputs x) { return square(x[0] * x[1]); }, {random({1, 3, 1, 5}, 1), random({4, 3, 2, 5}, 2)});
  check("permute", [](Inputs x) { return square(permute(x[0], {3, 1, 0, 2})); }, {random({2, 3, 5, 7}, 1)});
  check("softmax", [](Inputs x) { return square(softmax(x[0])); }, {random({5, 1}, 1)});
  check("log_softmax", [](Inputs x) { return square(log_softmax(x[0])); }, {random({2, 3, 37}, 1)});
  check("mask_diagonal", [](Inputs x) { return square(mask_diagonal(x[0], 3)); }, {random({1, 1}, 1)});
  check("gather",
        [](Inputs x) {
          return square(gather(x[0], Tensor::from<std::int64_t>({1, 1, 1, 0}, {4})));
        },
        {random({2, 3, 2}, 1)});
  check("gather",
        [](Inputs x) {
          return square(gather(x[0], Tensor::from<std::int32_t>({1, 4, 1, 0, 1, 4}, {2, 3})));
        },
        {random({5, 3}, 1)});
  // A row of zeros stays zero; below eps the norm is a constant, so the gradient is dy / eps.
  Tensor rows = random({3, 5}, 1);
  for (int d = 0; d < 5; ++d) rows.data<double>()[5 + d] = 0;
  rows.set_requires_grad(true);
  const Tensor unit = normalize(rows, 1e-3);
  for (int d = 0; d < 5; ++d) CHECK(unit.data<double>()[5 + d] == 0);
  sum(unit).backward();
  const Tensor grad = rows.grad();
  CHECK(grad.data<double>()[7] == Approx(1e3));
  for (double g : grad.span<double>()) CHECK(std::isfinite(g));
}

TEST_CASE("gradients of products and windows at odd shapes") {
  for (const Shape& s : {Shape{1, 1, 1}, Shape{1, 13, 1}, Shape{2, 1, 17}, Shape{13, 11, 3}})
    check("matmul", [](Inputs x) { return matmul(x[0], x[1]); }, {random({s[0], s[1]}, 1), random({s[1], s[2]}, 2)});
  for (const WindowSpec spec : {WindowSpec{3, 1, 0}, WindowSpec{3, 3, 2}, WindowSpec{2, 2, 0}, WindowSpec{5, 1, 4}}) {
    check("conv2d", [=](Inputs x) { return conv2d(x[0], x[1], spec); },
          {random({1, 5, 6, 1}, 1), random({1, spec.kernel, spec.kernel, 1}, 2)});
    check("conv2d, channels", [=](Inputs x) { return conv2d(x[0], x[1], spec); },
          {random({2, 7, 5, 2}, 1), random({17, spec.kernel, spec.kernel, 2}, 2)});
  }
  check("conv2d, one pixel",
        [](Inputs x) {
          return conv2d(x[0], x[1], {3, 1, 1});
        },
        {random({3, 1, 1, 2}, 1), random({5, 3, 3, 2}, 2)});
  for (const WindowSpec spec : {WindowSpec{2, 2, 0}, WindowSpec{3, 1, 1}, WindowSpec{3, 2, 0}}) {
    check("max_pool", [=](Inputs x) { return max_pool(x[0], spec); }, {random({2, 5, 7, 17}, 1)});
    check("avg_pool", [=](Inputs x) { return avg_pool(x[0], spec); }, {random({2, 5, 7, 17}, 1)});
  }
}

TEST_CASE("float32 and bf16 follow float64") {
  const Tensor a = random({37, 65}, 1), b = random({37, 65}, 2), images = random({2, 9, 7, 19}, 3);
  const Tensor row = random({65}, 4), channels = random({19}, 5), targets = Tensor::full({37}, 11, DType::i64);
  using Op = std::pair<const char*, std::function<Tensor(DType)>>;
  const std::vector<Op> ops{
      {"add", [&](DType d) { return a.to(d) + row.to(d); }},
      {"multiply", [&](DType d) { return a.to(d) * b.to(d); }},
      {"divide", [&](DType d) { return a.to(d) / exp(b).to(d); }},
      {"maximum", [&](DType d) { return maximum(a.to(d), b.to(d)); }},
      {"relu", [&](DType d) { return relu(a.to(d)); }},
      {"gelu", [&](DType d) { return gelu(a.to(d)); }},
      {"exp", [&](DType d) { return exp(a.to(d)); }},
      {"log", [&](DType d) { return log(square(a).to(d)); }},
      {"sqrt", [&](DType d) { return sqrt(square(a).to(d)); }},
      {"tanh", [&](DType d) { return tanh(a.to(d)); }},
      {"sigmoid", [&](DType d) { return sigmoid(a.to(d)); }},
      {"log_sigmoid", [&](DType d) { return log_sigmoid(a.to(d)); }},
      {"pow", [&](DType d) { return pow(square(a).to(d), 0.7); }},
      {"sum", [&](DType d) { return sum(square(a).to(d), 0); }},
      {"mean", [&](DType d) { return mean(square(a).to(d), 1); }},
      {"softmax", [&](DType d) { return softmax(a.to(d)); }},
      {"log_softmax", [&](DType d) { return log_softmax(a.to(d)); }},
      {"log_sum_exp", [&](DType d) { return log_sum_exp(a.to(d)); }},
      {"normalize", [&](DType d) { return normalize(a.to(d)); }},
      {"cross_entropy", [&](DType d) { return cross_entropy_rows(a.to(d), targets); }},
      {"permute",
       [&](DType d) {
         return permute(a.to(d), {1, 0});
       }},
      {"mask_diagonal", [&](DType d) { return mask_diagonal(narrow(a, 1, 0, 37).to(d), 2); }},
      {"max_pool",
       [&](DType d) {
         return max_pool(images.to(d), {3, 2, 1});
       }},
      {"avg_pool",
       [&](DType d) {
         return avg_pool(images.to(d), {3, 2, 1});
       }},
      {"batch_norm",
       [&](DType d) {
         const DType wide = d == DType::bf16 ? DType::f32 : d;
         const auto [mean, var] = batch_norm_statistics(images.to(d), 2);
         return batch_norm(images.to(d), mean, var, false, {channels.to(wide), channels.to(wide), {}, true});
       }},
  };
  for (const auto& [name, op] : ops) {
    INFO(name);
    CHECK(relative_error(op(DType::f32), op(DType::f64)) < 1e-6);
    CHECK(relative_error(op(DType::bf16), op(DType::f64)) < 1e-2);
  }
}

TEST_CASE("empty tensors go through every op, forward and back") {
  const auto shape_of = [](Shape in, auto f) {
    Tensor x(in);
    x.set_requires_grad(true);
    const Tensor y = f(x);
    if (y.requires_grad()) {
      y.backward(Tensor::zeros(y.shape(), y.dtype()));
      CHECK((!x.grad().defined() || x.grad().shape() == in));
    }
    return y.shape();
  };
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return gelu(x) * 2 + x; }) == Shape{0, 3});
  CHECK(shape_of({0, 1}, [](const Tensor& x) { return x * Tensor({1, 5}); }) == Shape{0, 5});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return sum(x); }) == Shape{});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return sum(x, 0); }) == Shape{3});
  CHECK(shape_of({3, 0}, [](const Tensor& x) { return sum(x, 0, true); }) == Shape{1, 0});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return matmul(x, Tensor({3, 4})); }) == Shape{0, 4});
  CHECK(shape_of({0, 2, 3}, [](const Tensor& x) { return matmul(x, Tensor({0, 3, 4})); }) == Shape{0, 2, 4});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) {
          return conv2d(x, Tensor({4, 3, 3, 3}), {3, 2, 1});
        }) == Shape{0, 3, 4, 4});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) { return max_pool(x, {3, 2, 1}); }) == Shape{0, 3, 4, 3});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) { return avg_pool(x, {2, 2, 0}); }) == Shape{0, 2, 3, 3});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) { return global_avg_pool(x); }) == Shape{0, 3});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) {
          return batch_norm(x, Tensor::zeros({1, 3}), Tensor::full({1, 3}, 1), true, {.relu = true});
        }) == Shape{0, 5, 7, 3});
  CHECK(shape_of({0, 5, 7, 3}, [](const Tensor& x) { return permute(x, {0, 3, 1, 2}); }) == Shape{0, 3, 5, 7});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return softmax(x); }) == Shape{0, 3});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return log_softmax(x); }) == Shape{0, 3});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return normalize(x); }) == Shape{0, 3});
  CHECK(shape_of({0, 3}, [](const Tensor& x) { return cross_entropy_rows(x, Tensor({0}, DType::i64)); }) == Shape{0});
  CHECK(shape_of({4, 3}, [](const Tensor& x) { return gather(x, Tensor({0}, DType::i64)); }) == Shape{0, 3});
  CHECK(shape_of({4, 3}, [](const Tensor& x) {
          return gather(x, Tensor({2, 0, 5}, DType::i32));
        }) == Shape{2, 0, 5, 3});
  CHECK(shape_of({4, 3}, [](const Tensor& x) { return gather(x, Tensor::zeros({}, DType::i64)); }) == Shape{3});
  CHECK(shape_of({4, 3}, [](const Tensor& x) { return narrow(x, 1, 2, 2); }) == Shape{4, 0});
  CHECK(shape_of({4, 3}, [](const Tensor& x) { return x.slice(1, 1); }) == Shape{0, 3});
  CHECK(shape_of({0, 2, 3}, [](const Tensor& x) { return permute(x, {2, 0, 1}); }) == Shape{3, 0, 2});
  CHECK(shape_of({0, 2}, [](const Tensor& x) { return concat({x, Tensor({0, 2})}); }) == Shape{0, 2});
  CHECK(shape_of({0, 0}, [](const Tensor& x) { return mask_diagonal(x, 1); }) == Shape{0, 0});
  CHECK(shape_of({0, 6}, [](const Tensor& x) { return x.reshape({3, 0, 2}); }) == Shape{3, 0, 2});
  CHECK(max(Tensor({3, 0}), 0).indices.shape() == Shape{0});
  // A product over nothing is a sum of no terms.
  const Tensor empty = matmul(Tensor({2, 0}), Tensor({0, 3}));
  for (float v : empty.span<float>()) CHECK(v == 0);
}

TEST_CASE("every op names itself when its arguments do not fit") {
  const Tensor x = random({2, 3}, 1), image = random({1, 4, 4, 3}, 2), integers = Tensor::zeros({2}, DType::i64);
  CHECK_THROWS_WITH(x * random({2, 2}, 1), Contains("[multiply]"));
  CHECK_THROWS_WITH(x - random({4, 3}, 1), Contains("[subtract]"));
  CHECK_THROWS_WITH(x / Tensor({2, 3}), Contains("[divide] dtypes differ: f64 and f32"));
  CHECK_THROWS_WITH(maximum(x, random({2}, 1)), Contains("[maximum]"));
  CHECK_THROWS_WITH(matmul(random({3}, 1), x), Contains("[matmul]"));
  CHECK_THROWS_WITH(matmul(random({2, 3, 4}, 1), random({3, 4, 2}, 1)), Contains("[matmul] batches differ"));
  CHECK_THROWS_WITH(matmul(x, Tensor({3, 2})), Contains("[matmul] f64 meets only f64"));
  CHECK_THROWS_WITH(conv2d(image, random({2, 3, 3, 4}, 1), {}), Contains("[conv2d]"));
  CHECK_THROWS_WITH(conv2d(image, random({2, 5, 5, 3}, 1), {}), Contains("[conv2d]"));
  CHECK_THROWS_WITH(max_pool(x, {2, 2, 0}), Contains("[max_pool]"));
  CHECK_THROWS_WITH(max_pool(image, {2, 0, 0}), Contains("[max_pool]"));
  CHECK_THROWS_WITH(avg_pool(image, {5, 1, 0}), Contains("[avg_pool]"));
  CHECK_THROWS_WITH(global_avg_pool(x), Contains("[global_avg_pool]"));
  CHECK_THROWS_WITH(batch_norm_statistics(image, 2), Contains("[batch_norm]"));
  CHECK_THROWS_WITH(batch_norm(x, random({1, 2}, 1), random({1, 2}, 1), false), Contains("[batch_norm]"));
  CHECK_THROWS_WITH(normalize(image), Contains("[normalize]"));
  CHECK_THROWS_WITH(cross_entropy_rows(x, Tensor::full({2}, 3, DType::i64)), Contains("[cross_entropy] target 3"));
  CHECK_THROWS_WITH(cross_entropy_rows(x, Tensor::full({2}, -1, DType::i64)), Contains("[cross_entropy] target -1"));
  CHECK_THROWS_WITH(cross_entropy_rows(x, Tensor::zeros({3}, DType::i64)), Contains("[cross_entropy]"));
  CHECK_THROWS_WITH(gather(x, x),
                    "[gather] expected rows (N, ..) and an index of i64 or i32, got (2, 3) and (2, 3) f64");
  CHECK_THROWS_WITH(gather(x, Tensor()), Contains("[gather] expected rows (N, ..)"));
  CHECK_THROWS_WITH(gather(x, Tensor::full({2, 2}, 2, DType::i32)), "[gather] index 2 is outside 2 rows");
  CHECK_THROWS_WITH(gather(x, Tensor::full({1}, 2, DType::i64)), Contains("[gather]"));
  CHECK_THROWS_WITH(gather(x, Tensor::full({1}, -1, DType::i64)), Contains("[gather]"));
  CHECK_THROWS_WITH(permute(x, {0, 0}), Contains("[permute]"));
  CHECK_THROWS_WITH(permute(x, {0, 1, 2}), Contains("[permute]"));
  CHECK_THROWS_WITH(narrow(x, 2, 0, 1), Contains("[narrow] axis 2"));
  CHECK_THROWS_WITH(narrow(x, 1, 2, 4), Contains("[narrow]"));
  CHECK_THROWS_WITH(concat({x, random({2, 4}, 1)}), Contains("[concat]"));
  CHECK_THROWS_WITH(concat(std::vector<Tensor>{}), Contains("[concat] nothing to join"));
  CHECK_THROWS_WITH(mask_diagonal(x, 0), Contains("[mask_diagonal]"));
  CHECK_THROWS_WITH(sum(x, 2), Contains("[sum] axis 2"));
  CHECK_THROWS_WITH(max(Tensor({0, 3}), 0), Contains("[max] of no elements"));
  CHECK_THROWS_WITH(relu(integers), Contains("computes in f32, f64 or bf16, got i64"));
}
