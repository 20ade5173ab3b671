// SPDX-License-Identifier: MIT
#include "contrastive/data/tar.hpp"

// The checksum of each header is made right, so that what lies behind it is reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string archive(reinterpret_cast<const char*>(data), size);
  const auto read = [&](std::uint64_t offset, char* out, std::size_t bytes) {
    if (offset > archive.size() || bytes > archive.size() - offset) __builtin_trap();
    std::memcpy(out, archive.data() + offset, bytes);
  };
  for (const bool mended : {false, true}) {
    for (std::size_t at = 0; mended && at + 512 <= archive.size(); at += 512) {
      unsigned sum = 8 * ' ';
      for (std::size_t i = 0; i < 512; ++i)
        sum += i >= 148 && i < 156 ? 0 : static_cast<unsigned char>(archive[at + i]);
      if (sum == 8 * ' ' || archive[at + 257] != 'u') continue;
      for (std::size_t digit = 6; digit-- > 0; sum /= 8) archive[at + 148 + digit] = static_cast<char>('0' + sum % 8);
      archive[at + 154] = '\0';
    }
    try {
      for (const auto& member : contrastive::index_tar(read, archive.size(), "fuzz"))
        if (member.size > archive.size() || member.offset > archive.size() - member.size) __builtin_trap();
    } catch (const contrastive::Error&) {
    }
  }
  return 0;
}
