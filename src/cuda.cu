// SPDX-License-Identifier: MIT

// The CUDA kernels, compiled once by nvcc for programs that link `contrastive::cuda`. What is declared for the host
// compiler stands in contrastive/kernels/cuda.hpp.

#include "contrastive/kernels/cuda/backend.cuh"

namespace contrastive {

namespace {

__global__ void probe() {}

/// Why device `index` cannot be used, or nothing.
std::string reason_against(int index) {
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess)
    return join("no usable device: ", cuda::describe(status));
  if (count == 0) return "no device in this machine";
  if (index < 0 || index >= count) return join("device ", index, " was asked for, and this machine has ", count);
  int before = 0;
  cudaGetDevice(&before);
  cudaError_t status = cudaSetDevice(index);
  cudaFuncAttributes attributes{};
  if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, probe);
  cudaSetDevice(before);
  if (status != cudaSuccess) return join("device ", index, " cannot run this program: ", cuda::describe(status));
  return {};
}

}  // namespace

bool cuda_available() { return reason_against(0).empty(); }

void set_tf32(bool on) { cuda::context().tf32 = on; }

namespace detail {

const KernelTable& cuda_table(int device) {
  static constexpr KernelTable table = make_table<Cuda>();
  static int in_use = -1;
  if (in_use < 0) {
    const std::string reason = reason_against(device);
    require(reason.empty(), "[cuda] ", reason);
    cuda::chosen_device() = device;
    cuda::context();
    in_use = device;
  }
  require(in_use == device, "[cuda] this process drives device ", in_use, ", device ", device, " was asked for");
  return table;
}

}  // namespace detail

}  // namespace contrastive
