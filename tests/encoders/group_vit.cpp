// SPDX-License-Identifier: MIT

// GroupViT's encoder end to end against its official code, its noise, and what it refuses.

#include "contrastive/encoders/group_vit.hpp"

#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/eval/group_segmentation.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"
#include "support/golden_weights.hpp"

using namespace contrastive;

namespace {

GroupVitConfig tiny() {
  GroupVitConfig config;
  config.image_size = 16, config.patch = 4, config.width = 8, config.heads = 2;
  config.depths = {2, 1, 1}, config.tokens = {5, 3}, config.groups = {4, 3};
  return config;
}
Tensor channels_last(const Tensor& x) { return permute(x, {0, 2, 3, 1}); }
Tensor by_segment(const Tensor& map) {  // (N, G, S) or (N, 1, G, S) to (N, S, G)
  const int last = map.rank() - 1;
  return permute(map.reshape({map.size(0), map.size(last - 1), map.size(last)}), {0, 2, 1});
}
Tensor no_noise(std::size_t, const Tensor&) { return {}; }

}  // namespace

TEST_CASE("GroupViT's encoder is the official one: any size, both stages, and all gradients of a training step",
          "[golden]") {
  const Golden g = load_golden("descendants/groupvit_model.safetensors");
  for (const DType dtype : {DType::f64, DType::f32}) {
    INFO(to_string(dtype));
    const double close = dtype == DType::f32 ? 5e-5 : 1e-9, floor = dtype == DType::f32 ? 1e-7 : 1e-12;
    GroupVit net = with_weights(GroupVit(tiny(), Rng(1)), g, "weights/", dtype);
    {
      const NoGrad no_grad;
      for (const std::string way : {"eval", "wide"}) {
        INFO(way);
        const Tensor images = channels_last(g.tensor(way == "eval" ? "image" : "image_wide")).to(dtype);
        const Eval eval;
        const GroupVitOutput out = net.grouped(images);
        check_close(out.groups, g.tensor(way + "/groups"), close, floor);
        check_close(net(images), g.tensor(way + "/feature"), close, floor);
        for (std::size_t s = 0; s < 2; ++s) {
          check_close(out.soft.at(s), by_segment(g.tensor(join(way, "/soft", s))), close, floor);
          CHECK(largest_difference(out.chosen.at(s), by_segment(g.tensor(join(way, "/hard", s))).to(dtype)) == 0);
        }
      }
    }
    const Tensor image = leaf(channels_last(g.tensor("image")), dtype);
    const GroupVitOutput out = net.grouped(image, [&](std::size_t stage, const Tensor&) {
      return by_segment(g.tensor(join("gumbel_stage", stage))).to(dtype);
    });
    const Tensor feature = mean(out.groups, 1);
    check_close(feature, g.tensor("train/feature"), close, floor);
    sum(feature * g.tensor("loss_weight").to(dtype)).backward();
    const double of_gradients = dtype == DType::f32 ? 3e-4 : 1e-9;
    check_close(image.grad(), channels_last(g.tensor("grad/image")), of_gradients, floor);
    CHECK(check_weight_gradients(net, g, "grad/weights/", of_gradients, floor) == 48);

    std::map<std::string, double> norms;
    each_parameter(net, [&](const std::string& name, Parameter& p) {
      norms[name] = std::sqrt(sum(square(p.grad().detach().to(DType::f64))).item());
    });
    const Json order = parse_json(g.metadata("grad_norms_order"), "grad_norms_order");
    REQUIRE(order.size() == norms.size());
    const Tensor wanted = g.tensor("grad_norms");
    std::int64_t place = 0;
    for (const Json& name : order) {
      INFO(name.get<std::string>());
      const double want = wanted.data<double>()[place++];
      CHECK(std::abs(norms.at(name.get<std::string>()) - want) <= of_gradients * std::max(want, 1e-2) + floor);
    }
  }
}

TEST_CASE("noise comes in training alone, another in each step, and the same in a step that is repeated") {
  const GroupVit net(tiny(), Rng(2));
  const Tensor images = init::normal({8, 16, 16, 3}, 1, Rng(3));
  const NoGrad no_grad;
  const auto first_stage = [&] { return net.grouped(images).chosen[0]; };
  const Tensor one = first_stage(), two = first_stage();
  CHECK(largest_difference(one, two) == 1);
  {
    const Eval eval;
    CHECK(largest_difference(first_stage(), first_stage()) == 0);
    CHECK(largest_difference(first_stage(), net.grouped(images, no_noise).chosen[0]) == 0);
  }
  GroupVit again(tiny(), Rng(2));
  CHECK(largest_difference(again.grouped(images).chosen[0], one) == 0);
  set_trainable(again, false);  // a branch that stands still
  CHECK(largest_difference(again.grouped(images).chosen[0], net.grouped(images, no_noise).chosen[0]) == 0);
}

TEST_CASE("every segment is in one group, and soft assignment spreads it") {
  GroupVitConfig config = tiny();
  const Tensor images = init::normal({3, 16, 16, 3}, 1, Rng(4));
  const NoGrad no_grad;
  for (const bool hard : {true, false}) {
    config.hard = hard;
    const GroupVitOutput out = GroupVit(config, Rng(5)).grouped(images);
    REQUIRE(out.chosen.size() == 2);
    CHECK(out.chosen[0].shape() == Shape{3, 16, 4});
    CHECK(out.chosen[1].shape() == Shape{3, 4, 3});
    CHECK(out.groups.shape() == Shape{3, 3, 8});
    for (const Tensor& map : out.chosen) {
      std::size_t ones = 0;
      for (const float value : map.span<float>()) ones += value == 1;
      CHECK(ones == (hard ? static_cast<std::size_t>(map.size(0) * map.size(1)) : 0));
      CHECK(largest_difference(sum(map, 2), Tensor::full({map.size(0), map.size(1)}, 1)) < 1e-5);
    }
    CHECK(patch_groups(out.soft).shape() == Shape{3, 16, 3});
  }
}

TEST_CASE("bf16 images go through, and what does not fit is named") {
  const GroupVit net(tiny(), Rng(2));
  const NoGrad no_grad;
  CHECK(net(init::normal({2, 16, 16, 3}, 1, Rng(3)).to(DType::bf16)).shape() == Shape{2, 8});
  CHECK_THROWS_WITH(net(Tensor::zeros({1, 18, 16, 3})), Contains("a patch of 4 pixels does not divide images"));
  GroupVitConfig config = tiny();
  config.tokens = {4};
  CHECK_THROWS_WITH(GroupVit(config, Rng(1)), Contains("expected tokens and groups of all stages but the last of 3"));
}
