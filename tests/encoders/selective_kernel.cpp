// SPDX-License-Identifier: MIT

// SimCLR v2's backbone: selective kernels, ResNet-D, width.

#include <cmath>
#include <set>
#include <string>

#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"
#include "support/formula_network.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// Parameters of the paper's table 1, by arithmetic: bottlenecks of 3, 4, 6 and 3, without the classifier; `w` channels in
/// the first stage.
std::int64_t paper_count(std::int64_t w, bool selective) {
  std::int64_t total =
      selective ? 9 * (3 * w / 2 + w / 2 * w / 2 + w / 2 * w) + 2 * (w / 2 + w / 2 + w) : 49 * 3 * w + 2 * w;
  std::int64_t in = w;
  const std::int64_t depths[] = {3, 4, 6, 3};
  for (std::int64_t s = 0; s < 4; ++s)
    for (std::int64_t b = 0; b < depths[s]; ++b) {
      const std::int64_t c = w << s, out = 4 * c, middle = std::max<std::int64_t>(c / 16, 32);
      total += in * c + 2 * c + c * out + 2 * out;
      total += selective ? 9 * c * 2 * c + 4 * c + c * middle + 2 * middle + middle * 2 * c : 9 * c * c + 2 * c;
      if (b == 0) total += in * out + 2 * out;
      in = out;
    }
  return total;
}

}  // namespace

TEST_CASE("SimCLR v2's networks have the parameters of its table", "[encoders]") {
  const auto millions = [](std::int64_t count) {
    return static_cast<int>(std::lround(static_cast<double>(count) / 1e6));
  };
  CHECK(millions(paper_count(64, false)) == 24);
  CHECK(millions(paper_count(64, true)) == 35);
  CHECK(millions(paper_count(128, false)) == 94);
  CHECK(millions(paper_count(128, true)) == 140);
  for (const auto& [multiplier, selective] : {std::pair(1, false), std::pair(1, true), std::pair(2, false)}) {
    ResNet net = resnet50_simclr_v2(Rng(1), multiplier, selective);
    CHECK(parameter_count(net) == paper_count(64 * multiplier, selective));
    CHECK(net.features() == 2048 * multiplier);
  }
  CHECK(make_encoder("resnet18", {.width = 2}, Rng(1)).features() == 1024);
  CHECK_THROWS_WITH(make_encoder("small", {.width = 2}, Rng(1)), Contains("--width"));
  ResNet small({.blocks = {3, 4, 6, 3}, .bottleneck = true, .width = 8}, Rng(1));  // an eighth
  CHECK(small.features() == 256);
}

TEST_CASE("SimCLR v2's networks are the official ones", "[encoders]") {
  const Golden g = load_golden("models/resnet_simclr_v2.safetensors");
  const Json strides = parse_json(g.metadata("strides"), "strides");
  const int to_nhwc[] = {0, 2, 3, 1}, to_nchw[] = {0, 3, 1, 2};
  const auto check = [&](const std::string& name, ResNetConfig config, int size) {
    config.blocks = {1, 2, 1, 1};
    config.bottleneck = true;
    config.width = 16;
    config.same_pool = true;
    ResNet net = formula_network(ResNet(config, Rng(0)));
    move_to(net, Device::cpu, DType::f64);
    Tensor images = permute(formula::fill({4, 3, size, size}, "alpha:input", 0, 4), to_nhwc).to(DType::f64);
    images.set_requires_grad(true);
    const Tensor coefficients = formula::fill({4, net.features()}, "alpha:loss_weight", 0, 2).to(DType::f64);
    const auto pass = [&](const std::string& mode) {
      const std::string at = name + "/" + mode + "/";
      const auto near = [&](const std::string& what, const std::vector<double>& got) {
        INFO(at << what);
        CHECK(relative_error(got, values(g.tensor(at + what))) < 1e-10);
      };
      {
        const NoGrad no_grad;
        const KeepStatistics keep;
        const std::vector<Tensor> means = net.stage_means(images);
        for (std::size_t i = 1; i < 4; ++i) near("stage" + std::to_string(i), values(means[i]));
      }
      images.clear_grad();
      clear_gradients(net);
      const Tensor features = net(images);
      near("features", values(features));
      sum(features * coefficients).backward();
      std::map<std::string, Tensor> grads;
      each_parameter(net,
                     [&](const std::string& name, Parameter& p) { grads[name] = detail::to_file_layout(p.grad()); });
      std::vector<double> norms;
      for (const auto& [parameter, grad] : grads) norms.push_back(norm_of(grad));  // by name, as the file has them
      near("grad_norms", norms);
      grads["input"] = permute(images.grad(), to_nchw);
      for (const auto& member : strides.items()) {
        if (!member.key().starts_with(at)) continue;
        const std::string what = member.key().substr(at.size());  // grad_input, grad/NAME
        near(what, values(grads.at(what.substr(5)), member.value().get<std::int64_t>()));
      }
    };
    if (name == "sk64") {
      const Eval eval;
      pass("eval");
    }
    pass("train");
  };
  const ResNetConfig selective{.resnet_d = true, .sk_ratio = 0.0625};
  check("sk64", selective, 64);
  check("sk45", selective, 45);
  check("plain64", {}, 64);
  check("sk_small", {.stem = ResNetStem::small, .resnet_d = true, .sk_ratio = 0.0625}, 16);
}

TEST_CASE("selective kernels and ResNet-D give the sizes of the plain network, odd pictures too", "[encoders]") {
  const NoGrad no_grad;
  for (const ResNetStem stem : {ResNetStem::imagenet, ResNetStem::small})
    for (const int size : {64, 45}) {
      const ResNet net(
          {.blocks = {1, 1, 1, 1}, .bottleneck = true, .width = 8, .stem = stem, .resnet_d = true, .sk_ratio = 0.0625},
          Rng(1));
      CHECK(net(init::normal({2, size, size, 3}, 1, Rng(2))).shape() == Shape{2, 256});
    }
  CHECK_THROWS_WITH(ResNet({.sk_ratio = 0.0625}, Rng(1)), Contains("selective kernels are for bottleneck blocks"));
}

TEST_CASE("names tell the parts of a selective network", "[encoders]") {
  ResNet net({.blocks = {1, 1}, .bottleneck = true, .width = 8, .resnet_d = true, .sk_ratio = 0.0625}, Rng(1));
  std::set<std::string> names;
  each_parameter(net, [&](const std::string& name, Parameter&) { names.insert(name); });
  for (const char* name : {"deep.0.conv.weight", "deep.1.bn.bias", "conv1.weight", "layer1.0.sk.conv.weight",
                           "layer2.0.sk.excite.weight", "layer2.0.downsample.0.weight"})
    CHECK(names.count(name) == 1);
  CHECK(names.count("layer1.0.conv2.weight") == 0);
}

TEST_CASE("a selective kernel mixes its two streams channel by channel, as its loops do", "[encoders]") {
  const std::int64_t N = 2, H = 4, C = 3;
  SelectiveKernelConv sk(2, C, 1, 0.0625, Rng(1));
  move_to(sk, Device::cpu, DType::f64);
  CHECK(sk.squeeze.weight.size(0) == 32);
  const Tensor x = init::normal({N, H, H, 2}, 1, Rng(2)).to(DType::f64);
  const NoGrad no_grad;
  const Eval eval;  // norms with mean 0 and variance 1
  const Tensor got = sk(x), both = sk.bn.relu(sk.conv(x));
  const double scale = 1 / std::sqrt(1 + 1e-5);
  for (std::int64_t n = 0; n < N; ++n) {
    std::vector<double> seen(C, 0.0), middle(32), choice(2 * C);
    for (std::int64_t p = 0; p < H * H; ++p)
      for (std::int64_t c = 0; c < C; ++c)
        for (const std::int64_t stream : {0, 1})
          seen[c] += both.data<double>()[(n * H * H + p) * 2 * C + stream * C + c] / (H * H);
    for (std::int64_t m = 0; m < 32; ++m) {
      for (std::int64_t c = 0; c < C; ++c) middle[m] += sk.squeeze.weight.data<double>()[m * C + c] * seen[c];
      middle[m] = std::max(0.0, middle[m] * scale);
    }
    for (std::int64_t k = 0; k < 2 * C; ++k)
      for (std::int64_t m = 0; m < 32; ++m) choice[k] += sk.excite.weight.data<double>()[k * 32 + m] * middle[m];
    for (std::int64_t p = 0; p < H * H; ++p)
      for (std::int64_t c = 0; c < C; ++c) {
        const double* const at = both.data<double>() + (n * H * H + p) * 2 * C;
        const double first = std::exp(choice[c]), second = std::exp(choice[C + c]);
        const double want = (first * at[c] + second * at[C + c]) / (first + second);
        CHECK(got.data<double>()[(n * H * H + p) * C + c] == Approx(want).margin(1e-12));
      }
  }
}

TEST_CASE("the block with a selective kernel and a ResNet-D shortcut has true gradients", "[encoders]") {
  const ResNetConfig config{.bottleneck = true, .resnet_d = true, .sk_ratio = 0.0625};
  ResNet::Block block(3, 2, 2, config, Rng(1));
  move_to(block, Device::cpu, DType::f64);
  const Tensor x = init::normal({3, 5, 5, 3}, 1, Rng(2)).to(DType::f64);
  const GradcheckResult result = gradcheck(
      [&](const std::vector<Tensor>& in) {
        static_cast<Tensor&>(block.sk.conv.weight) = in[1];
        static_cast<Tensor&>(block.sk.excite.weight) = in[2];
        static_cast<Tensor&>(block.shortcut.weight) = in[3];
        return block(in[0]);
      },
      {x, block.sk.conv.weight.detach().clone(), block.sk.excite.weight.detach().clone(),
       block.shortcut.weight.detach().clone()});
  INFO(result.message);
  CHECK(result.ok);
}
