// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "contrastive/kernels/registry.hpp"

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
#define CONTRASTIVE_KERNEL(result, name, arguments)  // not timed
#define CONTRASTIVE_KERNEL_PRODUCT(result, name, arguments) timed.name = Timed<&Table::name>::call;
#include "contrastive/kernels/list.def"
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
