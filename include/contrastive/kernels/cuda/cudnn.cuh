// SPDX-License-Identifier: MIT
#pragma once

#include <limits>

#include "contrastive/kernels/cuda/gemm.cuh"

/// Convolution by cuDNN over NHWC data and (O, kh, kw, C) filters, with algorithms that give the same bits in every
/// run. Each function says whether cuDNN had one; `conv2d.cuh` has our own way for the rest.
namespace contrastive::cuda::cudnn {

namespace detail {

inline cudnnHandle_t handle() {
  static const cudnnHandle_t instance = [] {
    cudnnHandle_t made = nullptr;
    check(cudnnCreate(&made), "cudnnCreate");
    check(cudnnSetStream(made, context().stream), "cudnnSetStream");
    return made;
  }();
  return instance;
}

struct Descriptors {
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t window = nullptr;
};

// The three passes, told apart by their functions. a, b and out are (x, w, y), (w, dy, dx) and (x, dy, dw).
struct Forward {
  using Result = cudnnConvolutionFwdAlgoPerf_t;
  static cudnnStatus_t find(const Descriptors& d, int wanted, int* count, Result* found) {
    return cudnnGetConvolutionForwardAlgorithm_v7(handle(), d.x, d.w, d.window, d.y, wanted, count, found);
  }
  static cudnnStatus_t room(const Descriptors& d, const Result& r, std::size_t* bytes) {
    return cudnnGetConvolutionForwardWorkspaceSize(handle(), d.x, d.w, d.window, d.y, r.algo, bytes);
  }
  static cudnnStatus_t run(const Descriptors& d, const Result& r, const void* a, const void* b, void* room,
                           std::size_t bytes, void* out) {
    const float one = 1, zero = 0;
    return cudnnConvolutionForward(handle(), &one, d.x, a, d.w, b, d.window, r.algo, room, bytes, &zero, d.y, out);
  }
};

struct GradInput {
  using Result = cudnnConvolutionBwdDataAlgoPerf_t;
  static cudnnStatus_t find(const Descriptors& d, int wanted, int* count, Result* found) {
    return cudnnGetConvolutionBackwardDataAlgorithm_v7(handle(), d.w, d.y, d.window, d.x, wanted, count, found);
  }
  static cudnnStatus_t room(const Descriptors& d, const Result& r, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardDataWorkspaceSize(handle(), d.w, d.y, d.window, d.x, r.algo, bytes);
  }
  static cudnnStatus_t run(const Descriptors& d, const Result& r, const void* a, const void* b, void* room,
                           std::size_t bytes, void* out) {
    const float one = 1, zero = 0;
    return cudnnConvolutionBackwardData(handle(), &one, d.w, a, d.y, b, d.window, r.algo, room, bytes, &zero, d.x, out);
  }
};

struct GradWeight {
  using Result = cudnnConvolutionBwdFilterAlgoPerf_t;
  static cudnnStatus_t find(const Descriptors& d, int wanted, int* count, Result* found) {
    return cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle(), d.x, d.y, d.window, d.w, wanted, count, found);
  }
  static cudnnStatus_t room(const Descriptors& d, const Result& r, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(handle(), d.x, d.y, d.window, d.w, r.algo, bytes);
  }
  static cudnnStatus_t run(const Descriptors& d, const Result& r, const void* a, const void* b, void* room,
                           std::size_t bytes, void* out) {
    const float one = 1, zero = 0;
    return cudnnConvolutionBackwardFilter(handle(), &one, d.x, a, d.y, b, d.window, r.algo, room, bytes, &zero, d.w,
                                          out);
  }
};

template <class Pass>
struct Plan {
  Descriptors shapes;
  typename Pass::Result algorithm{};
  std::size_t bytes = 0;
  bool found = false;
};

inline cudnnTensorDescriptor_t tensor(const Shape& shape, cudnnDataType_t type) {
  cudnnTensorDescriptor_t made = nullptr;
  check(cudnnCreateTensorDescriptor(&made), "cudnnCreateTensorDescriptor");
  check(cudnnSetTensor4dDescriptor(made, CUDNN_TENSOR_NHWC, type, static_cast<int>(shape[0]),
                                   static_cast<int>(shape[3]), static_cast<int>(shape[1]), static_cast<int>(shape[2])),
        "cudnnSetTensor4dDescriptor");
  return made;
}

/// The fastest algorithm, in cuDNN's opinion, that is deterministic, fits the memory and does not round f32 to tf32.
template <class Pass>
Plan<Pass> plan_convolution(DType dtype, const Shape& x, const Shape& w, const Shape& y, WindowSpec spec) {
  constexpr std::size_t most_room = std::size_t{1} << 30;
  Plan<Pass> plan;
  const cudnnDataType_t type = dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  Descriptors& d = plan.shapes;
  d.x = tensor(x, type);
  d.y = tensor(y, type);
  check(cudnnCreateFilterDescriptor(&d.w), "cudnnCreateFilterDescriptor");
  check(cudnnSetFilter4dDescriptor(d.w, type, CUDNN_TENSOR_NHWC, static_cast<int>(w[0]), static_cast<int>(w[3]),
                                   static_cast<int>(w[1]), static_cast<int>(w[2])),
        "cudnnSetFilter4dDescriptor");
  check(cudnnCreateConvolutionDescriptor(&d.window), "cudnnCreateConvolutionDescriptor");
  check(cudnnSetConvolution2dDescriptor(d.window, spec.padding, spec.padding, spec.stride, spec.stride, 1, 1,
                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "cudnnSetConvolution2dDescriptor");
  const cudnnMathType_t math = dtype == DType::bf16 ? CUDNN_TENSOR_OP_MATH
                               : context().tf32     ? CUDNN_DEFAULT_MATH
                                                    : CUDNN_FMA_MATH;
  check(cudnnSetConvolutionMathType(d.window, math), "cudnnSetConvolutionMathType");
  typename Pass::Result results[16];
  int count = 0;
  if (Pass::find(d, 16, &count, results) != CUDNN_STATUS_SUCCESS) return plan;
  for (int i = 0; i < count && !plan.found; ++i) {
    if (results[i].status != CUDNN_STATUS_SUCCESS || results[i].determinism != CUDNN_DETERMINISTIC) continue;
    plan.found = Pass::room(d, results[i], &plan.bytes) == CUDNN_STATUS_SUCCESS && plan.bytes <= most_room;
    plan.algorithm = results[i];
  }
  return plan;
}

/// cuDNN counts in int, some of its kernels in 32-bit offsets.
inline bool fits(const Shape& shape) { return shape.count() <= std::numeric_limits<int>::max(); }

/// out = the pass over a and b, which become the data's dtype first. False where cuDNN has no algorithm.
template <class Pass>
bool convolve(DType dtype, const Shape& x, const Shape& w, const Shape& y, WindowSpec spec, View a, View b, View out) {
  if (dtype == DType::f64 || !fits(x) || !fits(w) || !fits(y)) return false;
  for (const View* view : {&a, &b, &out})  // a slice may start anywhere; cuDNN loads 16 bytes at a time
    if (reinterpret_cast<std::uintptr_t>(view->data) % 16 != 0) return false;
  static std::mutex lock;
  static auto* const plans = new std::unordered_map<std::string, Plan<Pass>>;
  const std::string key = key_of(dtype, x, w, y, spec, context().tf32);
  Plan<Pass>* plan = nullptr;
  {
    const std::lock_guard hold(lock);
    auto at = plans->find(key);
    if (at == plans->end()) at = plans->emplace(key, plan_convolution<Pass>(dtype, x, w, y, spec)).first;
    plan = &at->second;
  }
  if (!plan->found) return false;
  const cuda::detail::Converted ca(a, dtype), cb(b, dtype), cout(out, dtype, false);
  const Scratch room(plan->bytes);
  const cudnnStatus_t status = Pass::run(plan->shapes, plan->algorithm, ca.view().data, cb.view().data, room.as<void>(),
                                         plan->bytes, cout.view().data);
  if (status == CUDNN_STATUS_NOT_SUPPORTED) {  // it only noticed now
    plan->found = false;
    return false;
  }
  check(status, "cudnnConvolution");
  if (cout.copied()) cast(cout.view(), out);
  return true;
}

}  // namespace detail

inline bool conv2d(View x, View w, View y, WindowSpec spec) {
  return detail::convolve<detail::Forward>(x.dtype, x.shape, w.shape, y.shape, spec, x, w, y);
}
inline bool conv2d_grad_input(View dy, View w, View dx, WindowSpec spec) {
  return detail::convolve<detail::GradInput>(dy.dtype, dx.shape, w.shape, dy.shape, spec, w, dy, dx);
}
/// With bf16 data the gradient passes through bf16 on its way to f32.
inline bool conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec) {
  return detail::convolve<detail::GradWeight>(x.dtype, x.shape, dw.shape, dy.shape, spec, x, dy, dw);
}

}  // namespace contrastive::cuda::cudnn
