// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

/// The linear tape. An op computes its output and, when an input wants a gradient, leaves a closure that turns the
/// gradient of the output into those of the inputs. `backward` runs the closures in reverse order and frees each as it
/// goes. The tape belongs to the thread.
namespace contrastive {

namespace detail {

struct GradSlot {
  Tensor grad;
  bool wanted = true;     // false for a frozen leaf
  bool computed = false;  // by an op: not a leaf
  bool spent = false;     // a computed tensor whose place on the tape is gone
};

struct TapeEntry {
  std::shared_ptr<GradSlot> output;
  std::function<void(Tensor& dy)> backward;  // may take dy's memory
};

inline std::vector<TapeEntry>& tape() {
  thread_local std::vector<TapeEntry> entries;
  return entries;
}

inline bool& grad_enabled() {
  thread_local bool on = true;
  return on;
}

inline bool& training() {
  thread_local bool on = true;
  return on;
}

inline bool& statistics_follow() {
  thread_local bool on = true;
  return on;
}

/// While one is alive, keeps the leaves that recorded ops of this thread read.
class LeafLog {
 public:
  LeafLog() : before_(std::exchange(current(), this)) {}
  ~LeafLog() { current() = before_; }
  LeafLog(const LeafLog&) = delete;
  LeafLog& operator=(const LeafLog&) = delete;

  std::vector<Tensor> leaves;  // one for each reading
  static LeafLog*& current() {
    thread_local LeafLog* log = nullptr;
    return log;
  }

 private:
  LeafLog* before_;
};

/// Sets a thread's flag for the life of the guard.
class FlagGuard {
 public:
  FlagGuard(bool& flag, bool value) : flag_(flag), before_(std::exchange(flag, value)) {}
  ~FlagGuard() { flag_ = before_; }
  FlagGuard(const FlagGuard&) = delete;
  FlagGuard& operator=(const FlagGuard&) = delete;

 private:
  bool& flag_;
  bool before_;
};

}  // namespace detail

/// While one is alive, ops of this thread leave nothing on the tape.
struct NoGrad : detail::FlagGuard {
  NoGrad() : FlagGuard(detail::grad_enabled(), false) {}
};

/// While one is alive, modules of this thread act as for evaluation: norms use their running statistics.
struct Eval : detail::FlagGuard {
  Eval() : FlagGuard(detail::training(), false) {}
};

/// While one is alive, norms use the batch's statistics but leave the running ones alone: for a pass that is repeated.
struct KeepStatistics : detail::FlagGuard {
  KeepStatistics() : FlagGuard(detail::statistics_follow(), false) {}
};

inline bool training() { return detail::training(); }

/// Where an op's backward puts the gradient of one input. Empty when that input wants none.
class Grad {
 public:
  explicit Grad(const Tensor& x) : slot_(x.requires_grad() ? x.grad_slot() : nullptr) {
    if (!slot_) return;
    if (detail::LeafLog* const log = detail::LeafLog::current(); log && !slot_->computed) log->leaves.push_back(x);
  }

  explicit operator bool() const { return slot_ != nullptr; }

  /// Adds `dx` to what has been collected; the first one is taken as it is. Nothing happens when no gradient is wanted.
  void add(Tensor dx) const {
    if (!slot_) return;
    check_open();
    if (!slot_->grad.defined()) {
      slot_->grad = dx.detach();
      return;
    }
    Tensor& held = slot_->grad;
    require(dx.shape() == held.shape(), "[backward] a gradient of ", dx.shape(), " meets one of ", held.shape());
    dx = dx.detach().to(held.dtype());
    // The sum is the same in either; the newer one is in this core's caches.
    if (!dx.shares_memory_with_others())
      std::swap(dx, held);
    else if (held.shares_memory_with_others())
      held = held.clone();
    dx.kernels().accumulate(dx.view(), held.view());
  }

  /// For a kernel that can add by itself: `write(dx, add)` puts the gradient of an input like `x` into dx, or adds it to
  /// what has been collected there.
  template <class F>
  void collect(const Tensor& x, F&& write) const {
    if (!slot_) return;
    check_open();
    const Tensor& held = slot_->grad;
    if (held.defined() && held.dtype() == x.dtype() && held.shape() == x.shape() && !held.shares_memory_with_others())
      return write(held, true);
    Tensor dx(x.shape(), x.dtype(), x.device());
    write(dx, false);
    add(std::move(dx));
  }

 private:
  void check_open() const {
    require(!slot_->spent, "[backward] an earlier backward has already gone through this part of the tape");
  }

  std::shared_ptr<detail::GradSlot> slot_;
};

/// A tensor that an op keeps for its backward, without its gradient. Reading it throws when its memory was written to
/// since: the gradient would be wrong.
class Saved {
 public:
  Saved() = default;
  Saved(const char* op, const Tensor& x) : op_(op), value_(x.detach()), version_(x.version()) {}

  const Tensor& operator*() const {
    require(value_.version() == version_, "[backward] a tensor of shape ", value_.shape(), " that ", op_,
            " kept was written to after the forward pass: call backward before, or give ", op_, " a clone()");
    return value_;
  }
  const Tensor* operator->() const { return &**this; }
  /// The same for its shape, dtype and device alone, which stay.
  const Tensor& like() const { return value_; }

 private:
  const char* op_ = "";
  Tensor value_;
  std::uint64_t version_ = 0;
};

/// Room for a gradient like x that is found from dy number by number, or row by row: on the CPU dy's own memory, where
/// nothing else holds it, which costs none and is in this core's caches (dy is empty then; take its view before).
inline Tensor room_over(Tensor& dy, const Shape& shape, DType dtype) {
  const Device device = dy.device();
  const bool free = device == Device::cpu && !dy.shares_memory_with_others();
  if (free && dy.shape() == shape && dy.dtype() == dtype) return std::exchange(dy, Tensor());
  return Tensor(shape, dtype, device);
}
inline Tensor room_over(Tensor& dy, const Tensor& x) { return room_over(dy, x.shape(), x.dtype()); }

/// Whether an op on these inputs has to be recorded.
inline bool recording(std::initializer_list<const Tensor*> inputs) {
  if (!detail::grad_enabled()) return false;
  for (const Tensor* x : inputs)
    if (x->requires_grad()) return true;
  return false;
}

/// Throws unless the tensors that are there live on one device.
inline void check_devices(const char* op, std::initializer_list<const Tensor*> inputs) {
  const Tensor* first = nullptr;
  for (const Tensor* x : inputs) {
    if (!x->defined()) continue;
    if (!first) first = x;
    require(x->device() == first->device(), "[", op, "] devices differ: ", to_string(first->device()), " and ",
            to_string(x->device()));
  }
}

/// Marks `y` as computed and records how to go back. `backward(dy)` is called at most once.
template <class F>
Tensor record(Tensor y, F&& backward) {
  auto slot = std::make_shared<detail::GradSlot>();
  slot->computed = true;
  y.set_grad_slot(slot);
  detail::tape().push_back({std::move(slot), std::forward<F>(backward)});
  return y;
}

inline bool Tensor::requires_grad() const { return slot_ && slot_->wanted; }

inline void Tensor::set_requires_grad(bool on) {
  require(!on || is_float(dtype_), "[set_requires_grad] gradients need a floating dtype, got ", to_string(dtype_));
  if (on && !slot_) slot_ = std::make_shared<detail::GradSlot>();
  if (slot_) slot_->wanted = on;
}

inline Tensor Tensor::grad() const { return slot_ ? slot_->grad : Tensor(); }
inline void Tensor::clear_grad() const {
  if (slot_) slot_->grad = Tensor();
}
inline void Tensor::set_grad(Tensor grad) const {
  require(slot_ != nullptr, "[set_grad] the tensor does not require a gradient");
  slot_->grad = std::move(grad);
}

/// Forgets everything recorded on this thread without going back (after a loss that is not wanted).
inline void clear_tape() {
  for (detail::TapeEntry& entry : detail::tape()) entry.output->spent = true;
  detail::tape().clear();
}

inline void Tensor::backward(const Tensor& gradient) const {
  require(requires_grad(), "[backward] nothing to differentiate: no input required a gradient");
  require(gradient.shape() == shape_, "[backward] expected a gradient of ", shape_, ", got ", gradient.shape());
  Grad(*this).add(gradient);
  auto& entries = detail::tape();
  const NoGrad no_grad;
  try {
    while (!entries.empty()) {
      detail::TapeEntry entry = std::move(entries.back());
      entries.pop_back();
      entry.output->spent = true;
      if (!entry.output->grad.defined()) continue;
      Tensor dy = std::exchange(entry.output->grad, Tensor());
      entry.backward(dy);
    }
  } catch (...) {
    clear_tape();
    throw;
  }
}

inline void Tensor::backward() const {
  require(count() == 1, "[backward] the loss must be one number, got shape ", shape_);
  backward(Tensor::full(shape_, 1, dtype_, device()));
}

inline Tensor Tensor::reshape(Shape shape) const {
  std::int64_t known = 1;
  int open = -1;
  for (int axis = 0; axis < shape.rank; ++axis) {
    if (shape[axis] == -1 && open < 0)
      open = axis;
    else
      known *= shape[axis];
  }
  if (open >= 0) shape[open] = known > 0 ? count() / known : 0;
  require(defined() && shape.count() == count(), "[reshape] ", shape_, " does not become ", shape);
  const Tensor y = alias(shape, 0);
  if (!recording({this})) return y;
  return record(y, [dx = Grad(*this), from = shape_](const Tensor& dy) { dx.add(dy.reshape(from)); });
}

inline Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  require(rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0], "[slice] rows [", begin, ", ", end,
          ") are outside ", shape_);
  Shape shape = shape_;
  shape[0] = end - begin;
  const Tensor y = alias(shape, begin * shape_.count(1, shape_.rank));
  if (!recording({this})) return y;
  return record(y, [dx = Grad(*this), from = shape_, dtype = dtype_, begin](const Tensor& dy) {
    Tensor full = Tensor::zeros(from, dtype, dy.device());
    dy.kernels().place(dy.view(), full.view(), 0, begin);
    dx.add(full);
  });
}

}  // namespace contrastive
