// SPDX-License-Identifier: MIT

// Group norm and weight standardisation: what a network without batch statistics is made of.

#include "contrastive/encoders/resnet.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

Tensor random(Shape shape, std::uint64_t seed) { return init::normal(shape, 1, Rng(seed)).to(DType::f64); }

}  // namespace

TEST_CASE("group norm by loops") {
  for (const auto& [shape, groups] :
       {std::pair{Shape{3, 4, 5, 6}, 2}, {Shape{2, 3, 3, 6}, 6}, {Shape{4, 8}, 2}, {Shape{1, 2, 2, 4}, 1}}) {
    const std::int64_t N = shape[0], C = shape[-1], P = shape.count() / (N * C), width = C / groups;
    const Tensor x = random(shape, 1) * 3 + 5, weight = random({C}, 2), bias = random({C}, 3);
    const Tensor y = group_norm(x, groups, {.weight = weight, .bias = bias}), want(shape, DType::f64);
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t g = 0; g < groups; ++g) {
        double mean = 0, var = 0;
        const auto at = [&](std::int64_t p, std::int64_t c) { return (n * P + p) * C + g * width + c; };
        for (std::int64_t p = 0; p < P; ++p)
          for (std::int64_t c = 0; c < width; ++c) mean += x.data<double>()[at(p, c)];
        mean /= static_cast<double>(P * width);
        for (std::int64_t p = 0; p < P; ++p)
          for (std::int64_t c = 0; c < width; ++c) var += std::pow(x.data<double>()[at(p, c)] - mean, 2);
        var /= static_cast<double>(P * width);
        for (std::int64_t p = 0; p < P; ++p)
          for (std::int64_t c = 0; c < width; ++c)
            want.data<double>()[at(p, c)] =
                (x.data<double>()[at(p, c)] - mean) / std::sqrt(var + 1e-5) * weight.data<double>()[g * width + c] +
                bias.data<double>()[g * width + c];
      }
    CHECK(largest_difference(y, want) < 1e-12);
    CHECK(largest_difference(
              group_norm(x.to(DType::f32), groups, {.weight = weight.to(DType::f32), .bias = bias.to(DType::f32)}),
              want) < 1e-4);
  }
  CHECK_THROWS_WITH(group_norm(random({2, 6}, 1), 4), Contains("[group_norm] 4 groups do not divide the channels"));
}

TEST_CASE("group norm's gradients, with gain, offset, residual and ReLU") {
  for (const bool relu : {false, true}) {
    const Tensor upstream = random({2, 2, 3, 6}, 9);
    const GradcheckResult result = gradcheck(
        [&](const std::vector<Tensor>& in) {
          return sum(upstream *
                     group_norm(in[0], 3, {.weight = in[1], .bias = in[2], .residual = in[3], .relu = relu}));
        },
        {random({2, 2, 3, 6}, 1), random({6}, 2), random({6}, 3), random({2, 2, 3, 6}, 4)});
    INFO(result.message);
    CHECK(result.ok);
  }
  const Tensor upstream = random({3, 8}, 9);
  const GradcheckResult rows = gradcheck(
      [&](const std::vector<Tensor>& in) { return sum(upstream * group_norm(in[0], 2)); }, {random({3, 8}, 1)});
  INFO(rows.message);
  CHECK(rows.ok);
}

TEST_CASE("standardised weights: mean 0 and variance 1 an output, and their gradient") {
  const Tensor weight = random({3, 2, 2, 4}, 1) * 2 + 1, rows = standardized(weight).reshape({3, 16});
  CHECK(largest_difference(mean(rows, 1), Tensor::zeros({3}, DType::f64)) < 1e-12);
  CHECK(largest_difference(mean(square(rows), 1), Tensor::full({3}, 1, DType::f64)) < 1e-8);
  const Tensor upstream = random({3, 2, 2, 4}, 2);
  const GradcheckResult result =
      gradcheck([&](const std::vector<Tensor>& in) { return sum(upstream * standardized(in[0])); }, {weight});
  INFO(result.message);
  CHECK(result.ok);
  Linear layer(4, 3, Rng(1));
  layer.standardize = true;
  const Tensor x = init::normal({5, 4}, 1, Rng(2));
  CHECK(largest_difference(layer(x), add_bias(matmul(x, standardized(layer.weight), false, true), layer.bias)) == 0);
}

TEST_CASE("without batch statistics a picture's features do not depend on its batch, in training as in evaluation") {
  ResNet net({.blocks = {1, 1}, .width = 8, .stem = ResNetStem::small}, Rng(1));
  without_batch_statistics(net, 4);
  const Tensor images = init::normal({5, 8, 8, 3}, 1, Rng(2));
  const NoGrad no_grad;
  const Tensor all = net(images), one = net(images.slice(2, 3));
  CHECK(largest_difference(all.slice(2, 3), one) < 1e-5);
  {
    const Eval eval;
    CHECK(largest_difference(net(images), all) == 0);
  }
  each_buffer(net, [](const std::string& name, Buffer& b) {
    if (name.ends_with("num_batches_tracked")) CHECK(b.item() == 0);
  });
}
