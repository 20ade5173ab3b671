// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive::detail {

/// Files that are not read, by their suffixes.
class PassedOver {
 public:
  void add(const fs::path& file) {
    ++counts_[lower(file.extension().string())];
    ++total_;
  }
  std::size_t total() const { return total_; }

  /// "30 .webp, 10 .jfif, 2 without a suffix", the most frequent first.
  std::string list(std::size_t most = 6) const {
    std::vector<std::pair<std::size_t, std::string>> kinds;
    for (const auto& [suffix, count] : counts_) kinds.emplace_back(count, suffix);
    std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<std::string> words;
    std::size_t rest = total_;
    for (std::size_t i = 0; i < std::min(most, kinds.size()); ++i) {
      words.push_back(join(kinds[i].first, " ", kinds[i].second.empty() ? "without a suffix" : kinds[i].second));
      rest -= kinds[i].first;
    }
    if (rest > 0) words.push_back(join(rest, " of ", kinds.size() - most, " other kinds"));
    return name_list(words, words.size());
  }

 private:
  std::map<std::string, std::size_t> counts_;
  std::size_t total_ = 0;
};

/// The files of one kind in a folder. Each folder directly below `root` is a class, with the files that it holds at any
/// depth; where none of those folders holds a file, the files of `root` itself are the set, without labels. Names are
/// sorted, so the order does not depend on the disk; hidden files are passed over in silence. Files of other kinds,
/// classes without a file and files beside the class folders are counted in one line on stderr. A `Dataset` but for
/// `image`, which reads `path(i)`.
class ClassFolders {
 public:
  std::size_t size() const { return files_.size(); }
  int label(std::size_t i) const { return files_.at(i).label; }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return path(i); }

 protected:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no such file.
  ClassFolders(const std::string& root, std::string title, const FileKind& kind)
      : title_(title.empty() ? "folder " + root : std::move(title)) {
    require_folder("folder", root);
    PassedOver others;
    std::vector<File> flat;
    std::vector<std::string> empty;
    for (const fs::path& entry : entries_of(root)) {
      if (is_folder(entry)) {
        const std::size_t before = files_.size();
        collect(entry, kind, 1, others);
        classes_.push_back(entry.filename().string());
        if (files_.size() == before) empty.push_back(classes_.back());
      } else if (kind.matches(entry)) {
        flat.push_back({entry.string(), -1});
      } else {
        others.add(entry);
      }
    }
    std::string note;
    const auto say = [&note](const auto&... parts) { note += (note.empty() ? "" : "; ") + join(parts...); };
    if (others.total() > 0) say(others.list(), " not read");
    if (files_.empty()) {
      classes_.clear();
      files_ = std::move(flat);
    } else {
      if (!empty.empty()) say("no ", kind.name, " in the classes ", name_list(empty));
      if (!flat.empty()) say(flat.size(), " ", kind.name, "s beside the class folders are not used");
    }
    require(!files_.empty() || others.total() > 0, "[folder] ", root, ": the folder is empty (--root)");
    require(!files_.empty(), "[folder] ", root, ": none of the ", others.total(), " files here is a ", kind.known(),
            " ", kind.name, ", but ", others.list(), " (--root)");
    if (!note.empty()) std::fprintf(stderr, "[folder] %s: %s\n", root.c_str(), note.c_str());
  }

  const std::string& path(std::size_t i) const { return files_.at(i).path; }

 private:
  struct File {
    std::string path;
    int label;  // -1: none
  };

  void collect(const fs::path& folder, const FileKind& kind, int depth, PassedOver& others) {
    for (const fs::path& entry : entries_of(folder, depth)) {
      if (is_folder(entry))
        collect(entry, kind, depth + 1, others);
      else if (kind.matches(entry))
        files_.push_back({entry.string(), static_cast<int>(classes_.size())});
      else
        others.add(entry);
    }
  }

  std::string title_;
  std::vector<File> files_;
  std::vector<std::string> classes_;
};

}  // namespace contrastive::detail
