// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cctype>
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

inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// The files that a set reads, by their suffixes in lower case with their dots.
struct FileKind {
  std::string name;  // "picture", for messages
  std::vector<std::string> suffixes;

  bool matches(const fs::path& file) const {
    return std::find(suffixes.begin(), suffixes.end(), lower(file.extension().string())) != suffixes.end();
  }
  /// ".jpg, .png or .bmp"
  std::string known() const {
    std::string list;
    for (std::size_t i = 0; i < suffixes.size(); ++i)
      list += (i == 0 ? "" : i + 1 == suffixes.size() ? " or " : ", ") + suffixes[i];
    return list;
  }
};

/// What a folder holds but for hidden entries, sorted by name. `depth`: levels below the root of its set.
inline std::vector<fs::path> entries_of(const fs::path& folder, int depth = 0) {
  require(depth <= 32, "[folder] ", folder.string(), ": more than 32 folders deep (a link in a circle?)");
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

inline std::span<const std::uint8_t> bytes_of(const std::vector<std::byte>& file) {
  return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
}

/// "ant, bee, cat and 12 more", for messages.
inline std::string name_list(const std::vector<std::string>& names, std::size_t most = 10) {
  std::string list;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) list += (i == 0 ? "" : ", ") + names[i];
  return names.size() <= most ? list : join(list, " and ", names.size() - most, " more");
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
