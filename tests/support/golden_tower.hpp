// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/layouts.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

/// Towers against frozen numbers that hold weights and gradients under another program's names.
namespace contrastive {

/// The tower with the weights of a golden file in `dtype`; `prefix` is what a dual encoder's names begin with.
template <class Tower>
Tower golden_tower(Tower tower, const Golden& g, WeightLayout layout, DType dtype, const std::string& prefix = "") {
  std::map<std::string, Tensor> weights;
  move_to(tower, Device::cpu, dtype);
  for (const auto& [name, tensor] : state_of(tower)) {
    weights[name] = Tensor(tensor.shape(), DType::f64);
    for (const WeightPiece& piece : pieces_of(layout, prefix + name)) {
      INFO(name);
      const Tensor& given = g.tensor("weight." + piece.name);
      REQUIRE(given.shape() == shape_of_piece(piece, tensor.shape()));
      place_piece(piece, given, weights[name]);
    }
  }
  REQUIRE(load_state(tower, weights).ok());
  return tower;
}

/// Checks the gradients of all the tower's parameters; gives the names under which the file has them. Queries, keys and
/// values are one tensor here and have one size: the gradient of a key's bias alone is 0 but for rounding.
template <class Tower>
std::set<std::string> check_gradients(Tower& tower, const Golden& g, WeightLayout layout, double close,
                                      const std::string& prefix = "") {
  std::set<std::string> seen;
  each_parameter(tower, [&](const std::string& name, Parameter& parameter) {
    INFO(name);
    const Tensor grad = detail::to_file_layout(parameter.grad()), wanted(grad.shape(), DType::f64);
    for (const WeightPiece& piece : pieces_of(layout, prefix + name)) {
      place_piece(piece, g.tensor("grad." + piece.name), wanted);
      seen.insert(piece.name);
    }
    check_close(grad, wanted, close, 0);
  });
  return seen;
}

}  // namespace contrastive
