// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/attention.cuh"
#include "contrastive/kernels/cuda/batch_norm.cuh"
#include "contrastive/kernels/cuda/conv2d.cuh"
#include "contrastive/kernels/cuda/elementwise.cuh"
#include "contrastive/kernels/cuda/gemm.cuh"
#include "contrastive/kernels/cuda/layer_norm.cuh"
#include "contrastive/kernels/cuda/memory.cuh"
#include "contrastive/kernels/cuda/move.cuh"
#include "contrastive/kernels/cuda/optim.cuh"
#include "contrastive/kernels/cuda/pool.cuh"
#include "contrastive/kernels/cuda/reduce.cuh"
#include "contrastive/kernels/cuda/softmax.cuh"

namespace contrastive::detail {

/// CUDA's row in the table of backends: names what each kernel is.
struct Cuda {
  static constexpr auto allocate = cuda::allocate;
  static constexpr auto release = cuda::release;
  static constexpr auto transfer = cuda::transfer;
  static constexpr auto synchronize = cuda::synchronize;
  static constexpr auto fill = cuda::fill;
  static constexpr auto cast = cuda::cast;
  template <class F>
  static void map(View x, View bias, double a, View y) {
    cuda::map<F>(x, bias, a, y);
  }
  template <class F>
  static void map_grad(View kept, View bias, View dy, double a, View dx) {
    cuda::map_grad<F>(kept, bias, dy, a, dx);
  }
  template <class F>
  static void zip(View a, View b, View y) {
    cuda::zip<F>(a, b, y);
  }
  static constexpr auto accumulate = cuda::accumulate;
  static constexpr auto sum_to = cuda::sum_to;
  static constexpr auto max_axis = cuda::max_axis;
  static constexpr auto softmax = cuda::softmax;
  static constexpr auto softmax_grad = cuda::softmax_grad;
  static constexpr auto log_softmax = cuda::log_softmax;
  static constexpr auto log_softmax_grad = cuda::log_softmax_grad;
  static constexpr auto normalize = cuda::normalize;
  static constexpr auto normalize_grad = cuda::normalize_grad;
  static constexpr auto cross_entropy = cuda::cross_entropy;
  static constexpr auto cross_entropy_grad = cuda::cross_entropy_grad;
  static constexpr auto matmul = cuda::matmul;
  static constexpr auto conv2d = cuda::conv2d;
  static constexpr auto conv2d_with_stats = cuda::conv2d_with_stats;
  static constexpr auto conv2d_grad_input = cuda::conv2d_grad_input;
  static constexpr auto conv2d_grad_weight = cuda::conv2d_grad_weight;
  static constexpr auto max_pool = cuda::max_pool;
  static constexpr auto max_pool_grad = cuda::max_pool_grad;
  static constexpr auto avg_pool = cuda::avg_pool;
  static constexpr auto avg_pool_grad = cuda::avg_pool_grad;
  static constexpr auto batch_norm_stats = cuda::batch_norm_stats;
  static constexpr auto batch_norm = cuda::batch_norm;
  static constexpr auto batch_norm_grad = cuda::batch_norm_grad;
  static constexpr auto layer_norm = cuda::layer_norm;
  static constexpr auto layer_norm_grad = cuda::layer_norm_grad;
  static constexpr auto attention = cuda::attention;
  static constexpr auto attention_grad = cuda::attention_grad;
  static constexpr auto gather = cuda::gather;
  static constexpr auto scatter_add = cuda::scatter_add;
  static constexpr auto permute = cuda::permute;
  static constexpr auto place = cuda::place;
  static constexpr auto extract = cuda::extract;
  static constexpr auto trust_ratio = cuda::trust_ratio;
  static constexpr auto sgd = cuda::sgd;
  static constexpr auto adamw = cuda::adamw;
  static constexpr auto lerp = cuda::lerp;
  static constexpr auto sum_squares = cuda::sum_squares;
};

}  // namespace contrastive::detail
