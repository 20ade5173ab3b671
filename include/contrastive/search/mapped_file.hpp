// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "contrastive/core/error.hpp"

namespace contrastive::detail {

/// A file's bytes without reading them: the system brings in what is looked at. It stays the file that it was when another
/// takes its name.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require(file >= 0, "[read] ", path, ": ", std::strerror(errno));
    struct stat info {};
    const bool known = ::fstat(file, &info) == 0;
    if (known && S_ISREG(info.st_mode) && info.st_size > 0) {
      size_ = static_cast<std::size_t>(info.st_size);
      start_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    }
    const int reason = errno;
    ::close(file);
    require(known && S_ISREG(info.st_mode), "[read] ", path, ": not a file");
    require(start_ != MAP_FAILED, "[read] ", path, ": ", std::strerror(reason));
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (start_ && start_ != MAP_FAILED) ::munmap(start_, size_);
  }

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(start_), size_}; }

 private:
  void* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace contrastive::detail
