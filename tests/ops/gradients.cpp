// SPDX-License-Identifier: MIT
#include <cmath>

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

}  // namespace

TEST_CASE("gradients of elementwise ops") {
  check("add", [](Inputs x) { return x[0] + x[1]; }, {random({3, 5}, 1), random({5}, 2)});
  check("subtract", [](Inputs x) { return x[0] - x[1]; }, {random({3, 1}, 1), random({2, 1, 5}, 2)});
  check("multiply", [](Inputs x) { return x[0] * x[1]; }, {random({3, 5}, 1), random({5}, 2)});
  check("twice the same", [](Inputs x) { return x[0] * x[0] + x[0]; }, {random({7}, 1)});
  check("divide", [](Inputs x) { return x[0] / x[1]; }, {random({3, 1, 5}, 1), exp(random({2, 1}, 2))});
  check("maximum", [](Inputs x) { return maximum(x[0], x[1]); }, {random({3, 5}, 1), random({3, 5}, 2)});
  check("minimum", [](Inputs x) { return minimum(x[0], x[1]); }, {random({3, 5}, 1), random({1, 5}, 2)});
  check("relu", [](Inputs x) { return relu(x[0]); }, {random({67}, 1)});
  check("gelu", [](Inputs x) { return gelu(x[0]); }, {random({67}, 1)});
  check("quick_gelu", [](Inputs x) { return quick_gelu(x[0]); }, {random({67}, 1)});
  check("gelu_tanh", [](Inputs x) { return activate(Activation::gelu_tanh, x[0]); }, {random({67}, 1)});
  for (const Shape shape : {Shape{67, 1}, {3, 2, 5}, {1, 67}, {2, 513}}) {
    const Tensor x = random(shape, 1), bias = random({shape[-1]}, 2);
    check("relu with bias", [](Inputs x) { return relu(x[0], x[1]); }, {x, bias});
    check("bias", [](Inputs x) { return add_bias(x[0], x[1]); }, {x, bias});
    check("gelu with bias", [](Inputs x) { return gelu(x[0], x[1]); }, {x, bias});
  }
  check("exp", [](Inputs x) { return exp(x[0]); }, {random({67}, 1)});
  check("log", [](Inputs x) { return log(x[0]); }, {exp(random({67}, 1))});
  check("sqrt", [](Inputs x) { return sqrt(x[0]); }, {exp(random({67}, 1))});
  check("square", [](Inputs x) { return square(x[0]); }, {random({67}, 1)});
  check("abs", [](Inputs x) { return abs(x[0]); }, {random({67}, 1)});
  check("pow", [](Inputs x) { return pow(x[0], 1.7); }, {exp(random({67}, 1))});
  check("tanh", [](Inputs x) { return tanh(x[0]); }, {random({67}, 1)});
  check("sigmoid", [](Inputs x) { return sigmoid(x[0]); }, {random({67}, 1)});
  check("log_sigmoid", [](Inputs x) { return log_sigmoid(x[0] * 20); }, {random({67}, 1)});
  check("clamp_min", [](Inputs x) { return clamp_min(x[0], 0.1); }, {random({67}, 1)});
  check("clamp_max", [](Inputs x) { return clamp_max(x[0], 0.1); }, {random({67}, 1)});
  check("numbers", [](Inputs x) { return 2 - (x[0] * 3 + 1) / 7; }, {random({67}, 1)});
}

TEST_CASE("gradients of products, windows and norms") {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const auto product = [=](Inputs x) { return matmul(x[0], x[1], ta, tb, 0.3); };
      check("matmul", product, {random(ta ? Shape{7, 3} : Shape{3, 7}, 1), random(tb ? Shape{5, 7} : Shape{7, 5}, 2)});
      check("matmul with bias", [=](Inputs x) { return matmul(x[0], x[1], ta, tb, 1, x[2]); },
            {random(ta ? Shape{7, 3} : Shape{3, 7}, 1), random(tb ? Shape{5, 7} : Shape{7, 5}, 2), random({5}, 3)});
      check("matmul, batch", product,
            {random(ta ? Shape{2, 7, 3} : Shape{2, 3, 7}, 1), random(tb ? Shape{2, 5, 7} : Shape{2, 7, 5}, 2)});
    }
  for (const WindowSpec spec :
       {WindowSpec{3, 1, 1}, WindowSpec{3, 2, 1}, WindowSpec{1, 1, 0}, WindowSpec{1, 2, 0}, WindowSpec{5, 2, 2}})
    check("conv2d", [=](Inputs x) { return conv2d(x[0], x[1], spec); },
          {random({2, 5, 7, 3}, 1), random({4, spec.kernel, spec.kernel, 3}, 2)});
  check("max_pool", [](Inputs x) { return max_pool(x[0], {3, 2, 1}); }, {random({2, 5, 7, 3}, 1)});
  check("avg_pool", [](Inputs x) { return avg_pool(x[0], {3, 2, 1}); }, {random({2, 5, 7, 3}, 1)});
  check("global_avg_pool", [](Inputs x) { return global_avg_pool(x[0]); }, {random({2, 5, 7, 3}, 1)});
  for (std::int64_t groups : {1, 2, 4})
    check("batch_norm",
          [=](Inputs x) {
            const auto [mean, var] = batch_norm_statistics(x[0], groups);
            return batch_norm(x[0], mean, var, false, {x[1], x[2], x[3], true});
          },
          {random({4, 3, 2, 19}, 1), random({19}, 2), random({19}, 3), random({4, 3, 2, 19}, 4)});
  check("batch_norm, plain",
        [](Inputs x) {
          const auto [mean, var] = batch_norm_statistics(x[0]);
          return batch_norm(x[0], mean, var, false);
        },
        {random({5, 3}, 1)});
  check("batch_norm, frozen",
        [](Inputs x) {
          return batch_norm(x[0], Tensor::full({1, 5}, .1, DType::f64), Tensor::full({1, 5}, 2, DType::f64), true,
                            {x[1], x[2], x[3], false});
        },
        {random({4, 5}, 1), random({5}, 2), random({5}, 3), random({4, 5}, 4)});
}

TEST_CASE("gradients of rows, sums and movers") {
  check("softmax", [](Inputs x) { return softmax(x[0]); }, {random({3, 17}, 1)});
  check("log_softmax", [](Inputs x) { return log_softmax(x[0]); }, {random({3, 17}, 1)});
  check("log_sum_exp", [](Inputs x) { return log_sum_exp(x[0]); }, {random({3, 17}, 1)});
  check("normalize", [](Inputs x) { return normalize(x[0]); }, {random({3, 17}, 1)});
  const Tensor targets = Tensor::from<std::int64_t>({2, 0, 16}, {3});
  check("cross_entropy_rows", [&](Inputs x) { return cross_entropy_rows(x[0], targets); }, {random({3, 17}, 1)});
  check("gather",
        [](Inputs x) {
          return square(gather(x[0], Tensor::from<std::int64_t>({2, 0, 2, 1}, {4})));
        },
        {random({3, 2}, 1)});
  check("concat", [](Inputs x) { return square(concat({x[0], x[1]}, 1)); }, {random({3, 2}, 1), random({3, 5}, 2)});
  check("narrow", [](Inputs x) { return square(narrow(x[0], 1, 1, 3)); }, {random({3, 4, 2}, 1)});
  check("slice", [](Inputs x) { return x[0].slice(1, 3) * x[0].slice(0, 2); }, {random({3, 2}, 1)});
  check("reshape", [](Inputs x) { return square(x[0].reshape({4, -1})); }, {random({3, 2, 4}, 1)});
  check("permute", [](Inputs x) { return square(permute(x[0], {2, 0, 1})); }, {random({3, 2, 4}, 1)});
  check("mask_diagonal", [](Inputs x) { return square(mask_diagonal(x[0], 3)); }, {random({5, 5}, 1)});
  check("sum", [](Inputs x) { return sum(square(x[0])); }, {random({3, 2, 4}, 1)});
  for (int axis : {0, 1, 2, -1}) {
    check("sum of an axis", [=](Inputs x) { return sum(square(x[0]), axis); }, {random({3, 2, 4}, 1)});
    check("mean of an axis", [=](Inputs x) { return mean(square(x[0]), axis, true); }, {random({3, 2, 4}, 1)});
  }
  check("custom_gradient",
        [](Inputs x) {
          return custom_gradient(
              {x[0]}, [](auto in) { return square(in[0]); },
              [](const Tensor& dy, auto in, const Tensor&) { return std::vector<Tensor>{dy * in[0] * 2}; });
        },
        {random({5}, 1)});
}

TEST_CASE("a wrong gradient is found") {
  const auto wrong = [](Inputs x) {
    return custom_gradient(
        {x[0]}, [](auto in) { return square(in[0]); },
        [](const Tensor& dy, auto in, const Tensor&) { return std::vector<Tensor>{dy * in[0]}; });
  };
  CHECK_FALSE(gradcheck(wrong, {random({5}, 1)}).ok);
}

TEST_CASE("empty tensors pass, wrong shapes are named") {
  const Tensor none({0, 3}, DType::f64);
  CHECK(relu(none).shape() == Shape{0, 3});
  CHECK((none + none).count() == 0);
  CHECK(matmul(none, random({3, 2}, 1)).shape() == Shape{0, 2});
  CHECK(matmul(random({2, 3}, 1), none, false, true).shape() == Shape{2, 0});
  CHECK(sum(none, 0).span<double>()[2] == 0);
  CHECK_THROWS_WITH(matmul(random({2, 3}, 1), random({4, 2}, 1)),
                    Contains("[matmul] inner sizes differ: (2, 3) x (4, 2)"));
  CHECK_THROWS_WITH(random({2, 3}, 1) + random({4}, 1), Contains("[add] shapes do not broadcast: (2, 3) and (4)"));
  CHECK_THROWS_WITH(random({2, 3}, 1).reshape({4}), Contains("[reshape]"));
  CHECK_THROWS_WITH(mean(none), Contains("[mean]"));
}

TEST_CASE("clamps cut values and pass the gradient up to their bound", "[ops]") {
  const float nan = std::nanf("");
  Tensor x = Tensor::from<float>({-2, -1, 0, 1, 2, nan}, {6});
  x.set_requires_grad(true);
  const auto numbers = [](const Tensor& y) { return std::vector<float>(y.data<float>(), y.data<float>() + 5); };
  const Tensor low = clamp_min(x, -1), high = clamp_max(x, 1);
  CHECK(numbers(low) == std::vector<float>{-1, -1, 0, 1, 2});
  CHECK(numbers(high) == std::vector<float>{-2, -1, 0, 1, 1});
  CHECK((std::isnan(low.data<float>()[5]) && std::isnan(high.data<float>()[5])));
  sum(high).backward();
  CHECK(numbers(x.grad()) == std::vector<float>{1, 1, 1, 1, 0});
  x.clear_grad();
  sum(clamp_min(x, -1)).backward();
  CHECK(numbers(x.grad()) == std::vector<float>{0, 1, 1, 1, 1});
}
