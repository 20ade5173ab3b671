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

/// The share of `step`, called twice, that is spent outside products, convolutions and attention.
template <class Step>
double outside_products(Step&& step) {
  contrastive::register_kernels(contrastive::Device::cpu, &kernels());
  product_seconds = 0;
  const auto start = std::chrono::steady_clock::now();
  step();
  step();
  const double whole = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  contrastive::register_kernels(contrastive::Device::cpu, nullptr);
  return 1 - product_seconds / whole;
}

}  // namespace timed
