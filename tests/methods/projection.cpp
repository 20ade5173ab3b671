// SPDX-License-Identifier: MIT

// The projection head with a residual branch: by loops, its gradients, and its dropout, which is of training alone.

#include "contrastive/methods/clip.hpp"

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/text_view.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/token_bag.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

constexpr std::int64_t N = 3, width = 5, D = 4;

Tensor random(Shape shape, std::uint64_t seed) { return init::normal(shape, 1, Rng(seed)).to(DType::f64); }

/// A head whose parameters are all drawn.
UnitProjection head(double rate = 0) {
  UnitProjection made = UnitProjection::with_branch(width, D, rate, Rng(1));
  move_to(made, Device::cpu, DType::f64);
  std::uint64_t seed = 10;
  each_parameter(made, [&](const std::string&, Parameter& p) { p.copy_from(random(p.shape(), seed++)); });
  return made;
}

const double* at(const Tensor& x) { return x.data<double>(); }

/// What the head makes of a row before it is of unit length, with the branch's numbers multiplied by `kept` (D).
std::vector<double> by_loops(const UnitProjection& h, const double* row, const std::vector<double>& kept) {
  std::vector<double> x(D), g(D), y(D);
  for (std::int64_t d = 0; d < D; ++d) {
    x[d] = at(h.bias)[d];
    for (std::int64_t i = 0; i < width; ++i) x[d] += row[i] * at(h.proj)[i * D + d];
    g[d] = 0.5 * x[d] * (1 + std::erf(x[d] / std::sqrt(2.0)));
  }
  double mean = 0, variance = 0;
  for (std::int64_t d = 0; d < D; ++d) {
    double branch = at(h.residual.linear.bias)[d];
    for (std::int64_t i = 0; i < D; ++i) branch += at(h.residual.linear.weight)[d * D + i] * g[i];
    y[d] = x[d] + kept[d] * branch;
    mean += y[d] / D;
  }
  for (const double v : y) variance += (v - mean) * (v - mean) / D;
  for (std::int64_t d = 0; d < D; ++d)
    y[d] = (y[d] - mean) / std::sqrt(variance + 1e-3) * at(h.residual.norm.weight)[d] + at(h.residual.norm.bias)[d];
  return y;
}

}  // namespace

TEST_CASE("a residual projection is its loops, and ends at unit length") {
  const UnitProjection h = head();
  const Tensor x = random({N, width}, 2), y = h.project(x), z = h(x);
  for (std::int64_t n = 0; n < N; ++n) {
    const std::vector<double> wanted = by_loops(h, at(x) + n * width, {1, 1, 1, 1});
    double length = 0;
    for (const double v : wanted) length += v * v;
    for (std::int64_t d = 0; d < D; ++d) {
      CHECK(at(y)[n * D + d] == Approx(wanted[d]).epsilon(1e-12));
      CHECK(at(z)[n * D + d] == Approx(wanted[d] / std::sqrt(length)).epsilon(1e-12));
    }
  }
}

TEST_CASE("the gradients of a residual projection: of its input and of every parameter") {
  const Tensor upstream = random({N, D}, 3);
  std::vector<Tensor> inputs{random({N, width}, 2)};
  UnitProjection h = head();
  each_parameter(h, [&](const std::string&, Parameter& p) { inputs.push_back(p.detach().clone()); });
  REQUIRE(inputs.size() == 7);
  const GradcheckResult result = gradcheck(
      [&](const std::vector<Tensor>& in) {
        UnitProjection one = head();
        std::size_t next = 1;
        each_parameter(one, [&](const std::string&, Parameter& p) { static_cast<Tensor&>(p) = in[next++]; });
        return sum(upstream * one(in[0]));
      },
      inputs);
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE(
    "dropout is of training alone, as often as it says, another in each step, and the same in a step that is "
    "repeated") {
  const Dropout drop(0.25, Rng(1));
  const Tensor ones = Tensor::full({200, 100}, 1);
  const auto share_out = [](const Tensor& y) {
    double out = 0;
    for (const float v : y.span<float>()) {
      CHECK((v == 0 || v == Approx(1 / 0.75)));
      out += v == 0;
    }
    return out / 20000;
  };
  const Tensor first = drop(ones), second = drop(ones);
  CHECK(share_out(first) == Approx(0.25).margin(0.015));  // 5 deviations
  CHECK(largest_difference(first, second) > 1);
  {
    const Eval eval;
    CHECK(largest_difference(drop(ones), ones) == 0);
  }
  Tensor whole;
  {
    const NoGrad no_grad;
    whole = drop(ones);
  }
  const KeepStatistics keep;
  CHECK(largest_difference(drop(ones), whole) == 0);
  CHECK_THROWS_WITH(Dropout(1, Rng(1)), Contains("[dropout] the rate is in [0, 1), got 1"));
}

TEST_CASE("in training a residual projection drops numbers of its branch and nothing else") {
  const UnitProjection h = head(0.5);
  const Tensor x = random({1, width}, 2), y = h.project(x);
  int matches = 0, whole = 0;
  for (int mask = 0; mask < 16; ++mask) {
    std::vector<double> kept;
    for (int d = 0; d < D; ++d) kept.push_back(mask >> d & 1 ? 2 : 0);
    const std::vector<double> one = by_loops(h, at(x), kept);
    double error = 0;
    for (std::int64_t d = 0; d < D; ++d) error = std::max(error, std::abs(at(y)[d] - one[d]));
    matches += error < 1e-10;
  }
  CHECK(matches == 1);
  const Eval eval;
  const std::vector<double> plain = by_loops(h, at(x), {1, 1, 1, 1});
  for (std::int64_t d = 0; d < D; ++d) whole += std::abs(at(h.project(x))[d] - plain[d]) < 1e-10;
  CHECK(whole == D);
}

TEST_CASE("clip has residual projections where it is told to, and saves them") {
  const auto names = [](const ClipConfig& config) {
    auto method = clip(ConvNet(3, {8, 8}, Rng(1)), TokenBag(100, 6, Rng(2)),
                       AnyAugment(SampleViews(clip_train(16), of_text(BpeTokenizer(), 8))), config, Rng(3));
    std::map<std::string, Shape> shapes;
    each_state(method.online, [&](const std::string& name, const Tensor& x) {
      if (name.find("projector") != name.npos) shapes.emplace(name, x.shape());
    });
    return shapes;
  };
  const auto linear = names({.dimension = 4}), residual = names({.dimension = 4, .projection = "residual"});
  CHECK(linear == std::map<std::string, Shape>{{"0.projector.proj", {8, 4}}, {"1.projector.proj", {6, 4}}});
  CHECK(residual.size() == 14);
  CHECK(residual.at("0.projector.residual.linear.weight") == Shape{4, 4});
  CHECK(residual.at("1.projector.residual.norm.bias") == Shape{4});
  CHECK(residual.contains("1.projector.residual.dropout.num_batches_tracked"));
}
