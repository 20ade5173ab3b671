// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "contrastive/kernels/cpu/backend.hpp"

/// The CPU's kernels, where products, convolutions and attention keep their time: what a step spends outside of them.
namespace timed {

inline double product_seconds = 0;

template <auto Row>
struct Timed;
template <class R, class... Args, R (*contrastive::KernelTable::*Row)(Args...)>
struct Timed<Row> {
  static R call(Args... args) {
    struct Clock {
      std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      ~Clock() { product_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
    } clock;
    return (contrastive::cpu_kernels().*Row)(args...);
  }
};

inline const contrastive::KernelTable& kernels() {
  using Table = contrastive::KernelTable;
  static const Table table = [] {
    Table timed = contrastive::cpu_kernels();
    timed.matmul = Timed<&Table::matmul>::call;
    timed.conv2d = Timed<&Table::conv2d>::call;
    timed.conv2d_with_stats = Timed<&Table::conv2d_with_stats>::call;
    timed.conv2d_grad_input = Timed<&Table::conv2d_grad_input>::call;
    timed.conv2d_grad_weight = Timed<&Table::conv2d_grad_weight>::call;
    timed.attention = Timed<&Table::attention>::call;
    timed.attention_grad = Timed<&Table::attention_grad>::call;
    return timed;
  }();
  return table;
}

/// From here to `share`, products, convolutions and attention keep their time.
class OutsideProducts {
 public:
  OutsideProducts() {
    contrastive::register_kernels(contrastive::Device::cpu, &kernels());
    product_seconds = 0;
    start_ = std::chrono::steady_clock::now();
  }
  ~OutsideProducts() { contrastive::register_kernels(contrastive::Device::cpu, nullptr); }
  /// Of the time since then, what was spent outside of them.
  double share() const {
    return 1 - product_seconds / std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_;
};

}  // namespace timed
