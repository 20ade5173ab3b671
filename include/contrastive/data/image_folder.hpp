// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "contrastive/data/class_folders.hpp"
#include "contrastive/data/decode.hpp"

namespace contrastive {

/// A folder of JPEG, PNG and BMP files. Each folder directly below `root` that holds pictures, at any depth, is a
/// class; a folder without such folders has no labels. Names are sorted, so the order does not depend on the disk;
/// hidden files and other suffixes are passed over. Files are opened when they are asked for.
class ImageFolder : public detail::ClassFolders {
 public:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no pictures.
  explicit ImageFolder(const std::string& root, std::string title = {})
      : ClassFolders(root, std::move(title), "picture", {".jpg", ".jpeg", ".png", ".bmp"}) {}

  Image image(std::size_t i, const CropPlan& plan = {}) const { return read_image(path(i), plan); }
};

}  // namespace contrastive
