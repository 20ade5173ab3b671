// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive::detail {

/// The files of one kind in a folder. Each folder directly below `root` that holds some, at any depth, is a class; a
/// folder without such folders has no labels. Names are sorted, so the order does not depend on the disk; hidden files
/// and other suffixes are passed over. A `Dataset` but for `image`, which reads `path(i)`.
class ClassFolders {
 public:
  std::size_t size() const { return files_.size(); }
  int label(std::size_t i) const { return files_.at(i).label; }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return path(i); }

 protected:
  /// `kind` is for messages ("picture"), `suffixes` are in lower case with their dots. Throws `Error` naming the folder
  /// when it is missing, cannot be read, or holds no such file.
  ClassFolders(const std::string& root, std::string title, const char* kind, std::vector<std::string> suffixes)
      : title_(title.empty() ? "folder " + root : std::move(title)), suffixes_(std::move(suffixes)) {
    require_folder("folder", root);
    std::size_t others = 0;
    std::vector<File> flat;
    for (const fs::path& entry : sorted(root)) {
      if (is_folder(entry)) {
        const std::size_t before = files_.size();
        collect(entry, static_cast<int>(classes_.size()), 0, others);
        if (files_.size() > before) classes_.push_back(entry.filename().string());
      } else if (wanted(entry)) {
        flat.push_back({entry.string(), -1});
      } else {
        ++others;
      }
    }
    if (classes_.empty())
      files_ = std::move(flat);
    else if (!flat.empty())
      std::fprintf(stderr, "[folder] %s: %zu %ss beside the class folders are not used\n", root.c_str(), flat.size(),
                   kind);
    if (!files_.empty()) return;
    if (others == 0) fail("[folder] ", root, ": the folder is empty (--root)");
    std::string known;
    for (std::size_t i = 0; i < suffixes_.size(); ++i)
      known += (i == 0 ? "" : i + 1 == suffixes_.size() ? " or " : ", ") + suffixes_[i];
    fail("[folder] ", root, ": none of the ", others, " files here is a ", known, " ", kind, " (--root)");
  }

  const std::string& path(std::size_t i) const { return files_.at(i).path; }

 private:
  struct File {
    std::string path;
    int label;  // -1: none
  };

  bool wanted(const fs::path& path) const {
    std::string suffix = path.extension().string();
    std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
    return std::find(suffixes_.begin(), suffixes_.end(), suffix) != suffixes_.end();
  }

  static std::vector<fs::path> sorted(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> entries;
    fs::directory_iterator it(folder, error), end;
    require(!error, "[folder] ", folder.string(), ": ", error.message());
    for (; it != end; it.increment(error)) {
      require(!error, "[folder] ", folder.string(), ": ", error.message());
      if (it->path().filename().string().front() != '.') entries.push_back(it->path());
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.native() < b.native(); });
    return entries;
  }

  void collect(const fs::path& folder, int label, int depth, std::size_t& others) {
    require(depth < 32, "[folder] ", folder.string(), ": more than 32 folders deep (a link in a circle?)");
    for (const fs::path& entry : sorted(folder)) {
      if (is_folder(entry))
        collect(entry, label, depth + 1, others);
      else if (wanted(entry))
        files_.push_back({entry.string(), label});
      else
        ++others;
    }
  }

  std::string title_;
  std::vector<std::string> suffixes_;
  std::vector<File> files_;
  std::vector<std::string> classes_;
};

/// Where a split of a folder lies: its folder train, or test or val, where there is one; else the folder itself, which is
/// then all training part. Throws `Error` naming the folder when it is missing or has no such part.
inline std::string folder_part(const std::string& root, const std::string& split) {
  require_folder("folder", root);
  const std::vector<std::string> names =
      split == "test" ? std::vector<std::string>{"test", "val"} : std::vector<std::string>{split};
  for (const std::string& name : names)
    if (is_folder(fs::path(root) / name)) return (fs::path(root) / name).string();
  require(split == "train", "[folder] ", root, ": has no folder ", split == "test" ? "test or val" : split.c_str(),
          " inside (--root)");
  return root;
}

}  // namespace contrastive::detail
