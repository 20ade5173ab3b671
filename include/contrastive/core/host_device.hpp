// SPDX-License-Identifier: MIT
#pragma once

// Marks the few functions that run on the host and in CUDA kernels.
#if defined(__CUDACC__)
#define CONTRASTIVE_HD __host__ __device__
#define CONTRASTIVE_HD_INLINE __host__ __device__ __forceinline__
#else
#define CONTRASTIVE_HD
#define CONTRASTIVE_HD_INLINE [[gnu::always_inline]] inline  // what a compiler finds too long for a vector loop
#endif
