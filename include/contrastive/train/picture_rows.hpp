// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Pictures that a method makes of itself, for the report: attention maps, reconstructions. `columns` names the tensors
/// of `pictures`, each (N, H, W, C).
struct PictureRows {
  std::string title, note;
  std::vector<std::string> columns;
  std::vector<Tensor> pictures;
};

}  // namespace contrastive
