// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "contrastive/kernels/registry.hpp"

namespace contrastive {

namespace detail {

/// Keeps released blocks by size, so that a training step finds the same memory at the same addresses every time:
/// no page faults, no device allocation. One pool a device, for the life of the program.
class Pool {
 public:
  static Pool& of(Device device) {
    static Pool* pools = new Pool[device_count]{Pool(Device::cpu), Pool(Device::cuda)};  // outlives static tensors
    return pools[static_cast<int>(device)];
  }

  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    {
      const std::lock_guard hold(lock_);
      in_use_ += size;
      peak_ = std::max(peak_, in_use_);
      auto& blocks = free_[size];
      if (!blocks.empty()) {
        void* block = blocks.back();
        blocks.pop_back();
        return block;
      }
    }
    return kernels(device_).allocate(size);
  }

  void give(void* block, std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard hold(lock_);
    in_use_ -= size;
    free_[size].push_back(block);
  }

  /// Hands unused blocks back to the system.
  void trim() {
    const std::lock_guard hold(lock_);
    for (auto& [size, blocks] : free_)
      for (void* block : blocks) kernels(device_).release(block);
    free_.clear();
  }

  std::size_t in_use() const { return in_use_; }
  std::size_t peak() const { return peak_; }
  void reset_peak() { peak_ = in_use_; }

 private:
  explicit Pool(Device device) : device_(device) {}

  /// Up to 12.5 % larger than asked, so that close sizes share blocks.
  static std::size_t rounded(std::size_t bytes) {
    if (bytes <= 512) return 512;
    const std::size_t step = std::bit_floor(bytes) / 8;
    return (bytes + step - 1) / step * step;
  }

  Device device_;
  std::mutex lock_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
  std::size_t in_use_ = 0, peak_ = 0;
};

}  // namespace detail

/// Most bytes of tensors alive at once since the start or the last `reset_peak_memory`.
inline std::size_t peak_memory(Device device = Device::cpu) { return detail::Pool::of(device).peak(); }
inline void reset_peak_memory(Device device = Device::cpu) { detail::Pool::of(device).reset_peak(); }

/// Memory that tensors share. Either from the pool, or borrowed from the caller, who keeps it alive.
class Storage {
 public:
  Storage(std::size_t bytes, Device device)
      : data_(detail::Pool::of(device).take(bytes)), bytes_(bytes), device_(device), owned_(true) {}
  Storage(void* borrowed, std::size_t bytes, Device device)
      : data_(borrowed), bytes_(bytes), device_(device), owned_(false) {}
  ~Storage() {
    if (owned_) detail::Pool::of(device_).give(data_, bytes_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  /// Raised by every write in place, through whatever tensor: the tape sees by it that a value is not what it kept.
  std::uint64_t version() const { return version_; }
  void mark_written() { ++version_; }

 private:
  void* data_;
  std::size_t bytes_;
  Device device_;
  bool owned_;
  std::uint64_t version_ = 0;
};

}  // namespace contrastive
