// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "contrastive/core/rng.hpp"
#include "contrastive/kernels/cuda.hpp"
#include "contrastive/tensor/tensor.hpp"
#include "support/catch.hpp"

/// A tensor on the CPU and its twin on the device, so that each kernel can be run on both.
namespace parity {

using namespace contrastive;

/// Whether there is a device; says so, once, when there is none.
inline bool device() {
  static const bool ready = [] {
    if (!cuda_available()) {
      std::puts("SKIPPED: no CUDA device here; the CPU and CUDA kernels were not compared.");
      return false;
    }
    use_cuda();
    return true;
  }();
  return ready;
}

inline const KernelTable& cpu() { return kernels(Device::cpu); }
inline const KernelTable& cuda() { return kernels(Device::cuda); }

struct Twin {
  Tensor host, far;

  Twin() = default;
  explicit Twin(const Tensor& values) : host(values), far(values.to(Device::cuda)) {}

  /// Uniform in [low, high), in the dtype.
  static Twin random(Shape shape, DType dtype, double low = -1, double high = 1) {
    static std::uint64_t made = 0;
    Stream stream(Rng(7) / "parity" / made++);
    Tensor wide(shape, DType::f64);
    for (double& value : wide.span<double>()) value = stream.uniform(low, high);
    return Twin(wide.to(dtype));
  }
  /// Filled with a value that no kernel makes, so that what is not written shows.
  static Twin blank(Shape shape, DType dtype) { return Twin(Tensor::full(shape, is_float(dtype) ? 77 : 7, dtype)); }
  static Twin indices(Shape shape, std::int64_t below) {
    Twin twin = random(shape, DType::f64, 0, static_cast<double>(below));
    return Twin(twin.host.to(DType::i64));
  }
};

/// Relative to the larger of 1 and the value.
inline double tolerance(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-11;
    case DType::f32: return 2e-5;
    case DType::bf16: return 1.0 / 64;  // two roundings of 8 bits
    default: return 0;
  }
}

/// f(table, pick) on both sides, where pick gives a twin's view on that side.
template <class F>
void both(F&& f) {
  f(cpu(), [](const Twin& t) { return t.host.view(); });
  f(cuda(), [](const Twin& t) { return t.far.view(); });
}

/// The far side equals the near one within `slack` times the dtype's tolerance; NaN meets NaN.
inline void same(const std::string& what, const Twin& twin, double slack = 1) {
  const Tensor near = twin.host.to(DType::f64), far = twin.far.to(Device::cpu).to(DType::f64);
  double worst = 0;
  std::int64_t at = -1;
  for (std::int64_t i = 0; i < near.count(); ++i) {
    const double a = near.data<double>()[i], b = far.data<double>()[i];
    if ((std::isnan(a) && std::isnan(b)) || a == b) continue;
    const double error = std::abs(a - b) / std::max(1.0, std::abs(a));
    if (!(error <= worst)) {
      worst = std::isnan(error) ? INFINITY : error;
      at = i;
    }
  }
  INFO(what << " " << to_string(twin.host.shape()) << " " << to_string(twin.host.dtype()) << ", worst at " << at
            << (at < 0 ? ""
                       : ": cpu " + std::to_string(near.data<double>()[at]) + ", cuda " +
                             std::to_string(far.data<double>()[at])));
  CHECK(worst <= slack * tolerance(twin.host.dtype()));
}

inline const DType computed[] = {DType::f32, DType::f64, DType::bf16};
inline DType wide(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

}  // namespace parity
