// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "contrastive/core/dtype.hpp"
#include "contrastive/core/error.hpp"

namespace contrastive {

namespace detail {

template <class T>
concept LabelType = std::signed_integral<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

/// std::vector, std::span, std::array and vectors of Eigen.
template <class R>
concept LabelArray = requires(const R& labels) {
  { labels.size() } -> std::convertible_to<std::size_t>;
  requires LabelType<std::remove_cvref_t<decltype(*labels.data())>>;
};

/// A tensor, of which this layer knows nothing.
template <class R>
concept LabelTensor = requires(const R& labels) {
  { labels.dtype() } -> std::same_as<DType>;
  labels.template span<std::int64_t>();
};

}  // namespace detail

/// Class labels of int32 or int64 where they lie: a std::vector, a std::span, a std::array, a vector of Eigen, or a tensor
/// (i32 or i64, on the CPU). A view: the memory must outlive it.
class Labels {
 public:
  Labels() = default;

  template <class R>
  requires(!std::same_as<std::remove_cvref_t<R>, Labels>) Labels(const R& labels) {
    static_assert(
        detail::LabelArray<R> || detail::LabelTensor<R>,
        "Labels: class labels are int32 or int64, one after the other in memory: a std::vector, a std::span, a "
        "std::array, a vector of Eigen, or a tensor of i32 or i64");
    if constexpr (detail::LabelTensor<R>) {
      require(labels.dtype() == DType::i32 || labels.dtype() == DType::i64, "[labels] expected i32 or i64, got ",
              to_string(labels.dtype()));
      if (labels.dtype() == DType::i32)
        *this = Labels(std::span<const std::int32_t>(labels.template span<std::int32_t>()));
      else
        *this = Labels(std::span<const std::int64_t>(labels.template span<std::int64_t>()));
    } else if constexpr (detail::LabelArray<R>) {
      data_ = labels.data();
      size_ = static_cast<std::size_t>(labels.size());
      wide_ = sizeof(*labels.data()) == 8;
    }
  }

  /// A copy as int64.
  std::vector<std::int64_t> wide() const {
    std::vector<std::int64_t> all(size_);
    for (std::size_t i = 0; i < size_; ++i) all[i] = (*this)[i];
    return all;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t operator[](std::size_t i) const { return wide_ ? read<std::int64_t>(i) : read<std::int32_t>(i); }

 private:
  /// long and long long are two types of one size.
  template <class T>
  T read(std::size_t i) const {
    T label;
    std::memcpy(&label, static_cast<const char*>(data_) + i * sizeof(T), sizeof(T));
    return label;
  }

  const void* data_ = nullptr;
  std::size_t size_ = 0;
  bool wide_ = false;
};

}  // namespace contrastive
