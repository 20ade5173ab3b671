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

/// The kernels of namespace cuda.
struct Cuda {
#define CONTRASTIVE_KERNEL(result, name, arguments) static constexpr auto name = cuda::name;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) \
  template <class F>                                   \
  static constexpr auto name = cuda::name<F>;
#include "contrastive/kernels/list.def"
};

}  // namespace contrastive::detail
