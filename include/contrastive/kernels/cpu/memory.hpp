// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "contrastive/core/parallel.hpp"
#include "contrastive/core/view.hpp"

namespace contrastive::cpu {

/// 64-byte aligned; large blocks ask for huge pages, which saves page faults and address translation.
inline void* allocate(std::size_t bytes) {
  constexpr std::size_t huge = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= 2 * huge ? huge : 64;
  const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* block = std::aligned_alloc(alignment, size);
  require(block != nullptr, "[allocate] out of memory: ", bytes, " bytes");
#if defined(MADV_HUGEPAGE)
  if (alignment == huge) madvise(block, size, MADV_HUGEPAGE);
#endif
  return block;
}

inline void release(void* block) { std::free(block); }

/// Memory in whole cache lines, in huge pages when large, that only grows: a second call of the same size allocates
/// nothing, and finds what was left there.
template <class T>
class Buffer {
 public:
  T* resize(std::int64_t count) {
    if (count > capacity_) {
      memory_.reset();
      memory_.reset(static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T))));
      capacity_ = count;
    }
    return memory_.get();
  }
  T* zeros(std::int64_t count) {
    T* const data = resize(count);
    parallel_for(count, 1 << 16,
                 [&](std::int64_t begin, std::int64_t end) { std::fill(data + begin, data + end, T(0)); });
    return data;
  }
  T* data() const { return memory_.get(); }
  std::int64_t bytes() const { return capacity_ * static_cast<std::int64_t>(sizeof(T)); }

 private:
  struct Free {
    void operator()(T* memory) const { release(memory); }
  };
  std::unique_ptr<T, Free> memory_;
  std::int64_t capacity_ = 0;
};

/// Whether `count` floats are better written past the caches (`simd::stream`): whole lines, and more of them than would
/// still be there when they are read again from the start.
inline bool streams(const float* data, std::int64_t count) {
  constexpr std::int64_t least = (std::int64_t{2} << 20) / static_cast<std::int64_t>(sizeof(float));
  return count > least && reinterpret_cast<std::uintptr_t>(data) % 64 == 0;
}

inline void transfer(View from, View to) {
  const std::size_t bytes = static_cast<std::size_t>(from.count()) * size_of(from.dtype);
  if (bytes) std::memcpy(to.data, from.data, bytes);
}

inline void synchronize() {}

inline void fill(View y, double value) {
  dispatch_all(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T element;
    if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
      element = T(static_cast<float>(value));
    else
      element = static_cast<T>(value);
    T* data = y.as<T>();
    parallel_for(y.count(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
      if (value == 0 && !std::signbit(value))  // all bits are 0 in every dtype
        std::memset(static_cast<void*>(data + begin), 0, static_cast<std::size_t>(end - begin) * sizeof(T));
      else
        std::fill(data + begin, data + end, element);
    });
  });
}

/// Between any two dtypes; floats to integers truncate as in C++.
inline void cast(View x, View y) {
  dispatch_all(x.dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::type;
    dispatch_all(y.dtype, [&](auto to_tag) {
      using To = typename decltype(to_tag)::type;
      const From* from = x.as<From>();
      To* to = y.as<To>();
      parallel_for(x.count(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const compute_t<From> value = from[i];
          if constexpr (std::is_same_v<To, bf16> || std::is_same_v<To, f16>)
            to[i] = To(static_cast<float>(value));
          else
            to[i] = static_cast<To>(value);
        }
      });
    });
  });
}

}  // namespace contrastive::cpu
