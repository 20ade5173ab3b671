// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive::detail {

/// Whether a folder holds a file of the kind, at any depth. False where it cannot be looked into.
inline bool holds(const fs::path& folder, const FileKind& kind, int depth = 1) try {
  const std::vector<fs::path> entries = entries_of(folder, depth);
  return std::any_of(entries.begin(), entries.end(), [&](const fs::path& entry) {
    return is_folder(entry) ? holds(entry, kind, depth + 1) : kind.matches(entry);
  });
} catch (const Error&) {
  return false;
}

/// The folders of a set's parts. An empty path: there is no such part.
struct SplitFolders {
  std::string train, test, val;
  std::size_t beside = 0;  // files of the set beside these folders, which belong to none
};

/// Finds the parts of a set below `root`: folders called train or training, test or testing, and val, valid or validation,
/// in any case. Without any, the root itself is the training part. Throws `Error` that says what was found where it could be
/// read in two ways: two folders for one part; other folders with files of the set beside them, which would be neither part
/// nor class; a test part alone beside files. Two names count as classes among other classes: train, where there is no test
/// part and its files lie directly inside (vehicles), and valid, where there is no training part (valid and invalid coins).
inline SplitFolders split_folders(const std::string& root, const FileKind& kind) {
  require_folder("folder", root);
  std::vector<fs::path> train, test, val, others;
  std::size_t files = 0;
  for (const fs::path& entry : entries_of(root)) {
    const std::string name = lower(entry.filename().string());
    if (!is_folder(entry))
      files += kind.matches(entry);
    else if (name == "train" || name == "training")
      train.push_back(entry);
    else if (name == "test" || name == "testing")
      test.push_back(entry);
    else if (name == "val" || name == "valid" || name == "validation")
      val.push_back(entry);
    else
      others.push_back(entry);
  }
  if (train.empty() && test.empty() && val.empty()) return {root, {}, {}};
  std::erase_if(others, [&](const fs::path& folder) { return !holds(folder, kind); });

  const auto is_class = [&](const std::vector<fs::path>& part) {
    if (part.size() != 1 || others.empty()) return false;
    const std::vector<fs::path> inside = entries_of(part[0]);
    return std::any_of(inside.begin(), inside.end(), [&](const fs::path& entry) { return kind.matches(entry); });
  };
  if (test.empty() && val.empty() && is_class(train)) return {root, {}, {}};
  if (train.empty() && test.empty() && is_class(val) && lower(val[0].filename().string()) == "valid")
    return {root, {}, {}};

  std::vector<std::string> parts, strangers;
  for (const auto* part : {&train, &test, &val})
    for (const fs::path& folder : *part) parts.push_back(folder.filename().string());
  for (const fs::path& folder : others) strangers.push_back(folder.filename().string());
  constexpr const char* expected =
      "; expected folders of classes alone, or train and test (or val) alone with the classes inside (--root)";
  for (const auto* part : {&train, &test, &val})
    require(part->size() < 2, "[folder] ", root, ": two folders for one part, among ", name_list(parts), expected);
  require(strangers.empty(), "[folder] ", root, ": ", name_list(parts), " beside other folders with ", kind.name, "s, ",
          name_list(strangers), expected);
  require(!train.empty() || files == 0, "[folder] ", root, ": ", name_list(parts), " beside ", files, " ", kind.name,
          "s, and no train", expected);
  const auto path = [](const std::vector<fs::path>& part) { return part.empty() ? std::string() : part[0].string(); };
  return {path(train), path(test), path(val), files};
}

/// The folder of the split "train", "val", or "test", which is val where there is no test. Throws `Error` naming the root
/// when it has none.
inline std::string folder_part(const std::string& root, const std::string& split, const FileKind& kind) {
  require(split == "train" || split == "test" || split == "val", "[folder] split is train, test or val, got ", split);
  const SplitFolders found = split_folders(root, kind);
  const bool val = split == "val" || (split == "test" && found.test.empty());
  const std::string& part = split == "train" ? found.train : val ? found.val : found.test;
  require(!part.empty(), "[folder] ", root, ": has no folder ", split == "test" ? "test or val" : split,
          " inside (--root)");
  if (split == "train" && found.beside > 0)
    std::fprintf(stderr, "[folder] %s: %zu %ss beside the folder of the training part are not used\n", root.c_str(),
                 found.beside, kind.name.c_str());
  return part;
}

}  // namespace contrastive::detail
