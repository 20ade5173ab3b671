// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#if defined(CONTRASTIVE_WITH_ZLIB)
#include <zlib.h>
#endif

#include "contrastive/core/error.hpp"

namespace contrastive::detail {

inline bool is_gzip(std::span<const std::uint8_t> file) {
  return file.size() >= 2 && file[0] == 0x1F && file[1] == 0x8B;
}

/// Unpacks a gzip file of at most `limit` bytes. Throws `Error` naming the file when it is damaged or cut short.
inline std::vector<std::uint8_t> gunzip([[maybe_unused]] std::span<const std::uint8_t> file, std::string_view name,
                                        [[maybe_unused]] std::size_t limit = std::size_t{1} << 33) {
#if defined(CONTRASTIVE_WITH_ZLIB)
  z_stream stream{};
  require(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK, "[gzip] ", name, ": zlib does not start");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};
  std::vector<std::uint8_t> out;
  std::size_t used = 0, filled = 0;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    require(used < file.size() || stream.avail_in > 0, "[gzip] ", name, ": the file is truncated");
    if (stream.avail_in == 0) {
      const std::size_t piece = std::min<std::size_t>(file.size() - used, 1 << 20);
      stream.next_in = const_cast<Bytef*>(file.data() + used);
      stream.avail_in = static_cast<uInt>(piece);
      used += piece;
    }
    do {
      if (filled == out.size()) {
        require(out.size() < limit, "[gzip] ", name, ": unpacks to more than ", limit, " bytes");
        out.resize(std::min(limit, std::max<std::size_t>(2 * out.size(), 1 << 16)));
      }
      const std::size_t room = std::min<std::size_t>(out.size() - filled, 1 << 30);
      stream.next_out = out.data() + filled;
      stream.avail_out = static_cast<uInt>(room);
      state = inflate(&stream, Z_NO_FLUSH);
      filled += room - stream.avail_out;
      require(state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR, "[gzip] ", name, ": the file is damaged");
    } while (state != Z_STREAM_END && stream.avail_out == 0);
    if (state == Z_STREAM_END && (stream.avail_in > 0 || used < file.size())) {  // another member may follow
      const std::size_t rest = stream.avail_in + (file.size() - used);
      if (!is_gzip(file.subspan(file.size() - rest))) break;
      require(inflateReset(&stream) == Z_OK, "[gzip] ", name, ": the file is damaged");
      state = Z_OK;
    }
  }
  out.resize(filled);
  return out;
#else
  fail("[gzip] ", name, ": this program was built without zlib (CONTRASTIVE_WITH_ZLIB): unpack the file first");
#endif
}

}  // namespace contrastive::detail
