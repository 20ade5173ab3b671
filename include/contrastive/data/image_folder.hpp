// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// A folder of JPEG, PNG and BMP files. Each folder directly below `root` that holds pictures, at any depth, is a
/// class; a folder without such folders has no labels. Names are sorted, so the order does not depend on the disk;
/// hidden files and other suffixes are passed over. Files are opened when they are asked for.
class ImageFolder {
 public:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no pictures.
  explicit ImageFolder(const std::string& root, std::string title = {})
      : title_(title.empty() ? "folder " + root : std::move(title)) {
    namespace fs = detail::fs;
    detail::require_folder("folder", root);
    std::size_t others = 0;
    const std::vector<fs::path> top = sorted(root);
    for (const fs::path& entry : top) {
      if (!detail::is_folder(entry)) continue;
      const std::size_t before = files_.size();
      collect(entry, static_cast<int>(classes_.size()), 0, others);
      if (files_.size() > before) classes_.push_back(entry.filename().string());
    }
    std::size_t flat = 0;
    for (const fs::path& entry : top)
      if (!detail::is_folder(entry)) {
        if (is_picture(entry))
          ++flat;
        else
          ++others;
      }
    if (classes_.empty()) {
      for (const fs::path& entry : top)
        if (!detail::is_folder(entry) && is_picture(entry)) files_.push_back({entry.string(), -1});
    } else if (flat > 0) {
      std::fprintf(stderr, "[folder] %s: %zu pictures beside the class folders are not used\n", root.c_str(), flat);
    }
    if (files_.empty()) {
      if (others == 0) fail("[folder] ", root, ": the folder is empty (--root)");
      fail("[folder] ", root, ": none of the ", others, " files here is a .jpg, .jpeg, .png or .bmp picture (--root)");
    }
  }

  std::size_t size() const { return files_.size(); }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return read_image(files_.at(i).path, plan); }
  int label(std::size_t i) const { return files_.at(i).label; }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return files_.at(i).path; }

 private:
  struct File {
    std::string path;
    int label;
  };

  static bool is_picture(const detail::fs::path& path) {
    std::string suffix = path.extension().string();
    std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
    return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png" || suffix == ".bmp";
  }

  static std::vector<detail::fs::path> sorted(const detail::fs::path& folder) {
    std::error_code error;
    std::vector<detail::fs::path> entries;
    detail::fs::directory_iterator it(folder, error), end;
    require(!error, "[folder] ", folder.string(), ": ", error.message());
    for (; it != end; it.increment(error)) {
      require(!error, "[folder] ", folder.string(), ": ", error.message());
      if (it->path().filename().string().front() != '.') entries.push_back(it->path());
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.native() < b.native(); });
    return entries;
  }

  void collect(const detail::fs::path& folder, int label, int depth, std::size_t& others) {
    require(depth < 32, "[folder] ", folder.string(), ": more than 32 folders deep (a link in a circle?)");
    for (const detail::fs::path& entry : sorted(folder)) {
      if (detail::is_folder(entry))
        collect(entry, label, depth + 1, others);
      else if (is_picture(entry))
        files_.push_back({entry.string(), label});
      else
        ++others;
    }
  }

  std::string title_;
  std::vector<File> files_;
  std::vector<std::string> classes_;
};

}  // namespace contrastive
