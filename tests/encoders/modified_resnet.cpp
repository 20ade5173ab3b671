// SPDX-License-Identifier: MIT
#include "contrastive/encoders/modified_resnet.hpp"

#include <map>

#include "contrastive/io/json.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_network.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// With weights made of their names in a dual encoder.
ModifiedResNet by_formula(const ModifiedResNetConfig& config, DType dtype) {
  ModifiedResNet net(config, Rng(0));
  std::map<std::string, Tensor> weights;
  each_state(net, [&](const std::string& name, Tensor& tensor) {
    if (is_float(tensor.dtype()))
      weights[name] = formula::weight(detail::to_file_layout(tensor.detach()).shape(), "visual." + name);
  });
  REQUIRE(load_state(net, weights).ok());
  move_to(net, Device::cpu, dtype);
  return net;
}

Tensor images(std::int64_t N, std::int64_t size, DType dtype) {
  return permute(formula::fill({N, 3, size, size}, "alpha:input", 0, 4), {0, 2, 3, 1}).to(dtype);
}

const ModifiedResNetConfig tiny{.blocks = {1, 1, 1, 1}, .width = 16, .image_size = 64, .heads = 8, .output = 48};

}  // namespace

TEST_CASE("CLIP's residual network equals OpenAI's: evaluation, training, gradients, running statistics") {
  const Golden g = load_golden("models/clip_resnet_tiny.safetensors");
  for (const DType dtype : {DType::f32, DType::f64}) {
    INFO(to_string(dtype));
    const double close = dtype == DType::f32 ? 1e-5 : 1e-6;  // the frozen numbers are f32
    ModifiedResNet net = by_formula(tiny, dtype);
    const Tensor x = images(3, 64, dtype);
    {
      const NoGrad no_grad;
      const Eval eval;
      check_close(net(x), g.tensor("eval/features"), close, 0);
    }
    const Tensor features = net(x);
    check_close(features, g.tensor("train/features"), close, 0);
    const Tensor loss = sum(features * formula::fill({3, 48}, "alpha:loss_weight", 0, 2).to(dtype));
    check_close(loss.reshape({1}), g.tensor("train/loss"), dtype == DType::f32 ? 1e-3 : 1e-5, 0);
    loss.backward();
    each_buffer(net, [&](const std::string& name, Buffer& buffer) {
      if (g.has("running/" + name)) check_close(buffer, g.tensor("running/" + name), close, 0);
    });

    const double near = dtype == DType::f32 ? 1e-4 : 1e-6;
    std::map<std::string, Tensor> grads;
    each_parameter(net, [&](const std::string& name, Parameter& p) { grads[name] = detail::to_file_layout(p.grad()); });
    std::vector<double> norms;
    const Json order = parse_json(g.metadata("grad_norms_order"), "order");
    REQUIRE(order.size() == grads.size());
    for (const Json& name : order) norms.push_back(norm_of(grads.at(name.get<std::string>())));
    CHECK(largest_error(norms, values(g.tensor("grad_norms"))) < near);
    const Json strides = parse_json(g.metadata("strides"), "strides");
    REQUIRE(strides.size() == 11);
    for (const auto& member : strides.items()) {
      INFO(member.key());
      CHECK(largest_error(values(grads.at(member.key().substr(5)), member.value().get<std::int64_t>()),
                          values(g.tensor(member.key()))) < near);
    }
  }
}

TEST_CASE("RN50 equals OpenAI's: stages, the pool's attention, the feature") {
  const Golden g = load_golden("models/clip_rn50.safetensors");
  const NoGrad no_grad;
  const Eval eval;
  const ModifiedResNet net = by_formula({}, DType::f32);
  const Tensor x = images(1, 224, DType::f32);
  std::vector<Tensor> stages;
  const Tensor grid = net.through_stages(x, [&](const Tensor& y) { stages.push_back(y); });
  REQUIRE(stages.size() == 5);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string name = i == 0 ? "stem" : join("layer", i);
    INFO(name);
    check_close(global_avg_pool(stages[i]), g.tensor(name), 1e-5, 0);
  }
  CHECK(grid.shape() == Shape{1, 7, 7, 2048});
  CHECK(largest_difference(net.grid(x), grid) == 0);
  check_close(mean(net.attnpool.weights(grid), 1), g.tensor("attnpool_weights_mean_over_heads"), 1e-5, 0);
  check_close(net.attnpool(grid), g.tensor("image_features"), 1e-5, 0);
}

TEST_CASE("the names and shapes of RN50 are OpenAI's") {
  ModifiedResNet net({}, Rng(0));
  std::map<std::string, std::string> got, want;
  for (const auto& [name, tensor] : state_of(net, "visual.")) got[name] = to_string(tensor.shape());
  const std::string path = golden_path("models/openai_clip_rn50.names.json");
  const Json names = parse_json(read_text(path), path);
  for (const Json& entry : names.at("tensors")) {
    const std::string name = entry[0].get<std::string>();
    if (!name.starts_with("visual.")) continue;
    Shape shape;
    for (const Json& size : entry[1]) shape.push_back(size.get<std::int64_t>());
    want[name] = to_string(shape);
  }
  CHECK(got == want);
}

TEST_CASE("CLIP's residual network takes images of other sizes, and computes in bf16") {
  const NoGrad no_grad;
  const Eval eval;
  const ModifiedResNet net = by_formula(tiny, DType::f32);
  CHECK(net(images(1, 96, DType::f32)).shape() == Shape{1, 48});
  const Tensor wide = net(images(2, 64, DType::f32)), narrow = net(images(2, 64, DType::bf16));
  CHECK(narrow.dtype() == DType::bf16);
  CHECK(largest_error(values(narrow), values(wide)) < 0.05);
  CHECK_THROWS_WITH(ModifiedResNet({.image_size = 100}, Rng(0)),
                    "[modified_resnet] expected 4 stages, an even width and images of a multiple of 32 pixels, got 4, "
                    "64 and 100");
}

TEST_CASE("blocks of CLIP's residual network start as their shortcuts") {
  ModifiedResNet net(tiny, Rng(2));
  CHECK(largest(net.stages[1][0].bn3.weight) == 0);
  const double deviation = std::sqrt(mean(square(net.attnpool.k_proj.weight.detach())).item());
  CHECK(deviation == Approx(1 / std::sqrt(512.0)).epsilon(0.02));
}
