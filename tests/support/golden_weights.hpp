// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "contrastive/io/json.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

/// Modules whose names are the official ones, against frozen numbers that hold weights and gradients by these names.
namespace contrastive {

/// The module with the weights that stand behind `prefix` in a golden file, in `dtype`.
template <class M>
M with_weights(M module, const Golden& g, const std::string& prefix, DType dtype) {
  move_to(module, Device::cpu, dtype);
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : state_of(module))
    if (g.has(prefix + name)) weights[name] = g.tensor(prefix + name).to(dtype);
  std::size_t parameters = 0;
  each_parameter(module, [&](const std::string&, Parameter&) { ++parameters; });
  REQUIRE(weights.size() == parameters);
  const LoadReport report = load_state(module, weights);
  REQUIRE((report.mismatched.empty() && report.unexpected.empty()));
  return module;
}

/// Compares the gradients that the file has, those that are zero but for rounding absolutely; gives their number.
template <class M>
int check_weight_gradients(M& module, const Golden& g, const std::string& prefix, double close, double floor) {
  int compared = 0;
  const std::string zero = "zero_gradients";
  Json zeros = Json::array();
  if (g.has_metadata(zero)) zeros = parse_json(g.metadata(zero), zero);
  each_parameter(module, [&](const std::string& name, Parameter& parameter) {
    if (!g.has(prefix + name)) return;
    INFO(name);
    const Tensor grad = detail::to_file_layout(parameter.grad());
    const bool is_zero = std::any_of(zeros.begin(), zeros.end(),
                                     [&](const Json& one) { return one.get<std::string>() == prefix + name; });
    if (is_zero)
      CHECK(largest_difference(grad, Tensor::zeros(grad.shape(), grad.dtype())) <
            (grad.dtype() == DType::f32 ? 1e-5 : 1e-10));
    else
      check_close(grad, g.tensor(prefix + name), close, floor);
    ++compared;
  });
  return compared;
}

}  // namespace contrastive
