// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// The path of a file that comes with the library, such as `clip_bpe.txt`. It is looked for in the folder that the
/// environment variable CONTRASTIVE_SHARE names, in `share/contrastive` in each folder above the running program (that
/// of the build and that of an installation), where the library was installed, and in /usr/local and /usr.
/// Throws `[share] clip_bpe.txt is in none of ...`.
inline std::string shared_file(const std::string& name) {
  namespace fs = std::filesystem;
  std::vector<fs::path> folders;
  if (const char* given = std::getenv("CONTRASTIVE_SHARE"); given != nullptr && *given != '\0')
    folders.emplace_back(given);
  std::error_code error;
  for (fs::path above = fs::read_symlink("/proc/self/exe", error).parent_path(); above != above.root_path();
       above = above.parent_path())
    folders.push_back(above / "share/contrastive");
#if defined(CONTRASTIVE_SHARE_DIR)
  folders.emplace_back(CONTRASTIVE_SHARE_DIR);
#endif
  folders.emplace_back("/usr/local/share/contrastive");
  folders.emplace_back("/usr/share/contrastive");
  std::string tried;
  for (const fs::path& folder : folders) {
    if (fs::is_regular_file(folder / name, error)) return (folder / name).string();
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  fail("[share] ", name, " is in none of ", tried, "; the environment variable CONTRASTIVE_SHARE may name its folder");
}

}  // namespace contrastive
