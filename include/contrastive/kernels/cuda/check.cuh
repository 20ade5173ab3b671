// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#if defined(CONTRASTIVE_WITH_CUDNN)
#include <cudnn.h>
#endif

#include <cstring>

#include "contrastive/core/error.hpp"

/// Every call into CUDA goes through `check`.
namespace contrastive::cuda {

/// What is called, and from where; made from its name at the call.
struct Call {
  const char* name;
  const char* file;
  int line;
  Call(const char* called, const char* from = __builtin_FILE(), int at = __builtin_LINE())
      : name(called), file(from), line(at) {}
};

inline const char* describe(cudaError_t status) {
  cudaGetLastError();  // forget it where it can be forgotten: an allocation that failed may be tried again
  return cudaGetErrorString(status);
}
inline const char* describe(cublasStatus_t status) { return cublasLtGetStatusString(status); }
#if defined(CONTRASTIVE_WITH_CUDNN)
inline const char* describe(cudnnStatus_t status) { return cudnnGetErrorString(status); }
#endif

/// Throws `Error` with the call, CUDA's reason, file and line. Success is 0 in all three libraries.
template <class Status>
void check(Status status, Call call) {
  if (status == Status{}) [[likely]]
    return;
  const char* slash = std::strrchr(call.file, '/');
  fail("[cuda] ", call.name, " failed: ", describe(status), " (", slash ? slash + 1 : call.file, ":", call.line, ")");
}

}  // namespace contrastive::cuda
