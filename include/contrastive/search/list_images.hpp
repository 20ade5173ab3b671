// SPDX-License-Identifier: MIT
#pragma once

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// An image file in a folder, by its path relative to that.
struct ListedImage {
  std::string path;
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // nanoseconds since 1970
};

struct ImageListing {
  std::vector<ListedImage> images;            // in the order of their paths
  std::vector<std::string> unread;            // folders that could not be read, relative, with a slash at their end
  std::vector<std::string> why;               // of each of them
  std::size_t other_files = 0, left_out = 0;  // not images; by the patterns
};

namespace detail {

inline const FileKind& searched_files() {
  static const FileKind kind{"image",
                             {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif"
#if defined(CONTRASTIVE_WITH_WEBP)
                              ,
                              ".webp"
#endif
#if defined(CONTRASTIVE_WITH_HEIF)
                              ,
                              ".heic", ".heif"
#endif
                             }};
  return kind;
}

/// Folders in which systems keep copies of their own.
inline bool is_system_folder(std::string_view name) {
  constexpr std::array<std::string_view, 6> names = {
      "@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found", "#recycle"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Walks a folder: real folders first, then what symbolic links lead to, each file and folder once.
class ImageWalk {
 public:
  ImageWalk(std::string root, const std::vector<std::string>& exclude) : root_(std::move(root)), exclude_(exclude) {}

  ImageListing run() {
    struct stat info {};
    const bool there = ::stat(root_.c_str(), &info) == 0;
    require(there, "[folder] ", root_, ": ", std::strerror(errno));
    require(S_ISDIR(info.st_mode), "[folder] ", root_, " is no folder");
    seen_.insert({info.st_dev, info.st_ino});
    pending_.push_back({"", 0});
    walk();
    require(listing_.unread.empty() || !listing_.unread.front().empty(), "[folder] ", root_, ": ",
            listing_.why.empty() ? "" : listing_.why.front());
    // Links of links come behind in the same list.
    std::sort(links_.begin(), links_.end());
    for (std::size_t i = 0; i < links_.size(); ++i) {
      take(links_[i].first, links_[i].second, true);
      walk();
    }
    std::sort(listing_.images.begin(), listing_.images.end(),
              [](const ListedImage& a, const ListedImage& b) { return a.path < b.path; });
    return std::move(listing_);
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  struct Pending {
    std::string path;  // relative, empty or with a slash at its end
    int depth;
  };

  void walk() {
    while (!pending_.empty()) {
      const Pending folder = std::move(pending_.back());
      pending_.pop_back();
      DIR* const open = ::opendir((root_ + "/" + folder.path).c_str());
      if (open == nullptr) {
        unread(folder.path);
        continue;
      }
      std::vector<std::string> names;
      errno = 0;
      while (const dirent* entry = ::readdir(open)) {
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
        errno = 0;
      }
      if (errno != 0) unread(folder.path);
      ::closedir(open);
      std::sort(names.begin(), names.end());
      for (const std::string& name : names)
        if (is_system_folder(name))
          ++listing_.left_out;
        else
          take(folder.path + name, folder.depth, false);
    }
  }

  void take(const std::string& path, int depth, bool follow) {
    if (excluded(path)) {
      ++listing_.left_out;
      return;
    }
    struct stat info {};
    const std::string full = root_ + "/" + path;
    if ((follow ? ::stat(full.c_str(), &info) : ::lstat(full.c_str(), &info)) != 0) return;  // gone, or leads nowhere
    if (S_ISLNK(info.st_mode)) {
      links_.emplace_back(path, depth);
      return;
    }
    const Identity identity{info.st_dev, info.st_ino};
    if (S_ISDIR(info.st_mode)) {
      if (depth < 64 && seen_.insert(identity).second) pending_.push_back({path + "/", depth + 1});
      return;
    }
    if (!S_ISREG(info.st_mode) || !searched_files().matches(path)) {
      listing_.other_files += S_ISREG(info.st_mode);
      return;
    }
    // Of a file with several names each counts; what a link leads to counts only where no name of the file is listed.
    if (!seen_.insert(identity).second && follow) return;
    listing_.images.push_back({path, static_cast<std::uint64_t>(info.st_size),
                               info.st_mtim.tv_sec * std::int64_t{1000000000} + info.st_mtim.tv_nsec});
  }

  bool excluded(const std::string& path) const {
    const std::string name = path.substr(path.rfind('/') + 1);
    return std::any_of(exclude_.begin(), exclude_.end(), [&](const std::string& pattern) {
      return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0 || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    });
  }

  void unread(const std::string& path) {
    listing_.why.emplace_back(std::strerror(errno));
    listing_.unread.push_back(path);
  }

  std::string root_;
  const std::vector<std::string>& exclude_;
  ImageListing listing_;
  std::vector<Pending> pending_;
  std::vector<std::pair<std::string, int>> links_;
  std::set<Identity> seen_;
};

}  // namespace detail

/// The image files below `folder`, by their suffixes. Hidden entries, the system's own copies and what a pattern of
/// `exclude` matches (shell patterns, on the name or the relative path) are left out. Throws when the folder itself cannot
/// be read.
inline ImageListing list_images(const std::string& folder, const std::vector<std::string>& exclude = {}) {
  return detail::ImageWalk(folder, exclude).run();
}

}  // namespace contrastive
