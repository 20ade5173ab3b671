// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>

#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/sequential.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

template <class M>
std::vector<std::string> names(M& module) {
  std::vector<std::string> all;
  each_state(module, [&](const std::string& name, Tensor&) { all.push_back(name); });
  return all;
}

using Names = std::vector<std::string>;

struct Wrapper {
  Linear inner{3, 2, Rng(1)};
  template <class F>
  void members(F&& f) {
    f("", inner);
  }
};

struct Holder {
  Wrapper first;
  std::vector<Wrapper> more = std::vector<Wrapper>(1);
  template <class F>
  void members(F&& f) {
    f("first", first);
    f("more", more);
  }
};

}  // namespace

TEST_CASE("heads are named as the official ones") {
  Mlp simclr_v1 = simclr_head(8, {.dimension = 4}, Rng(0));
  CHECK(names(simclr_v1) == Names{"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                                  "1.num_batches_tracked", "3.weight", "4.weight", "4.running_mean", "4.running_var",
                                  "4.num_batches_tracked"});  // the last norm has a gain and no offset
  Mlp byol_head = byol_mlp(8, {.hidden = 6, .dimension = 4}, Rng(0));
  CHECK(names(byol_head) == Names{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                                  "1.num_batches_tracked", "3.weight"});
  Mlp projector = simsiam_projector(8, {.dimension = 4, .projector_layers = 2}, Rng(0));
  CHECK(names(projector) == Names{"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                                  "1.num_batches_tracked", "3.weight", "3.bias", "4.running_mean", "4.running_var",
                                  "4.num_batches_tracked"});
  CHECK_FALSE(projector.layers.back().linear.bias.requires_grad());
}

TEST_CASE("a Sequential names by place and runs in order") {
  Sequential net(Conv2d(3, 4, {.kernel = 3, .stride = 2, .padding = 1}, Rng(0)), Relu{}, GlobalAvgPool{},
                 Linear(4, 2, Rng(1)));
  CHECK(names(net) == Names{"0.weight", "3.weight", "3.bias"});
  CHECK(net(Tensor::zeros({5, 8, 8, 3})).shape() == Shape{5, 2});
  CHECK(parameter_count(net) == 4 * 27 + 8 + 2);
  CHECK(Sequential(Flatten{})(Tensor::zeros({5, 8, 8, 3})).shape() == Shape{5, 192});
}

TEST_CASE("a wrapper that gives its inner module no name has the names of that") {
  Wrapper wrapper;
  CHECK(names(wrapper) == Names{"weight", "bias"});
  Holder holder;
  CHECK(names(holder) == Names{"first.weight", "first.bias", "more.0.weight", "more.0.bias"});
}

TEST_CASE("starting weights depend on their names alone and have the spread they should") {
  const Linear one(64, 32, Rng(3) / "a"), same(64, 32, Rng(3) / "a"), other(64, 32, Rng(3) / "b");
  CHECK(one.weight.data<float>()[5] == same.weight.data<float>()[5]);
  CHECK(one.weight.data<float>()[5] != other.weight.data<float>()[5]);
  for (float w : one.weight.span<float>()) REQUIRE(std::abs(w) <= 0.125f);
  const Conv2d conv(32, 64, {.kernel = 3}, Rng(0));
  CHECK(mean(square(conv.weight)).item() == Approx(2.0 / (9 * 64)).epsilon(0.05));  // fan-out
}

TEST_CASE("batch norm: training, evaluation, frozen, and a pass that leaves the statistics alone") {
  BatchNorm norm(2);
  const Tensor x = Tensor::from<float>({1, 10, 3, 30}, {2, 2});
  const NoGrad no_grad;
  const Tensor y = norm(x);
  CHECK(y.data<float>()[0] == Approx(-1).epsilon(1e-4));
  CHECK(norm.running_mean.data<float>()[0] == Approx(0.2));        // 0.9 * 0 + 0.1 * 2
  CHECK(norm.running_var.data<float>()[1] == Approx(0.9 + 20.0));  // unbiased: 200
  CHECK(norm.num_batches_tracked.item() == 1);
  {
    const KeepStatistics keep;
    norm(x);
    CHECK(norm.num_batches_tracked.item() == 1);
  }
  {
    const Eval eval;
    CHECK(norm(x).data<float>()[0] == Approx((1 - 0.2) / std::sqrt(1.1 + 1e-5)).epsilon(1e-5));
    CHECK(norm.num_batches_tracked.item() == 1);
  }
  norm.frozen = true;
  CHECK(norm(x).data<float>()[0] == Approx((1 - 0.2) / std::sqrt(1.1 + 1e-5)).epsilon(1e-5));
  CHECK(norm.num_batches_tracked.item() == 1);
  norm.frozen = false;
  CHECK(norm.relu(x, Tensor::full({2, 2}, 5)).data<float>()[0] == Approx(4).epsilon(1e-4));
  CHECK_THROWS_WITH(norm(x.slice(0, 1)), Contains("[batch_norm] training needs more than one value"));
  BatchNorm split(2, {.groups = 2});
  CHECK_THROWS_WITH(split(x), Contains("in 2 groups"));
}

TEST_CASE("batch norm of a convolution is batch norm of its output") {
  const Conv2d conv(3, 4, {.kernel = 3, .stride = 1, .padding = 1}, Rng(1));
  const Tensor x = init::normal({4, 5, 5, 3}, 1, Rng(2)), residual = init::normal({4, 5, 5, 4}, 1, Rng(3));
  const NoGrad no_grad;
  for (const BatchNormOptions& options : {BatchNormOptions{}, {.groups = 2}, {.channel_groups = 2}}) {
    const BatchNorm norm(4, options), other(4, options);
    const auto same = [](const Tensor& a, const Tensor& b) {
      CHECK(std::ranges::equal(a.span<float>(), b.span<float>()));
    };
    const auto check = [&] {
      same(norm(conv, x), other(conv(x)));
      same(norm.relu(conv, x, residual), other.relu(conv(x), residual));
      same(norm.running_var, other.running_var);
    };
    check();
    const Eval eval;
    check();
  }
}

TEST_CASE("a clone shares nothing, a copy everything, and what was frozen stays so") {
  Mlp net(3, {{.out = 4}, {.out = 2, .norm = false, .relu = false}}, Rng(0));
  net.layers[1].linear.bias.set_requires_grad(false);
  Mlp copy = net, twin = clone(net);
  net.layers[0].linear.weight.data<float>()[0] = 7;
  net.layers[0].norm.running_mean.data<float>()[0] = 7;
  CHECK(copy.layers[0].linear.weight.data<float>()[0] == 7);
  CHECK(twin.layers[0].linear.weight.data<float>()[0] != 7);
  CHECK(twin.layers[0].norm.running_mean.data<float>()[0] == 0);
  CHECK(twin.layers[0].linear.weight.requires_grad());
  CHECK_FALSE(twin.layers[1].linear.bias.requires_grad());
  sum(square(twin(Tensor::full({2, 3}, 1)))).backward();
  CHECK(twin.layers[1].linear.weight.grad().defined());
  CHECK_FALSE(net.layers[1].linear.weight.grad().defined());
  clear_gradients(twin);
  CHECK_FALSE(twin.layers[1].linear.weight.grad().defined());
  move_to(twin, Device::cpu, DType::f64);
  CHECK(twin.layers[0].linear.weight.dtype() == DType::f64);
  CHECK(twin.layers[0].norm.num_batches_tracked.dtype() == DType::i64);
  set_trainable(twin, false);
  CHECK_FALSE(twin(Tensor::full({2, 3}, 1, DType::f64)).requires_grad());
}

TEST_CASE("weights go to a file and back, and what does not fit is listed") {
  const std::string path = (std::filesystem::temp_directory_path() / "contrastive_test_nn.safetensors").string();
  Mlp net(3, {{.out = 4}, {.out = 2, .norm = false}}, Rng(0)),
      other(3, {{.out = 4}, {.out = 2, .norm = false}}, Rng(1));
  save_weights(net, path);
  load_weights(other, path);
  const Tensor x = Tensor::full({2, 3}, 1);
  const Eval eval;
  CHECK(other(x).data<float>()[1] == net(x).data<float>()[1]);
  Mlp wider(3, {{.out = 5, .bias = false}, {.out = 2}}, Rng(2));
  const float before = wider.layers[1].linear.bias.data<float>()[0];
  CHECK_THROWS_WITH(load_weights(wider, path), Contains("[load] " + path) && Contains("the weights do not fit") &&
                                                   Contains("missing 4.weight, 4.bias") &&
                                                   Contains("unexpected 0.bias") &&
                                                   Contains("0.weight (4, 3) in the file, (5, 3) wanted"));
  CHECK(wider.layers[1].linear.bias.data<float>()[0] == before);  // nothing was copied
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(load_weights(net, path), Contains(path));
}

TEST_CASE("weights behind a prefix: the refusal names it, and strip_prefix takes it off") {
  const std::string path = (std::filesystem::temp_directory_path() / "contrastive_test_prefix.safetensors").string();
  const auto make = [](std::uint64_t seed) { return Mlp(3, {{.out = 4}, {.out = 2, .norm = false}}, Rng(seed)); };
  Mlp net = make(0), momentum = make(1), other = make(2);
  const auto weight = [](const Mlp& mlp) { return mlp.layers[0].linear.weight.data<float>()[0]; };
  const float before = weight(other);
  for (const std::string prefix : {"module.", "backbone.", "module.encoder_q."}) {
    NamedTensors saved = state_of(net, prefix);
    saved.emplace_back(prefix + "fc.weight", Tensor::zeros({5, 2}));  // a classifier
    save_safetensors(path, saved);
    CHECK_THROWS_WITH(load_weights(other, path), Contains("[load] " + path) && Contains("missing 0.weight") &&
                                                     Contains("its names begin with \"" + prefix + "\"") &&
                                                     Contains("strip_prefix"));
    CHECK(weight(other) == before);
    Mlp loaded = make(2);
    load_weights(loaded, path, prefix);
    CHECK(weight(loaded) == weight(net));
    CHECK_THROWS_WITH(load_weights(other, path, "encoder."), Contains("the weights behind \"encoder.\" do not fit") &&
                                                                 Contains("begin with \"" + prefix + "\""));
  }
  // MoCo's file holds two networks and a queue: both are offered, the one that is asked for is read.
  NamedTensors both = state_of(net, "module.encoder_q.");
  for (const auto& named : state_of(momentum, "module.encoder_k.")) both.push_back(named);
  both.emplace_back("module.queue", Tensor::zeros({4, 8}));
  save_safetensors(path, both);
  CHECK_THROWS_WITH(load_weights(other, path),
                    Contains("begin with \"module.encoder_k.\", \"module.encoder_q.\", which"));
  load_weights(other, path, "module.encoder_k.");
  CHECK(weight(other) == weight(momentum));
  // Of another network no prefix is offered.
  save_weights(net, path);
  Mlp wider(3, {{.out = 5}, {.out = 2, .norm = false}}, Rng(2));
  try {
    load_weights(wider, path);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("strip_prefix") == std::string::npos);
  }
  std::filesystem::remove(path);
}
