// SPDX-License-Identifier: MIT
#include "contrastive/encoders/resnet.hpp"

#include <map>

#include "contrastive/core/parallel.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/formula_network.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

struct Tolerance {
  double eval, train, gradient, gradient_after_a_flip = 0;
};

/// What each ReLU of the network lets through.
std::vector<Tensor> after_relus(const ResNet& net, const Tensor& images) {
  std::vector<Tensor> seen;
  const auto keep = [&](const Tensor& x) { return seen.push_back(x.to(DType::f64)), x; };
  Tensor x = keep(net.bn1.relu(net.conv1(images)));
  if (net.config().stem == ResNetStem::imagenet) x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (const auto& stage : net.stages)
    for (const ResNet::Block& block : stage) {
      const Tensor inner = keep(block.bn1.relu(block.conv1(x)));
      if (block.conv3.weight.defined()) keep(block.bn2.relu(block.conv2(inner)));
      x = keep(block(x));
    }
  return seen;
}

/// ReLUs that the network in this dtype decides otherwise than in float64. One is enough to move the gradients of all
/// that lies before it by per cents: with two pictures the last stages normalise over few values.
std::int64_t flipped_relus(const ResNet& net, const ResNet& wide, const Tensor& images) {
  const NoGrad no_grad;
  const KeepStatistics keep;
  const std::vector<Tensor> a = after_relus(net, images), b = after_relus(wide, images.to(DType::f64));
  std::int64_t flips = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::int64_t j = 0; j < a[i].count(); ++j) {
      const double x = a[i].data<double>()[j], y = b[i].data<double>()[j];
      if ((x > 0) == (y > 0)) continue;
      ++flips;
      CHECK(std::max(x, y) < 1e-3);  // close calls, all of them
    }
  return flips;
}

void check_against_torchvision(const std::string& file, ResNet start, int size, DType dtype, Tolerance tolerance) {
  const Golden g = load_golden("models/" + file + ".safetensors");
  ResNet net = formula_network(start), wide = formula_network(std::move(start));
  move_to(net, Device::cpu, dtype);
  move_to(wide, Device::cpu, DType::f64);
  const int to_nhwc[] = {0, 2, 3, 1}, to_nchw[] = {0, 3, 1, 2};
  Tensor images = permute(formula::fill({2, 3, size, size}, "alpha:input", 0, 4), to_nhwc).to(dtype);
  const Tensor coefficients = formula::fill({2, net.features()}, "alpha:loss_weight", 0, 2).to(dtype);
  const Json strides = parse_json(g.metadata("strides"), "strides");
  const Json order = parse_json(g.metadata("grad_norms_order"), "order");

  const auto check_pass = [&](const std::string& pass, const std::string& gradients, double close) {
    images.set_requires_grad(true);
    images.clear_grad();
    clear_gradients(net);
    {
      const NoGrad no_grad;
      const KeepStatistics keep;
      const std::vector<Tensor> means = net.stage_means(images);
      const char* names[] = {"stem", "layer1", "layer2", "layer3", "layer4"};
      for (std::size_t i = 0; i < means.size(); ++i) {
        INFO(file << " " << pass << " " << names[i]);
        CHECK(relative_error(values(means[i]), values(g.tensor(pass + "/" + names[i]))) < close);
      }
    }
    const std::int64_t flips = dtype == DType::f64 ? 0 : flipped_relus(net, wide, images);
    INFO("ReLUs flipped: " << flips);
    const double near = flips ? tolerance.gradient_after_a_flip : tolerance.gradient;
    const Tensor features = net(images);
    CHECK(relative_error(values(features), values(g.tensor(pass + "/features"))) < close);
    sum(features * coefficients).backward();

    std::map<std::string, Tensor> grads{{"input", permute(images.grad(), to_nchw)}};
    each_parameter(net, [&](const std::string& name, Parameter& p) { grads[name] = detail::to_file_layout(p.grad()); });
    std::vector<double> norms;
    for (const Json& name : order) norms.push_back(norm_of(grads.at(name.get<std::string>())));
    CHECK(relative_error(norms, values(g.tensor(gradients + "_norms"))) < near);
    for (const auto& member : strides.items()) {
      if (!member.key().starts_with(gradients + "/")) continue;
      INFO(file << " " << member.key());
      CHECK(relative_error(
                values(grads.at(member.key().substr(gradients.size() + 1)), member.value().get<std::int64_t>()),
                values(g.tensor(member.key()))) < near);
    }
  };
  {
    const Eval eval;
    check_pass("eval", "eval_grad", tolerance.eval);
  }
  check_pass("train", "grad", tolerance.train);
  each_buffer(net, [&](const std::string& name, Buffer& buffer) {
    if (!g.has("running/" + name)) return;
    INFO(file << " " << name);
    CHECK(relative_error(values(buffer), values(g.tensor("running/" + name))) < tolerance.train);
  });
}

}  // namespace

TEST_CASE("ResNets equal torchvision's in evaluation, training, gradients and running statistics") {
  check_against_torchvision("resnet18", resnet18(Rng(0)), 64, DType::f32, {2e-5, 2e-5, 5e-4, 2e-2});
  check_against_torchvision("resnet18_cifar", resnet18(Rng(0), ResNetStem::small), 32, DType::f32,
                            {2e-5, 2e-5, 5e-4, 2e-2});
  check_against_torchvision("resnet50", resnet50(Rng(0)), 64, DType::f32, {2e-5, 5e-4, 5e-4, 6e-2});
}

TEST_CASE("in float64 a ResNet equals torchvision's to the precision of the stored numbers") {
  check_against_torchvision("resnet18_cifar", resnet18(Rng(0), ResNetStem::small), 32, DType::f64, {1e-6, 1e-6, 1e-6});
  check_against_torchvision("resnet50", resnet50(Rng(0)), 64, DType::f64, {1e-6, 1e-6, 1e-6});
}

TEST_CASE("names and shapes are torchvision's") {
  for (const auto& [file, net] :
       {std::pair("resnet18", resnet18(Rng(0))), {"resnet34", resnet34(Rng(0))}, {"resnet50", resnet50(Rng(0))}}) {
    ResNet mine = net;
    std::map<std::string, std::string> got, want;
    each_state(mine, [&, f = file](const std::string& name, Tensor& tensor) {
      INFO(f);
      got[name] = to_string(detail::to_file_layout(tensor.detach()).shape());
    });
    const std::string path = golden_path(std::string("models/torchvision_") + file + ".names.json");
    const Json names = parse_json(read_text(path), path);
    for (const Json& entry : names.at("tensors")) {
      const std::string name = entry[0].get<std::string>();
      if (name.starts_with("fc.")) continue;
      Shape shape;
      for (const Json& size : entry[1]) shape.push_back(size.get<std::int64_t>());
      want[name] = to_string(shape);
    }
    CHECK(got == want);
  }
}

TEST_CASE("weights that do not fit are listed") {
  ResNet small = resnet18(Rng(0), ResNetStem::small), large = resnet18(Rng(0));
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : state_of(large)) weights[name] = tensor;
  weights.erase("bn1.bias");
  weights["extra"] = Tensor::zeros({1});
  const LoadReport report = load_state(small, weights);
  CHECK(to_string(report) ==
        "missing bn1.bias; unexpected extra; of another shape: conv1.weight (64, 7, 7, 3) in the file, (64, 3, 3, 3) "
        "wanted");
}

TEST_CASE("a clone has tensors of its own") {
  ResNet net = resnet_cifar(8, Rng(0)), copy = clone(net);
  net.conv1.weight.data<float>()[0] += 1;
  CHECK(copy.conv1.weight.data<float>()[0] != net.conv1.weight.data<float>()[0]);
  CHECK(parameter_count(net) == parameter_count(copy));
}
