// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/elementwise.cuh"

namespace contrastive::cuda {

inline void* allocate(std::size_t bytes) {
  context();
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, bytes);
  if (status == cudaErrorMemoryAllocation) {
    std::size_t left = 0, total = 0;
    cudaGetLastError();
    check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
    fail("[allocate] out of device memory: ", bytes, " bytes wanted, ", left, " of ", total, " free");
  }
  check(status, "cudaMalloc");
  return block;
}

inline void release(void* block) {
  context();
  check(cudaFree(block), "cudaFree");
}

inline void synchronize() { check(cudaStreamSynchronize(context().stream), "cudaStreamSynchronize"); }

/// Between devices or within one. The host's memory may be used again on return; a copy to the host has arrived.
inline void transfer(View from, View to) {
  const std::size_t bytes = static_cast<std::size_t>(from.count()) * size_of(from.dtype);
  if (bytes == 0) return;
  const bool from_host = from.device == Device::cpu, to_host = to.device == Device::cpu;
  check(cudaMemcpyAsync(to.data, from.data, bytes,
                        from_host ? (to_host ? cudaMemcpyHostToHost : cudaMemcpyHostToDevice)
                                  : (to_host ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice),
                        context().stream),
        "cudaMemcpyAsync");
  bool wait = to_host;
  if (from_host && !to_host) {  // pageable memory has been staged by now, page-locked memory is still being read
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, from.data), "cudaPointerGetAttributes");
    wait = attributes.type != cudaMemoryTypeUnregistered;
  }
  if (wait) synchronize();
}

namespace detail {

template <class T>
struct Constant {
  T value;
  __device__ T operator()() const { return value; }
};

template <class From, class To>
struct Convert {
  __device__ To operator()(From x) const {
    const compute_t<From> value = x;
    if constexpr (std::is_same_v<To, bf16> || std::is_same_v<To, f16>)
      return To(static_cast<float>(value));
    else
      return static_cast<To>(value);
  }
};

}  // namespace detail

inline void fill(View y, double value) {
  dispatch_all(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T element;
    if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
      element = T(static_cast<float>(value));
    else
      element = static_cast<T>(value);
    detail::apply("fill", detail::Constant<T>{element}, y.count(), y.as<T>());
  });
}

/// Between any two dtypes; floats to integers truncate as in C++.
inline void cast(View x, View y) {
  dispatch_all(x.dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::type;
    dispatch_all(y.dtype, [&](auto to_tag) {
      using To = typename decltype(to_tag)::type;
      detail::apply("cast", detail::Convert<From, To>{}, x.count(), y.as<To>(), x.as<const From>());
    });
  });
}

}  // namespace contrastive::cuda
