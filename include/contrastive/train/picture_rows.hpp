// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "contrastive/media/image.hpp"

namespace contrastive {

/// Pictures that a method makes of itself, for the report: attention maps, reconstructions. `pictures` holds the N of each
/// column.
struct PictureRows {
  std::string title, note;
  std::vector<std::string> columns;
  std::vector<std::vector<Image>> pictures;
};

}  // namespace contrastive
