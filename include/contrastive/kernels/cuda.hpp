// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/registry.hpp"

/// The door to the CUDA kernels, for the host compiler: the kernels themselves are compiled by nvcc, in src/cuda.cu.
namespace contrastive {

#if defined(CONTRASTIVE_WITH_CUDA)

namespace detail {
const KernelTable& cuda_table(int device);
}

/// Whether there is a driver, a device that it can drive, and code in this program for that device.
bool cuda_available();

/// Lets f32 products and convolutions round their operands to tf32 (10 bits of mantissa) for speed; off at first.
void set_tf32(bool on);

/// Makes `Device::cuda` usable. A process drives one device: the first call chooses it, later ones must agree.
/// Throws one sentence that starts with "[cuda]" where there is no such device.
inline void use_cuda(int device = 0) { register_kernels(Device::cuda, &detail::cuda_table(device)); }

#else

inline bool cuda_available() { return false; }

inline void set_tf32(bool) {}

inline void use_cuda(int = 0) { fail("[cuda] this program was built without CUDA; configure with the preset cuda"); }

#endif

}  // namespace contrastive
