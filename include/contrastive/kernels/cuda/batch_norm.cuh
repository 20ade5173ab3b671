// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/table.hpp"

/// Batch norm over (rows, C) in G groups of consecutive rows, with the ReLU and the residual sum that follow it in a
/// residual network done in the same pass. Sums over rows go through chunks fixed by the shape.
namespace contrastive::cuda {

namespace detail {

inline constexpr int bn_columns = 32, bn_deep = 8;  // a block's channels, and the threads that share each

struct BatchNormShape {
  std::int64_t G, C, rows;
  Chunks chunks;
  BatchNormShape(const View& x, std::int64_t groups)
      : G(groups), C(x.shape[-1]), rows(C ? x.count() / C / groups : 0), chunks(rows, 128, 256) {}

  std::int64_t tiles() const { return divide_up(C, bn_columns); }
  std::size_t partials() const { return static_cast<std::size_t>(G * chunks.count * C); }
};

/// Two sums over the threads that share a channel; the thread in row 0 gets them.
__device__ inline void join_deep(double& a, double& b) {
  __shared__ double part[2][bn_deep][bn_columns];
  __syncthreads();  // earlier readers are done
  part[0][threadIdx.y][threadIdx.x] = a;
  part[1][threadIdx.y][threadIdx.x] = b;
  __syncthreads();
  if (threadIdx.y != 0) return;
  a = b = 0;
  for (int i = 0; i < bn_deep; ++i) {
    a += part[0][i][threadIdx.x];
    b += part[1][i][threadIdx.x];
  }
}

/// Per channel and chunk of rows: the two sums of `op(group, channel, element)`, into sums[0..) and sums[partials..).
template <class Op>
__global__ void bn_partial_sums(Op op, BatchNormShape s, std::int64_t tiles, double* sums, double* second) {
  using A = typename Op::A;
  const std::int64_t c = blockIdx.x % tiles * bn_columns + threadIdx.x, chunk = blockIdx.x / tiles;
  const std::int64_t g = chunk / s.chunks.count, first = chunk % s.chunks.count * s.chunks.size;
  const std::int64_t last = first + s.chunks.size < s.rows ? first + s.chunks.size : s.rows;
  double a = 0, b = 0;
  if (c < s.C) {
    const auto pivot = op.pivot(g, c, s);
    std::int64_t row = first + threadIdx.y;
    while (row < last) {  // short runs in the compute type, joined in double
      A p = 0, q = 0;
      for (int k = 0; k < 32 && row < last; ++k, row += bn_deep) op((g * s.rows + row) * s.C + c, pivot, p, q);
      a += static_cast<double>(p);
      b += static_cast<double>(q);
    }
  }
  join_deep(a, b);
  if (threadIdx.y != 0 || c >= s.C) return;
  sums[chunk * s.C + c] = a;
  second[chunk * s.C + c] = b;
}

/// Joins the chunks of group g and channel c; row 0 of the block gets the totals.
__device__ inline void bn_join(const BatchNormShape& s, std::int64_t g, std::int64_t c, const double* sums,
                               const double* second, double& a, double& b) {
  a = b = 0;
  if (c < s.C)
    for (std::int64_t i = threadIdx.y; i < s.chunks.count; i += bn_deep) {
      a += sums[(g * s.chunks.count + i) * s.C + c];
      b += second[(g * s.chunks.count + i) * s.C + c];
    }
  join_deep(a, b);
}

/// Sums of x - pivot and of its square. The pivot, the group's first row, keeps the squares from cancelling when the
/// mean is large beside the spread.
template <class T>
struct BatchNormMoments {
  using A = compute_t<T>;
  const T* x;
  __device__ A pivot(std::int64_t g, std::int64_t c, const BatchNormShape& s) const {
    return A(x[g * s.rows * s.C + c]);
  }
  __device__ void operator()(std::int64_t i, A pivot, A& sum, A& square) const {
    const A d = A(x[i]) - pivot;
    sum += d;
    square += d * d;
  }
};

template <class T>
__global__ void bn_finish_stats(BatchNormShape s, std::int64_t tiles, const T* x, const double* sums,
                                const double* squares, compute_t<T>* mean, compute_t<T>* var) {
  const std::int64_t c = blockIdx.x % tiles * bn_columns + threadIdx.x, g = blockIdx.x / tiles;
  double sum, square;
  bn_join(s, g, c, sums, squares, sum, square);
  if (threadIdx.y != 0 || c >= s.C) return;
  const double n = static_cast<double>(s.rows), offset = sum / n, spread = square / n - offset * offset;
  const auto pivot = static_cast<double>(static_cast<compute_t<T>>(x[g * s.rows * s.C + c]));
  mean[g * s.C + c] = static_cast<compute_t<T>>(pivot + offset);
  var[g * s.C + c] = static_cast<compute_t<T>>(spread < 0 ? 0 : spread);
}

/// Scale and shift of each group and channel, so that y = x scale + shift.
template <class A>
__global__ void bn_coefficients(std::int64_t n, std::int64_t C, const A* mean, const A* var, double eps,
                                const A* weight, const A* bias, A* scale, A* shift) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const A gain =
      static_cast<A>(static_cast<double>(weight ? weight[i % C] : A(1)) / std::sqrt(static_cast<double>(var[i]) + eps));
  scale[i] = gain;
  shift[i] = (bias ? bias[i % C] : A(0)) - mean[i] * gain;
}

/// dy after the ReLU. Which side a number was on, y tells; without y, x does, which is read anyway.
template <class T>
struct BatchNormGate {
  using A = compute_t<T>;
  const T* y = nullptr;
  const A *scale = nullptr, *shift = nullptr;  // of groups and channels; empty where there is no ReLU
  __device__ A operator()(A dy, A x, std::int64_t i, std::int64_t channel) const {
    if (y) return A(y[i]) > A(0) ? dy : A(0);
    if (scale) return x * scale[channel] + shift[channel] > A(0) ? dy : A(0);
    return dy;
  }
};

/// Sums of dz and dz * (x - mean), where dz is dy after the ReLU; writes dz to dresidual where wanted.
template <class T>
struct BatchNormGradSums {
  using A = compute_t<T>;
  struct Pivot {
    A mean;
    std::int64_t channel;
  };
  const T *x, *dy;
  BatchNormGate<T> gate;
  const A* mean;
  T* dresidual;
  __device__ Pivot pivot(std::int64_t g, std::int64_t c, const BatchNormShape& s) const {
    return {mean[g * s.C + c], g * s.C + c};
  }
  __device__ void operator()(std::int64_t i, Pivot at, A& sum, A& product) const {
    const A value = A(x[i]), dz = gate(A(dy[i]), value, i, at.channel);
    sum += dz;
    product += dz * (value - at.mean);
    if (dresidual) dresidual[i] = T(dz);
  }
};

/// Coefficients of dx = a dz + b (x - mean) + k, and the gradients of weight and bias.
template <class A>
__global__ void bn_finish_grad(BatchNormShape s, const double* sums, const double* products, const A* var, double eps,
                               const A* weight, bool frozen, A* a, A* b, A* k, A* dweight, A* dbias) {
  const std::int64_t c = std::int64_t{blockIdx.x} * bn_columns + threadIdx.x;
  double total_weight = 0, total_bias = 0;
  for (std::int64_t g = 0; g < s.G; ++g) {
    double sum, product;
    bn_join(s, g, c, sums, products, sum, product);
    if (threadIdx.y != 0 || c >= s.C) continue;
    const std::int64_t i = g * s.C + c;
    const double inverse = 1 / std::sqrt(static_cast<double>(var[i]) + eps), n = static_cast<double>(s.rows);
    const double gain = static_cast<double>(weight ? weight[c] : A(1)) * inverse;
    a[i] = static_cast<A>(gain);
    b[i] = static_cast<A>(frozen ? 0 : -gain * inverse * inverse * product / n);
    k[i] = static_cast<A>(frozen ? 0 : -gain * sum / n);
    total_weight += product * inverse;
    total_bias += sum;
  }
  if (threadIdx.y != 0 || c >= s.C) return;
  if (dweight) dweight[c] = static_cast<A>(total_weight);
  if (dbias) dbias[c] = static_cast<A>(total_bias);
}

template <class T>
struct BatchNormApply {
  using A = compute_t<T>;
  const T* x;
  const A *scale, *shift;
  const T* residual;
  bool relu;
  T* y;
  __device__ void operator()(std::int64_t i, std::int64_t channel) const {
    A value = A(x[i]) * scale[channel] + shift[channel];
    if (residual) value += A(residual[i]);
    y[i] = T(relu && value < A(0) ? A(0) : value);  // NaN stays NaN
  }
};

template <class T>
struct BatchNormGradInput {
  using A = compute_t<T>;
  const T *x, *dy;
  BatchNormGate<T> gate;
  const A *mean, *a, *b, *k;
  T* dx;
  __device__ void operator()(std::int64_t i, std::int64_t channel) const {
    const A value = A(x[i]), dz = gate(A(dy[i]), value, i, channel);
    dx[i] = T(dz * a[channel] + (value - mean[channel]) * b[channel] + k[channel]);
  }
};

/// op(element, its group * C + channel). A thread stays with one channel and walks rows, so that it divides once.
template <class Op>
__global__ void bn_elements(Op op, BatchNormShape s, std::int64_t tiles, std::int64_t rows_at_once) {
  const std::int64_t c = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  if (c >= s.C) return;
  const std::int64_t first = blockIdx.x / tiles * rows_at_once, all = s.G * s.rows;
  const std::int64_t last = first + rows_at_once < all ? first + rows_at_once : all;
  for (std::int64_t row = first + threadIdx.y; row < last; row += blockDim.y)
    op(row * s.C + c, s.G == 1 ? c : row / s.rows * s.C + c);
}

template <class Op>
void bn_each(Call call, const Op& op, const BatchNormShape& s) {
  const unsigned wide = s.C > 32 ? 64 : s.C > 16 ? 32 : 16, deep = block_threads / wide;
  const std::int64_t tiles = divide_up(s.C, wide), rows_at_once = std::int64_t{deep} * 8;
  launch(call, bn_elements<Op>, tiles * divide_up(s.G * s.rows, rows_at_once), dim3(wide, deep), op, s, tiles,
         rows_at_once);
}

}  // namespace detail

inline void batch_norm_stats(View x, View mean, View var) {
  if (mean.count() == 0) return;
  dispatch_compute("batch_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const detail::BatchNormShape s(x, mean.shape[0]);
    const dim3 threads(detail::bn_columns, detail::bn_deep);
    const Scratch sums(2 * s.partials() * sizeof(double));
    double *first = sums.as<double>(), *second = first + s.partials();
    launch("batch_norm_stats", detail::bn_partial_sums<detail::BatchNormMoments<T>>, s.G * s.chunks.count * s.tiles(),
           threads, detail::BatchNormMoments<T>{x.as<const T>()}, s, s.tiles(), first, second);
    launch("batch_norm_stats", detail::bn_finish_stats<T>, s.G * s.tiles(), threads, s, s.tiles(), x.as<const T>(),
           first, second, mean.as<compute_t<T>>(), var.as<compute_t<T>>());
  });
}

inline void batch_norm(BatchNormCall call) {
  if (call.x.count() == 0) return;
  dispatch_compute("batch_norm", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape s(call.x, call.mean.shape[0]);
    const std::int64_t n = s.G * s.C;
    const Scratch coefficients(2 * static_cast<std::size_t>(n) * sizeof(A));
    A *scale = coefficients.as<A>(), *shift = scale + n;
    launch("batch_norm", detail::bn_coefficients<A>, divide_up(n, block_threads), block_threads, n, s.C,
           call.mean.as<const A>(), call.var.as<const A>(), call.eps, call.weight.as<const A>(),
           call.bias.as<const A>(), scale, shift);
    detail::bn_each("batch_norm",
                    detail::BatchNormApply<T>{call.x.as<const T>(), scale, shift, call.residual.as<const T>(),
                                              call.relu, call.y.as<T>()},
                    s);
  });
}

inline void batch_norm_grad(BatchNormGradCall call) {
  if (call.mean.count() == 0) return;
  dispatch_compute("batch_norm", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape s(call.x, call.mean.shape[0]);
    const std::int64_t n = s.G * s.C;
    const dim3 threads(detail::bn_columns, detail::bn_deep);
    const Scratch sums(2 * s.partials() * sizeof(double));
    double *first = sums.as<double>(), *second = first + s.partials();
    const Scratch coefficients(5 * static_cast<std::size_t>(n) * sizeof(A));
    A *a = coefficients.as<A>(), *b = a + n, *k = b + n, *scale = k + n, *shift = scale + n;
    detail::BatchNormGate<T> gate{};
    if (call.relu && call.y.data) {
      gate.y = call.y.as<const T>();
    } else if (call.relu) {
      launch("batch_norm_grad", detail::bn_coefficients<A>, divide_up(n, block_threads), block_threads, n, s.C,
             call.mean.as<const A>(), call.var.as<const A>(), call.eps, call.weight.as<const A>(),
             call.bias.as<const A>(), scale, shift);
      gate.scale = scale;
      gate.shift = shift;
    }
    const T *xs = call.x.as<const T>(), *dys = call.dy.as<const T>();
    launch("batch_norm_grad", detail::bn_partial_sums<detail::BatchNormGradSums<T>>, s.G * s.chunks.count * s.tiles(),
           threads, detail::BatchNormGradSums<T>{xs, dys, gate, call.mean.as<const A>(), call.dresidual.as<T>()}, s,
           s.tiles(), first, second);
    launch("batch_norm_grad", detail::bn_finish_grad<A>, s.tiles(), threads, s, first, second, call.var.as<const A>(),
           call.eps, call.weight.as<const A>(), call.frozen, a, b, k, call.dweight.as<A>(), call.dbias.as<A>());
    if (!call.dx.data) return;
    if (call.dresidual.data) {  // what the residual got is gated already
      dys = call.dresidual.as<const T>();
      gate = {};
    }
    detail::bn_each("batch_norm_grad",
                    detail::BatchNormGradInput<T>{xs, dys, gate, call.mean.as<const A>(), a, b, k, call.dx.as<T>()}, s);
  });
}

}  // namespace contrastive::cuda
