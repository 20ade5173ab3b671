// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "contrastive/tensor/storage.hpp"

namespace contrastive {

class Tensor;

namespace detail {
struct GradSlot;
}

/// A handle on contiguous row-major memory with shape, dtype and device as values. Copies share the memory; `clone`
/// copies it. `reshape` and `slice` share it too; every other operation computes into new memory.
class Tensor {
 public:
  /// Empty: `defined()` is false.
  Tensor() = default;

  /// Uninitialised.
  explicit Tensor(Shape shape, DType dtype = DType::f32, Device device = Device::cpu)
      : storage_(std::make_shared<Storage>(static_cast<std::size_t>(checked_count(shape)) * size_of(dtype), device)),
        shape_(shape),
        dtype_(dtype) {}

  static Tensor zeros(Shape shape, DType dtype = DType::f32, Device device = Device::cpu) {
    return full(shape, 0, dtype, device);
  }
  static Tensor full(Shape shape, double value, DType dtype = DType::f32, Device device = Device::cpu) {
    Tensor y(shape, dtype, device);
    kernels(device).fill(y.view(), value);
    return y;
  }

  /// Copies `values` (row-major) into a new CPU tensor.
  template <class T>
  static Tensor from(std::span<const T> values, Shape shape) {
    Tensor y(shape, dtype_of<T>);
    require(static_cast<std::int64_t>(values.size()) == y.count(), "[tensor] ", values.size(), " values do not fill ",
            shape);
    std::copy(values.begin(), values.end(), y.data<T>());
    return y;
  }
  template <class T>
  static Tensor from(std::initializer_list<T> values, Shape shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }

  /// A tensor on the caller's memory, which must outlive it and all that shares it.
  static Tensor borrow(void* data, Shape shape, DType dtype, Device device = Device::cpu) {
    Tensor y;
    y.storage_ =
        std::make_shared<Storage>(data, static_cast<std::size_t>(checked_count(shape)) * size_of(dtype), device);
    y.shape_ = shape;
    y.dtype_ = dtype;
    return y;
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank; }
  std::int64_t size(int axis) const { return shape_[checked_axis("size", axis, shape_.rank)]; }
  std::int64_t count() const { return defined() ? shape_.count() : 0; }
  DType dtype() const { return dtype_; }
  Device device() const { return defined() ? storage_->device() : Device::cpu; }
  const KernelTable& kernels() const { return contrastive::kernels(device()); }
  static const KernelTable& kernels(Device device) { return contrastive::kernels(device); }

  /// Empty tensors give an empty view (no data, shape ()).
  View view() const {
    if (!defined()) return {};
    return {storage_->data() + offset_ * size_of(dtype_), shape_, dtype_, storage_->device()};
  }

  /// The view for a kernel that writes over values that somebody may have read: an op that has kept them then throws in
  /// `backward` instead of giving a wrong gradient.
  View view_to_write() const {
    mark_written();
    return view();
  }
  /// Says the same of a write that went past the tensor: through `data`, `span`, Eigen, or borrowed memory.
  void mark_written() const {
    if (storage_) storage_->mark_written();
  }
  /// How often the memory was written to in place, as far as it was marked; slices and reshaped tensors share it.
  std::uint64_t version() const { return storage_ ? storage_->version() : 0; }

  /// The elements; throws when T is not the dtype or the tensor is not on the CPU. What is written through the pointer is
  /// not marked: `mark_written` where an op may need the value that was there.
  template <class T>
  T* data() const {
    require(defined(), "[tensor] data() of an empty tensor");
    require(dtype_ == dtype_of<T>, "[tensor] data() as ", to_string(dtype_of<T>), " of a tensor of ",
            to_string(dtype_));
    require(device() == Device::cpu, "[tensor] data() of a tensor on ", to_string(device()), ": call to(Device::cpu)");
    return reinterpret_cast<T*>(storage_->data()) + offset_;
  }
  template <class T>
  std::span<T> span() const {
    return {data<T>(), static_cast<std::size_t>(count())};
  }

  /// The value of a tensor with one element.
  double item() const {
    require(count() == 1, "[item] expected one element, got shape ", shape_);
    const Tensor value = to(Device::cpu).to(DType::f64);
    return *value.data<double>();
  }

  /// A copy in another dtype or on another device; the tensor itself where nothing changes. Not recorded for
  /// gradients: `cast` (ops/elementwise.hpp) is.
  Tensor to(DType dtype) const {
    if (!defined() || dtype == dtype_) return *this;
    Tensor y(shape_, dtype, device());
    kernels().cast(view(), y.view());
    return y;
  }
  Tensor to(Device target) const {
    if (!defined() || target == device()) return *this;
    Tensor y(shape_, dtype_, target);
    contrastive::kernels(target == Device::cpu ? device() : target).transfer(view(), y.view());
    return y;
  }

  /// A copy with memory of its own, outside the tape.
  Tensor clone() const {
    if (!defined()) return {};
    Tensor y(shape_, dtype_, device());
    y.copy_from(*this);
    return y;
  }

  /// Overwrites the elements with those of `source` (same shape and dtype; devices may differ). Outside the tape.
  void copy_from(const Tensor& source) const {
    require(source.shape_ == shape_ && source.dtype_ == dtype_, "[copy_from] expected ", shape_, " ", to_string(dtype_),
            ", got ", source.shape_, " ", to_string(source.dtype_));
    const Device acting = device() == Device::cpu ? source.device() : device();
    contrastive::kernels(acting).transfer(source.view(), view_to_write());
  }

  // Recorded for gradients; defined in tensor/tape.hpp.

  /// Shares the memory. One size may be -1 and is found from the others.
  Tensor reshape(Shape shape) const;
  /// Rows [begin, end) of the first dimension, sharing the memory.
  Tensor slice(std::int64_t begin, std::int64_t end) const;

  bool requires_grad() const;
  /// Turns this handle into a leaf that collects gradients, or back. Copies made after the first call follow.
  void set_requires_grad(bool on);
  /// The same values outside the tape (stop-gradient), sharing the memory.
  Tensor detach() const {
    Tensor y = *this;
    y.slot_.reset();
    return y;
  }
  /// What `backward` collected; empty before.
  Tensor grad() const;
  void set_grad(Tensor grad) const;
  void clear_grad() const;
  /// Runs the tape backwards from this scalar and clears it.
  void backward() const;
  /// The same with a given gradient of this tensor.
  void backward(const Tensor& gradient) const;

  const std::shared_ptr<detail::GradSlot>& grad_slot() const { return slot_; }
  void set_grad_slot(std::shared_ptr<detail::GradSlot> slot) { slot_ = std::move(slot); }
  bool shares_memory_with_others() const { return storage_.use_count() > 1; }

 private:
  static std::int64_t checked_count(const Shape& shape) {
    for (int axis = 0; axis < shape.rank; ++axis)
      require(shape.sizes[axis] >= 0, "[tensor] a size is negative: ", shape);
    return shape.count();
  }

  /// Same memory from element `offset` on; used by reshape and slice.
  Tensor alias(Shape shape, std::int64_t offset) const {
    Tensor y = detach();
    y.shape_ = shape;
    y.offset_ = offset_ + offset;
    return y;
  }

  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // in elements
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<detail::GradSlot> slot_;
};

}  // namespace contrastive

#include "contrastive/tensor/tape.hpp"  // IWYU pragma: export
