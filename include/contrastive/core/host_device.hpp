// SPDX-License-Identifier: MIT
#pragma once

// Marks the few functions that run on the host and in CUDA kernels.
#if defined(__CUDACC__)
#define CONTRASTIVE_HD __host__ __device__
#else
#define CONTRASTIVE_HD
#endif
