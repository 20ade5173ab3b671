// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "contrastive/core/error.hpp"

namespace contrastive {

namespace detail {

/// Memory that grows and is kept: after the first pictures nothing is allocated. Contents do not survive growth.
template <class T>
class GrowingBuffer {
 public:
  T* ensure(std::size_t count) {
    if (count > capacity_) {
      capacity_ = count + count / 4;
      data_.reset(static_cast<T*>(::operator new(capacity_ * sizeof(T), alignment)));
    }
    return data_.get();
  }
  T* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* block) const { ::operator delete(block, alignment); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t capacity_ = 0;
};

}  // namespace detail

/// The picture an augmentation works on: 8-bit planes (C, H, W), C = 1 (grey) or 3 (RGB). Planes rather than
/// interleaved pixels, because colour arithmetic is then the same instruction on neighbouring bytes.
///
/// Each plane is followed by at least 64 bytes of padding up to `stride()` that may be read and written freely, so that
/// loops run in whole vectors. Its bytes mean nothing.
class Canvas {
 public:
  static constexpr std::int64_t slack = 64;

  /// Sets the size; the pixels are unspecified after it.
  void reshape(int height, int width, int channels) {
    require(height > 0 && width > 0 && (channels == 1 || channels == 3),
            "[canvas] expected a size of at least 1 x 1 and 1 or 3 channels, got ", height, " x ", width, " x ",
            channels);
    height_ = height;
    width_ = width;
    channels_ = channels;
    stride_ = (count() + slack - 1) / slack * slack + slack;
    data_ = pixels_.ensure(static_cast<std::size_t>(stride_ * channels));
  }

  int height() const { return height_; }
  int width() const { return width_; }
  int channels() const { return channels_; }
  /// Pixels in a plane.
  std::int64_t count() const { return std::int64_t{height_} * width_; }
  /// Bytes from one plane to the next.
  std::int64_t stride() const { return stride_; }

  std::uint8_t* plane(int channel) { return data_ + channel * stride_; }
  const std::uint8_t* plane(int channel) const { return data_ + channel * stride_; }
  std::uint8_t* row(int channel, int y) { return plane(channel) + std::int64_t{y} * width_; }
  const std::uint8_t* row(int channel, int y) const { return plane(channel) + std::int64_t{y} * width_; }

 private:
  detail::GrowingBuffer<std::uint8_t> pixels_;
  std::uint8_t* data_ = nullptr;
  std::int64_t stride_ = 0;
  int height_ = 0, width_ = 0, channels_ = 0;
};

}  // namespace contrastive
