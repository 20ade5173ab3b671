// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/file.hpp"

namespace contrastive::detail {

namespace fs = std::filesystem;

inline bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

inline bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Throws unless `root` is a folder: `[cifar10] data: no such folder (--root)`.
inline void require_folder(const char* set, const std::string& root) {
  require(!root.empty(), "[", set, "] --root is missing: the folder with the files");
  require(is_folder(root), "[", set, "] ", root, is_file(root) ? ": is a file, not a folder" : ": no such folder",
          " (--root)");
}

/// The first of `names` that is a file in `root`, else an empty path.
inline fs::path find_file(const fs::path& root, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (is_file(root / name)) return root / name;
  return {};
}

inline std::span<const std::uint8_t> bytes_of(const std::vector<std::byte>& file) {
  return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
}

/// The lines of a file with class names, without the empty ones; nothing where there is no file.
inline std::vector<std::string> read_names(const fs::path& path) {
  std::vector<std::string> names;
  if (!is_file(path)) return names;
  std::string line;
  for (char c : read_text(path.string()) + "\n") {
    if (c == '\n') {
      if (!line.empty()) names.push_back(line);
      line.clear();
    } else if (c != '\r') {
      line += c;
    }
  }
  return names;
}

}  // namespace contrastive::detail
