// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"

namespace contrastive {

namespace detail {

/// CRC-32C (Castagnoli, reflected 0x82f63b78), stored "masked" in TFRecord files
/// (https://www.tensorflow.org/tutorials/load_data/tfrecord).
inline std::uint32_t masked_crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = (t[i] >> 1) ^ (t[i] & 1 ? 0x82f63b78u : 0u);
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 255] ^ (crc >> 8);
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

// Just enough protocol buffers for tensorflow.Event (event.proto, summary.proto) with simple values.

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

template <class T>
void put_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

/// Event { double wall_time = 1; int64 step = 2; string file_version = 3 | Summary summary = 5; }
inline std::string event(double wall_time, std::int64_t step, int field, std::string_view content) {
  std::string out = "\x09";
  put_raw(out, wall_time);
  out += '\x10';
  put_varint(out, static_cast<std::uint64_t>(step));
  put_bytes(out, field, content);
  return out;
}

inline std::string record(std::string_view data) {
  std::string out;
  put_raw(out, static_cast<std::uint64_t>(data.size()));
  put_raw(out, masked_crc32c(out));
  out += data;
  put_raw(out, masked_crc32c(data));
  return out;
}

/// The step of an event written by `event` above (wall time first, then the step).
inline std::int64_t event_step(std::string_view data) {
  if (data.size() < 11 || data[0] != '\x09' || data[9] != '\x10') return 0;
  std::uint64_t step = 0;
  for (std::size_t at = 10, shift = 0; at < data.size() && shift < 64; ++at, shift += 7) {
    step |= static_cast<std::uint64_t>(data[at] & 127) << shift;
    if (!(data[at] & 128)) break;
  }
  return static_cast<std::int64_t>(step);
}

/// The leading records that are whole and of a step not beyond `last_step`.
inline std::string_view kept_records(std::string_view file, std::int64_t last_step) {
  std::size_t at = 0;
  while (file.size() - at >= 16) {
    std::uint64_t length = 0;
    std::uint32_t crc = 0;
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&crc, file.data() + at + 8, 4);
    if (crc != masked_crc32c(file.substr(at, 8)) || length > file.size() - at - 16) break;
    const std::string_view data = file.substr(at + 12, static_cast<std::size_t>(length));
    std::memcpy(&crc, data.data() + data.size(), 4);
    if (crc != masked_crc32c(data) || event_step(data) > last_step) break;
    at += 16 + data.size();
  }
  return file.substr(0, at);
}

}  // namespace detail

/// Scalars in TensorBoard's format: `events.out.tfevents.contrastive` in the run's folder.
class EventFile {
 public:
  /// `resume_step` < 0 starts afresh; otherwise events up to and with that step are kept.
  explicit EventFile(const std::string& folder, std::int64_t resume_step = -1)
      : path_(folder + "/events.out.tfevents.contrastive") {
    std::string kept;
    if (resume_step >= 0 && ::access(path_.c_str(), F_OK) == 0) {
      const std::string old = read_text(path_);
      kept = detail::kept_records(old, resume_step);
    }
    if (kept.empty()) kept = detail::record(detail::event(now(), 0, 3, "brain.Event:2"));
    write_file(path_, kept);
    file_.reset(std::fopen(path_.c_str(), "ab"));
    require(file_ != nullptr, "[events] ", path_, ": ", std::strerror(errno));
  }

  void add(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
    std::string summary;  // Summary { repeated Value value = 1 }, Value { string tag = 1; float simple_value = 2; }
    for (const auto& [tag, number] : scalars) {
      std::string value;
      detail::put_bytes(value, 1, tag);
      value += '\x15';
      detail::put_raw(value, static_cast<float>(number));
      detail::put_bytes(summary, 1, value);
    }
    const std::string record = detail::record(detail::event(now(), step, 5, summary));
    const bool good =
        std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size() && std::fflush(file_.get()) == 0;
    require(good, "[events] ", path_, " could not be written: ", std::strerror(errno));
  }

  void sync() { ::fsync(::fileno(file_.get())); }

 private:
  static double now() {
    using namespace std::chrono;
    return duration<double>(system_clock::now().time_since_epoch()).count();
  }

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
};

}  // namespace contrastive
