// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/files.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

/// STL-10 in its binary version (Coates, Lee, Ng 2011), 96 x 96: train_X.bin (5,000), test_X.bin (8,000),
/// unlabeled_X.bin (100,000, 2.7 GB), in `root` or its stl10_binary. Pictures are read from the file as they are
/// asked for, so that the large split needs no memory.
class Stl10 {
 public:
  static constexpr std::size_t picture_bytes = 3 * 96 * 96;

  /// `split` is "train", "test" or "unlabeled".
  Stl10(const std::string& root, const std::string& split) : title_("stl10 " + split) {
    namespace fs = detail::fs;
    require(split == "train" || split == "test" || split == "unlabeled",
            "[stl10] split is train, test or unlabeled, got ", split);
    detail::require_folder("stl10", root);
    const fs::path place =
        detail::is_folder(fs::path(root) / "stl10_binary") ? fs::path(root) / "stl10_binary" : fs::path(root);
    path_ = (place / (split + "_X.bin")).string();
    require(detail::is_file(path_), "[stl10] ", path_, ": no such file (the binary version is expected in --root)");
    const std::size_t bytes = static_cast<std::size_t>(fs::file_size(path_));
    require(bytes > 0 && bytes % picture_bytes == 0, "[stl10] ", path_, ": ", bytes,
            " bytes are not a whole number of pictures of ", picture_bytes, " bytes");
    size_ = bytes / picture_bytes;
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    require(descriptor >= 0, "[stl10] ", path_, ": ", std::strerror(errno));
    file_ = std::shared_ptr<const int>(new int(descriptor), [](const int* open) {
      ::close(*open);
      delete open;
    });
    if (split == "unlabeled") return;
    const std::string labels_path = (place / (split + "_y.bin")).string();
    labels_ = parse_labels(detail::bytes_of(read_file(labels_path)), labels_path, size_);
    classes_ = detail::read_names(place / "class_names.txt");
    if (classes_.size() != 10)
      classes_ = {"airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};
  }

  /// The file holds 1 to 10.
  static std::vector<int> parse_labels(std::span<const std::uint8_t> file, std::string_view name,
                                       std::size_t expected) {
    require(file.size() == expected, "[stl10] ", name, ": ", file.size(), " labels for ", expected, " pictures");
    std::vector<int> labels;
    for (std::uint8_t value : file) {
      require(value >= 1 && value <= 10, "[stl10] ", name, ": labels are 1 to 10, got ", int{value});
      labels.push_back(value - 1);
    }
    return labels;
  }

  std::size_t size() const { return size_; }

  Image image(std::size_t i) const {
    require(i < size_, "[stl10] picture ", i, " of ", size_);
    std::vector<std::uint8_t> planes(picture_bytes);  // (C, W, H): columns first
    for (std::size_t filled = 0; filled < picture_bytes;) {
      const ssize_t got = ::pread(*file_, planes.data() + filled, picture_bytes - filled,
                                  static_cast<off_t>(i * picture_bytes + filled));
      if (got < 0 && errno == EINTR) continue;
      require(got > 0, "[stl10] ", path_, ": ", got < 0 ? std::strerror(errno) : "the file has become shorter");
      filled += static_cast<std::size_t>(got);
    }
    Image picture(96, 96, 3);
    for (std::size_t y = 0; y < 96; ++y)
      for (std::size_t x = 0; x < 96; ++x)
        for (std::size_t c = 0; c < 3; ++c) picture.pixels[(y * 96 + x) * 3 + c] = planes[(c * 96 + x) * 96 + y];
    return picture;
  }

  int label(std::size_t i) const { return labels_.empty() ? -1 : labels_.at(i); }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }

 private:
  std::string title_, path_;
  std::size_t size_ = 0;
  std::shared_ptr<const int> file_;
  std::vector<int> labels_;
  std::vector<std::string> classes_;
};

}  // namespace contrastive
