// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/compiled.hpp"
#include "contrastive/kernels/cpu/attention.hpp"
#include "contrastive/kernels/cpu/batch_norm.hpp"
#include "contrastive/kernels/cpu/conv2d.hpp"
#include "contrastive/kernels/cpu/elementwise.hpp"
#include "contrastive/kernels/cpu/gemm.hpp"
#include "contrastive/kernels/cpu/layer_norm.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/move.hpp"
#include "contrastive/kernels/cpu/optim.hpp"
#include "contrastive/kernels/cpu/pool.hpp"
#include "contrastive/kernels/cpu/reduce.hpp"
#include "contrastive/kernels/cpu/softmax.hpp"
#include "contrastive/kernels/cpu/winograd.hpp"
#include "contrastive/kernels/registry.hpp"
#if defined(CONTRASTIVE_WITH_ONEDNN)
#include "contrastive/kernels/cpu/onednn.hpp"
#endif

namespace contrastive {

namespace cpu {

/// Whether oneDNN takes this call: it has no f64, no bf16 without AVX-512, and in deterministic mode our own kernels
/// answer, whose sums do not depend on the number of threads.
inline bool vendor(DType dtype) {
#if defined(CONTRASTIVE_WITH_ONEDNN)
  return !deterministic() && (dtype == DType::f32 || (dtype == DType::bf16 && simd::isa() == simd::IsaLevel::avx512));
#else
  (void)dtype;
  return false;
#endif
}

/// bf16 in memory, float32 in the sum: how convolutions take bf16 where oneDNN does not. A call needs two arrays, 0 and 1.
inline bool widens(DType dtype) { return dtype == DType::bf16 && !vendor(dtype); }
inline View wide_like(const View& x, int which) {
  thread_local Buffer<float> arrays[2];
  return {arrays[which].resize(x.count()), x.shape, DType::f32, Device::cpu};
}
inline View widened(const View& x, int which) {
  const View wide = wide_like(x, which);
  cast(x, wide);
  return wide;
}

#if defined(CONTRASTIVE_WITH_ONEDNN)
#define CONTRASTIVE_VENDOR_OR_OWN(dtype, name, ...) \
  return vendor(dtype) ? onednn::name(__VA_ARGS__) : own_##name(__VA_ARGS__)
#else
#define CONTRASTIVE_VENDOR_OR_OWN(dtype, name, ...) return own_##name(__VA_ARGS__)
#endif

inline void matmul(View a, View b, View y, MatmulSpec spec) {
  if (y.count() == 0) return;
  const bool empty = (spec.transpose_a ? a.shape[-2] : a.shape[-1]) == 0;
#if defined(CONTRASTIVE_WITH_ONEDNN)
  if (!empty && vendor(y.dtype == DType::f64 ? y.dtype : a.dtype)) return onednn::matmul(a, b, y, spec);
#endif
  if (!empty)
    own_matmul(a, b, y, spec);
  else if (spec.beta == 0)
    fill(y, 0);
  else
    map<functors::Scale>(y, {}, spec.beta, y);
  if (spec.bias.data) map<functors::Shift>(y, spec.bias, 0, y);
}
inline void conv2d(View x, View w, View y, WindowSpec spec) {
  if (y.count() == 0) return;
  if (widens(x.dtype)) {
    const View wide = wide_like(y, 1);
    conv2d(widened(x, 0), w, wide, spec);
    return cast(wide, y);
  }
  if (winograd::takes(x, w, spec)) return winograd::conv2d(x, w, y);
  CONTRASTIVE_VENDOR_OR_OWN(x.dtype, conv2d, x, w, y, spec);
}
inline bool conv2d_with_stats(View x, View w, View y, View mean, View var, WindowSpec spec) {
  const std::int64_t groups = mean.shape[0];
  // The cut of the sums follows the number of threads, which deterministic mode forbids.
  if (deterministic() || !winograd::takes(x, w, spec) || !winograd::takes_stats(x, w, groups)) return false;
  winograd::conv2d_with_stats(x, w, y, mean, var);
  return true;
}

/// A gradient that is overwritten becomes one that is added to: `write` fills an array like `sum`.
template <class F>
void added(View sum, F&& write) {
  thread_local Buffer<float> memory;
  const View part{memory.resize(sum.count()), sum.shape, sum.dtype, Device::cpu};
  write(part);
  accumulate(part, sum);
}

inline void conv2d_grad_input(View dy, View w, View dx, WindowSpec spec, bool add) {
  if (dy.count() == 0 || dx.count() == 0) return add ? void() : fill(dx, 0);
  if (winograd::takes(dy, w, spec)) return winograd::conv2d_grad_input(dy, w, dx, add);
#if defined(CONTRASTIVE_WITH_ONEDNN)
  // Our own product adds while it writes.
  const bool product = spec.kernel == 1 && spec.stride == 1 && spec.padding == 0 && dy.dtype == DType::f32;
  if (vendor(dy.dtype) && !(add && product))
    return add ? added(dx, [&](View part) { onednn::conv2d_grad_input(dy, w, part, spec); })
               : onednn::conv2d_grad_input(dy, w, dx, spec);
#endif
  if (widens(dy.dtype)) {
    if (add) return added(dx, [&](View part) { conv2d_grad_input(dy, w, part, spec, false); });
    const View wide = wide_like(dx, 1);
    conv2d_grad_input(widened(dy, 0), w, wide, spec, false);
    return cast(wide, dx);
  }
  own_conv2d_grad_input(dy, w, dx, spec, add);
}
inline void conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec, bool add) {
  if (dy.count() == 0) return add ? void() : fill(dw, 0);
  if (winograd::takes_grad_weight(x, dw, spec)) return winograd::conv2d_grad_weight(x, dy, dw, add);
  if (widens(x.dtype)) return conv2d_grad_weight(widened(x, 0), widened(dy, 1), dw, spec, add);
#if defined(CONTRASTIVE_WITH_ONEDNN)
  if (vendor(x.dtype))
    return add ? added(dw, [&](View part) { onednn::conv2d_grad_weight(x, dy, part, spec); })
               : onednn::conv2d_grad_weight(x, dy, dw, spec);
#endif
  own_conv2d_grad_weight(x, dy, dw, spec, add);
}

#undef CONTRASTIVE_VENDOR_OR_OWN

}  // namespace cpu

namespace detail {

/// The kernels of namespace cpu.
struct Cpu {
#define CONTRASTIVE_KERNEL(result, name, arguments) static constexpr auto name = cpu::name;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) \
  template <class F>                                   \
  static constexpr auto name = cpu::name<F>;
#include "contrastive/kernels/list.def"
};

}  // namespace detail

CONTRASTIVE_ONCE const KernelTable&
cpu_kernels() {  // NOLINT(misc-definitions-in-headers): the one in src/contrastive.cpp
  static constexpr KernelTable table = make_table<detail::Cpu>();
  return table;
}

}  // namespace contrastive
