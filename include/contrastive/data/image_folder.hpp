// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/class_folders.hpp"
#include "contrastive/data/decode.hpp"

namespace contrastive {

/// A folder of JPEG, PNG and BMP files. Each folder directly below `root` that holds pictures, at any depth, is a
/// class; a folder without such folders has no labels. Names are sorted, so the order does not depend on the disk;
/// hidden files and other suffixes are passed over. Files are opened when they are asked for.
class ImageFolder {
 public:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no pictures.
  explicit ImageFolder(const std::string& root, std::string title = {})
      : title_(title.empty() ? "folder " + root : std::move(title)),
        found_(root, "picture", {".jpg", ".jpeg", ".png", ".bmp"}) {}

  std::size_t size() const { return found_.files.size(); }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return read_image(found_.files.at(i).path, plan); }
  int label(std::size_t i) const { return found_.files.at(i).label; }
  const std::vector<std::string>& class_names() const { return found_.classes; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return found_.files.at(i).path; }

 private:
  std::string title_;
  detail::ClassFolders found_;
};

}  // namespace contrastive
