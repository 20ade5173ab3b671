// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "contrastive/data/class_folders.hpp"
#include "contrastive/data/decode.hpp"

namespace contrastive {

namespace detail {

inline const FileKind& picture_files() {
  static const FileKind kind{"picture", {".jpg", ".jpeg", ".jfif", ".png", ".bmp"}};
  return kind;
}

}  // namespace detail

/// A folder of JPEG, PNG and BMP files. Each folder directly below `root` is a class, with the pictures that it holds at
/// any depth; where none of those folders holds a picture, those of `root` itself are the set, without labels. Names are
/// sorted, so the order does not depend on the disk; hidden files are passed over. Files of other kinds and classes without
/// a picture are named in one line on stderr. Files are opened when they are asked for.
class ImageFolder : public detail::ClassFolders {
 public:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no pictures.
  explicit ImageFolder(const std::string& root, std::string title = {})
      : ClassFolders(root, std::move(title), detail::picture_files()) {}

  Image image(std::size_t i, const CropPlan& plan = {}) const { return read_image(path(i), plan); }
};

}  // namespace contrastive
