// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "contrastive/kernels/cuda/check.cuh"
#include "contrastive/kernels/key.hpp"

namespace contrastive::cuda {

/// The device of this process, its one stream and the libraries' handles. It is never taken down: tensors may outlive
/// `main`, and the driver frees everything at exit.
struct Context {
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper

  int device = 0;
  int processors = 0;
  bool tf32 = false;
  cudaStream_t stream = nullptr;
  cublasLtHandle_t blas = nullptr;
  void* workspace = nullptr;

  explicit Context(int index) : device(index) {
    check(cudaSetDevice(device), "cudaSetDevice");
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    check(cublasLtCreate(&blas), "cublasLtCreate");
    check(cudaMalloc(&workspace, workspace_bytes), "cudaMalloc");
  }
};

/// Which device `context` takes when it is first used.
inline int& chosen_device() {
  static int index = 0;
  return index;
}

inline Context& context() {
  static Context* const instance = new Context(chosen_device());
  thread_local const bool bound = [] {  // the current device is a setting of each thread
    check(cudaSetDevice(instance->device), "cudaSetDevice");
    return true;
  }();
  (void)bound;
  return *instance;
}

/// Device memory for the length of one kernel call. With one stream a block may be handed out again as soon as the
/// work that uses it is queued. Blocks are kept for ever, so that a captured step finds them at the same addresses.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : size_(std::bit_ceil(std::max<std::size_t>(bytes, 512))) {
    {
      const std::lock_guard hold(pool().lock);
      auto& blocks = pool().free[size_];
      if (!blocks.empty()) {
        data_ = blocks.back();
        blocks.pop_back();
        return;
      }
    }
    context();
    check(cudaMalloc(&data_, size_), "cudaMalloc");
  }
  ~Scratch() {
    const std::lock_guard hold(pool().lock);
    pool().free[size_].push_back(data_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  struct Pool {
    std::mutex lock;
    std::unordered_map<std::size_t, std::vector<void*>> free;
  };
  static Pool& pool() {
    static Pool* const instance = new Pool;
    return *instance;
  }

  std::size_t size_;
  void* data_ = nullptr;
};

constexpr std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

inline constexpr int block_threads = 256;

/// Blocks for n independent items that threads take in strides: enough to fill the device.
inline std::int64_t blocks_for(std::int64_t n) {
  return std::min<std::int64_t>(divide_up(n, block_threads), std::int64_t{context().processors} * 16);
}

/// Queues a kernel on the stream; nothing when there are no blocks.
template <class... Parameters, class... Arguments>
void launch(Call call, void (*kernel)(Parameters...), std::int64_t blocks, dim3 threads,
            const Arguments&... arguments) {
  if (blocks <= 0) return;
  require(blocks <= 0x7fffffff, "[cuda] ", call.name, " needs ", blocks, " blocks, more than a launch may have");
  kernel<<<static_cast<unsigned>(blocks), threads, 0, context().stream>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), call);
}

using contrastive::detail::key_of;

}  // namespace contrastive::cuda
