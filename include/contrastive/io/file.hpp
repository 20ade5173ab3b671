// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// The whole file. Throws `[read] model.safetensors: No such file or directory`.
inline std::vector<std::byte> read_file(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  require(file != nullptr, "[read] ", path, ": ", std::strerror(errno));
  std::vector<std::byte> bytes;
  // The size is a hint only (pipes have none); a folder opens but fails at the first read.
  if (std::fseek(file.get(), 0, SEEK_END) == 0) {
    const long size = std::ftell(file.get());
    if (size > 0 && size < (1L << 46)) bytes.reserve(static_cast<std::size_t>(size) + 1);
    std::rewind(file.get());
  }
  for (std::size_t filled = 0;;) {
    if (filled == bytes.capacity()) bytes.reserve(filled + filled / 2 + 65536);
    bytes.resize(bytes.capacity());
    const std::size_t got = std::fread(bytes.data() + filled, 1, bytes.size() - filled, file.get());
    require(!std::ferror(file.get()), "[read] ", path, ": ", std::strerror(errno));
    filled += got;
    if (got == 0) {
      bytes.resize(filled);
      return bytes;
    }
  }
}

inline std::string_view as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string read_text(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return std::string(as_text(bytes));
}

/// Makes a folder and those above it. Throws `[write] cannot make the folder runs/a: Permission denied`.
inline void make_folders(const std::string& path) {
  int error = 0;
  for (std::size_t at = 1; at <= path.size(); ++at)
    if ((at == path.size() || path[at] == '/') && ::mkdir(path.substr(0, at).c_str(), 0777) != 0) error = errno;
  struct stat info {};
  require(::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode), "[write] cannot make the folder ", path, ": ",
          std::strerror(error));
}

}  // namespace contrastive
