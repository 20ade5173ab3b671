// SPDX-License-Identifier: MIT
#include "contrastive/encoders/patch_encoder.hpp"

#include "contrastive/encoders/context.hpp"
#include "contrastive/ops/reduce.hpp"
#include "support/formula_network.hpp"
#include "support/golden.hpp"

using namespace contrastive;

TEST_CASE("CPC's patch encoder and PixelCNN are Greedy_InfoMax's", "[encoders]") {
  const Golden g = load_golden("models/cpc_tiny.safetensors");
  auto encoder =
      formula_network(PatchEncoder<PreactResNet>{{16, 8}, PreactResNet({.blocks = {1, 2, 1}, .width = 8}, Rng(0))});
  auto context = formula_network(PixelCnn(128, 128, Rng(0)));
  move_to(encoder, Device::cpu, DType::f64);
  move_to(context, Device::cpu, DType::f64);
  Tensor pictures = formula::fill({2, 40, 40, 1}, "alpha:input", 0, 4).to(DType::f64);
  pictures.set_requires_grad(true);
  const auto near = [&](const std::string& what, const std::vector<double>& got) {
    INFO(what);
    CHECK(relative_error(got, values(g.tensor(what))) < 1e-10);
  };

  const Tensor z = encoder.grid(pictures), c = context(z);  // (2, 4, 4, 128)
  near("features", values(z));
  near("context", values(c));
  sum(c * formula::fill({2, 4, 4, 128}, "alpha:loss_weight", 0, 2).to(DType::f64)).backward();
  near("grad_input", values(pictures.grad()));

  std::map<std::string, Tensor> grads;
  const auto collect = [&](const std::string& name, Parameter& p) {
    // The last layer's vertical path ends there: its residual sees no gradient.
    grads[name] = detail::to_file_layout(p.grad().defined() ? p.grad() : Tensor::zeros(p.shape(), DType::f64));
  };
  each_parameter(encoder, collect);
  each_parameter(context, collect);
  std::vector<double> norms;
  for (const auto& [name, grad] : grads) norms.push_back(norm_of(grad));  // by name, as the file has them
  near("grad_norms", norms);
  for (const char* name : {"net.stem.weight", "layers.0.vertical.weight", "layers.2.residual.0.weight"})
    near(std::string("grad/") + name,
         values(grads.at(name), static_cast<std::int64_t>(g.tensor(std::string("stride/") + name).item())));
}
