// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// A file inside a tar archive.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0;  // of its first byte in the archive
  std::uint64_t size = 0;
};

namespace detail {

/// Reads bytes of an archive from an offset on; short only at its end.
using ReadAt = std::function<void(std::uint64_t offset, char* out, std::size_t size)>;

/// A number of a header: octal digits, or binary where the first bit is set (GNU's for large sizes).
inline std::uint64_t tar_number(const char* field, std::size_t size, std::string_view what) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(field[i]); };
  std::uint64_t value = 0;
  if (byte(0) & 0x80) {
    for (std::size_t i = 0; i < size; ++i) {
      require(value < (std::uint64_t{1} << 52), "[tar] ", what, ": the header is damaged");
      value = value << 8 | (i == 0 ? byte(i) & 0x7F : byte(i));
    }
    return value;
  }
  std::size_t i = 0;
  while (i < size && field[i] == ' ') ++i;
  for (; i < size && field[i] != ' ' && field[i] != '\0'; ++i) {
    require(field[i] >= '0' && field[i] <= '7', "[tar] ", what, ": the header is damaged");
    value = value << 3 | static_cast<std::uint64_t>(field[i] - '0');
  }
  return value;
}

inline std::string tar_text(const char* field, std::size_t size) { return {field, ::strnlen(field, size)}; }

/// The path and the size of a pax header ("20 path=a/b.jpg\n..."), where it has them.
inline void read_pax(std::string_view text, std::string_view what, std::string& path, std::int64_t& size) {
  while (!text.empty()) {
    std::size_t length = 0, digits = 0;
    for (; digits < text.size() && digits < 8 && text[digits] >= '0' && text[digits] <= '9'; ++digits)
      length = 10 * length + static_cast<std::size_t>(text[digits] - '0');
    require(
        digits > 0 && length > digits + 2 && length <= text.size() && text[digits] == ' ' && text[length - 1] == '\n',
        "[tar] ", what, ": the pax header is damaged");
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    require(equals != std::string_view::npos, "[tar] ", what, ": the pax header is damaged");
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") path = value;
    if (key == "size") {
      size = 0;
      for (const char c : value) {
        require(c >= '0' && c <= '9' && size < (std::int64_t{1} << 52), "[tar] ", what, ": the pax header is damaged");
        size = 10 * size + (c - '0');
      }
    }
    text.remove_prefix(length);
  }
}

}  // namespace detail

/// The files of a tar archive (POSIX ustar, with GNU's long names and pax paths and sizes), in its order; folders, links and
/// devices are passed over. `total` is the archive's size in bytes. Throws `Error` naming the archive when it is cut short,
/// damaged or no tar.
inline std::vector<TarMember> index_tar(const detail::ReadAt& read, std::uint64_t total, std::string_view name) {
  constexpr std::uint64_t block = 512, longest_name = 1 << 20;
  std::vector<TarMember> members;
  std::string long_name, pax_path;
  std::int64_t pax_size = -1;
  for (std::uint64_t at = 0;;) {
    require(at + block <= total, "[tar] ", name, ": the archive is cut short: it ends at byte ", total,
            " without the blocks that close it");
    char header[block];
    read(at, header, block);
    if (std::all_of(header, header + block, [](char c) { return c == 0; })) return members;
    const std::string what = join(name, ": at byte ", at);
    std::int64_t unsigned_sum = 0, signed_sum = 0;
    for (std::size_t i = 0; i < block; ++i) {
      const char c = i >= 148 && i < 156 ? ' ' : header[i];
      unsigned_sum += static_cast<unsigned char>(c), signed_sum += static_cast<signed char>(c);
    }
    const auto sum = static_cast<std::int64_t>(detail::tar_number(header + 148, 8, what));
    require(sum == unsigned_sum || sum == signed_sum, "[tar] ", what,
            at == 0 ? ": not a tar archive" : ": the header's checksum is wrong, the archive is damaged");
    std::uint64_t size = detail::tar_number(header + 124, 12, what);
    const char type = header[156];
    if (pax_size >= 0 && type != 'x' && type != 'L' && type != 'K') size = static_cast<std::uint64_t>(pax_size);
    if (type >= '1' && type <= '6') size = 0;  // links, devices and folders hold nothing
    std::string member = detail::tar_text(header, 100);
    if (std::memcmp(header + 257, "ustar\0", 6) == 0 && header[345] != 0)
      member = detail::tar_text(header + 345, 155) + "/" + member;
    at += block;
    require(size <= total && at <= total - size, "[tar] ", name, ": the archive is cut short: ", member, " needs ",
            size, " bytes from byte ", at, " on, and it ends at byte ", total);
    if (type == 'L' || type == 'x') {
      require(size <= longest_name, "[tar] ", what, ": a name of ", size, " bytes");
      std::string text(static_cast<std::size_t>(size), '\0');
      read(at, text.data(), text.size());
      if (type == 'L')
        long_name = detail::tar_text(text.data(), text.size());
      else
        detail::read_pax(text, what, pax_path, pax_size);
    } else if (type != 'K' && type != 'g') {
      if (!long_name.empty()) member = std::move(long_name);
      if (!pax_path.empty()) member = std::move(pax_path);
      if (type == '0' || type == '\0' || type == '7') members.push_back({std::move(member), at, size});
      long_name.clear(), pax_path.clear(), pax_size = -1;
    }
    at += (size + block - 1) / block * block;
  }
}

/// A file that is read at any place by any thread. It is opened anew for each reading, so that there is no limit to how many
/// there are.
class RandomAccessFile {
 public:
  explicit RandomAccessFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::uint64_t size() const {
    const Opened file(path_);
    const off_t end = ::lseek(file.descriptor, 0, SEEK_END);
    require(end >= 0, "[read] ", path_, ": ", std::strerror(errno));
    return static_cast<std::uint64_t>(end);
  }
  std::string read(std::uint64_t offset, std::size_t size) const {
    std::string bytes(size, '\0');
    read_into(Opened(path_).descriptor, offset, bytes.data(), size);
    return bytes;
  }
  /// The files of this archive.
  std::vector<TarMember> index() const {
    const std::uint64_t total = size();
    const Opened file(path_);
    return index_tar(
        [&](std::uint64_t offset, char* out, std::size_t bytes) { read_into(file.descriptor, offset, out, bytes); },
        total, path_);
  }

 private:
  struct Opened {
    int descriptor;
    explicit Opened(const std::string& path) : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
      require(descriptor >= 0, "[read] ", path, ": ", std::strerror(errno));
    }
    ~Opened() { ::close(descriptor); }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
  };

  void read_into(int descriptor, std::uint64_t offset, char* out, std::size_t size) const {
    while (size > 0) {
      const ssize_t got = ::pread(descriptor, out, size, static_cast<off_t>(offset));
      require(got > 0 || (got < 0 && errno == EINTR), "[read] ", path_, ": ",
              got == 0 ? "the file has become shorter" : std::strerror(errno));
      if (got < 0) continue;
      out += got, offset += static_cast<std::uint64_t>(got), size -= static_cast<std::size_t>(got);
    }
  }

  std::string path_;
};

}  // namespace contrastive
