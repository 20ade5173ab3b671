// SPDX-License-Identifier: MIT
// Five steps at a changing rate, beside the numbers of the official implementations.

#include <cmath>
#include <string>
#include <vector>

#include "contrastive/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

using Names = std::vector<std::string>;

/// Runs the case with `make(groups)` in f32 and f64; `bare` names what goes without decay and adaptation.
template <class Make>
void check_case(const std::string& file, const Names& decayed, const Names& bare, double weight_decay,
                double f32_tolerance, double f64_tolerance, Make&& make, const std::string& after = "after.") {
  const Golden golden = load_golden(file);
  for (const DType dtype : {DType::f32, DType::f64}) {
    std::vector<ParameterGroup> groups(2);
    groups[0].weight_decay = weight_decay;
    groups[1].adapt = false;
    for (int g = 0; g < 2; ++g)
      for (const std::string& name : g == 0 ? decayed : bare) {
        Tensor parameter = golden.tensor("init." + name).to(dtype).clone();
        parameter.set_requires_grad(true);
        groups[g].parameters.push_back(parameter);
        groups[g].names.push_back(name);
      }
    if (bare.empty()) groups.pop_back();
    auto optimizer = make(groups);
    const Tensor rates = golden.tensor("lr");
    for (std::int64_t step = 0; step < rates.count(); ++step) {
      for (const ParameterGroup& group : groups)
        for (std::size_t i = 0; i < group.parameters.size(); ++i) {
          const Tensor& all = golden.tensor("grad." + group.names[i]);
          group.parameters[i].set_grad(
              all.slice(step, step + 1).reshape(group.parameters[i].shape()).to(dtype).clone());
        }
      optimizer.step(rates.data<double>()[step]);
      for (const ParameterGroup& group : groups)
        for (std::size_t i = 0; i < group.parameters.size(); ++i) {
          const Tensor expected = golden.tensor(after + group.names[i]).slice(step, step + 1);
          INFO(file << " " << group.names[i] << " step " << step << " " << to_string(dtype));
          check_close(group.parameters[i], expected, dtype == DType::f32 ? f32_tolerance : f64_tolerance,
                      dtype == DType::f32 ? 1e-7 : 1e-12);
        }
    }
  }
}

const Names matrices{"w", "conv", "zero"}, vectors{"bias", "bn.weight"}, all{"w", "conv", "zero", "bias", "bn.weight"};

}  // namespace

TEST_CASE("sgd follows torch.optim.SGD", "[optim]") {
  const auto sgd = [](SgdOptions options) { return [=](const auto& groups) { return Sgd(groups, options); }; };
  check_case("sgd_plain.safetensors", all, {}, 0, 1e-6, 1e-12, sgd({.momentum = 0}));
  check_case("sgd_momentum.safetensors", all, {}, 0.01, 1e-6, 1e-12, sgd({.momentum = 0.9}));
  check_case("sgd_nesterov.safetensors", all, {}, 0.01, 1e-6, 1e-12, sgd({.momentum = 0.9, .nesterov = true}));
}

TEST_CASE("lars follows the official forms", "[optim]") {
  const auto lars = [](LarsOptions options) { return [=](const auto& groups) { return Lars(groups, options); }; };
  check_case("lars_mocov3.safetensors", matrices, vectors, 0.01, 1e-5, 1e-12, lars(lars_moco_v3()));
  check_case("lars_no_exclusion.safetensors", all, {}, 0.01, 1e-5, 1e-12, lars(lars_moco_v3()));
  check_case("lars_byol.safetensors", {"linear.w", "zero.w"}, {"linear.b", "batch_norm.scale", "batch_norm.offset"},
             0.01, 1e-5, 1e-12, lars(lars_moco_v3()));
  check_case("lars_simclr.safetensors", {"conv.kernel", "zero.kernel"},
             {"conv.bias", "batch_normalization.gamma", "head_supervised.kernel"}, 0.01, 1e-5, 1e-12,
             lars(lars_simclr()), "after_float64.");
  check_case("lars_lightly.safetensors", matrices, vectors, 0.01, 1e-5, 1e-12, lars(lars_lightly()));
  LarsOptions nesterov = lars_lightly();
  nesterov.nesterov = true;
  check_case("lars_lightly_nesterov.safetensors", matrices, vectors, 0.01, 1e-5, 1e-12, lars(nesterov));
}

TEST_CASE("larc follows apex", "[optim]") {
  const auto with_clip = [](bool clip) { return [=](const auto& groups) { return Lars(groups, larc(clip)); }; };
  check_case("larc_swav.safetensors", all, {}, 0.01, 1e-5, 1e-12, with_clip(false));
  check_case("larc_clip.safetensors", all, {}, 0.01, 1e-5, 1e-12, with_clip(true));
}

TEST_CASE("adamw follows torch.optim.AdamW", "[optim]") {
  const auto adamw = [](AdamWOptions options) { return [=](const auto& groups) { return AdamW(groups, options); }; };
  check_case("adamw.safetensors", matrices, vectors, 0.05, 1e-5, 1e-11, adamw({}));
  check_case("adamw_mae.safetensors", matrices, vectors, 0.05, 1e-5, 1e-11, adamw({.beta2 = 0.95}));
  check_case("adamw_clip.safetensors", matrices, vectors, 0.2, 1e-5, 1e-11, adamw({.beta2 = 0.98, .eps = 1e-6}));
  check_case("adam_l2.safetensors", matrices, vectors, 0.05, 1e-5, 1e-11, adamw({.decoupled = false}));
}
