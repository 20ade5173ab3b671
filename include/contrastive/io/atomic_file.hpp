// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// A file that appears complete or not at all: bytes go to `path.PID.tmp` in the same folder; `commit` syncs them,
/// renames over `path` and syncs the folder, so that after a crash at any instant `path` is the old file or the new
/// one. Without `commit` the destructor removes the temporary. Every failure (unwritable folder, full disk) throws
/// one sentence with the path, and the old file stays.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path)
      : path_(std::move(path)), temporary_(path_ + "." + std::to_string(::getpid()) + ".tmp") {
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file_ < 0) stop("cannot be written");
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() { drop(); }

  void write(const void* data, std::size_t size) {
    const char* next = static_cast<const char*>(data);
    while (size > 0) {
      // Linux moves at most 2 GiB a call.
      const ssize_t done = ::write(file_, next, size < (1u << 30) ? size : (1u << 30));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) stop("could not be written in full");
      next += done;
      size -= static_cast<std::size_t>(done);
    }
  }
  void write(std::string_view text) { write(text.data(), text.size()); }
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }

  void commit() {
    if (::fsync(file_) != 0) stop("could not be written in full");
    const int closed = ::close(file_);
    file_ = -1;
    if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      ::unlink(temporary_.c_str());
      errno = reason;
      stop("could not be put in place");
    }
    // The new name itself must reach the disk. File systems that cannot sync a folder say so with EINVAL: fine.
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle >= 0) {
      ::fsync(handle);
      ::close(handle);
    }
  }

 private:
  [[noreturn]] void stop(const char* what) {
    const int reason = errno;
    drop();
    fail("[write] ", path_, " ", what, ": ", std::strerror(reason));
  }

  void drop() {
    if (file_ < 0) return;
    ::close(file_);
    ::unlink(temporary_.c_str());
    file_ = -1;
  }

  std::string path_, temporary_;
  int file_ = -1;
};

/// Puts a whole text or block of bytes at `path`, atomically as above.
inline void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace contrastive
