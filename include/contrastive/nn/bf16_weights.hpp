// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/nn/module.hpp"

namespace contrastive {

/// Holds the matrices of linear layers in bf16, for a model that is asked and not trained: half the memory, and nothing to
/// narrow at each call in bf16. They are known by their names, which end in `weight`; embeddings stay as they are.
template <class M>
void hold_linear_weights_in_bf16(M& model) {
  each_parameter(model, [](const std::string& name, Parameter& p) {
    if (p.rank() == 2 && p.dtype() == DType::f32 && name.ends_with("weight") && name.find("embed") == name.npos)
      p = Parameter(p.detach().to(DType::bf16));
  });
}

}  // namespace contrastive
