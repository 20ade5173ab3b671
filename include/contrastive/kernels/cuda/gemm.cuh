// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "contrastive/kernels/cuda/memory.cuh"

/// Products by cuBLASLt. It thinks in columns: a row-major (M, N) matrix is a column-major (N, M) one, so
/// y = op(a) op(b) is asked for as y^T = op(b)^T op(a)^T, on the same memory.
namespace contrastive::cuda {

namespace detail {

/// A product with everything cuBLASLt wants to know; kept by shape.
struct GemmPlan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t left = nullptr, right = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  bool found = false;
};

inline cudaDataType_t blas_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return CUDA_R_32F;
    case DType::f64: return CUDA_R_64F;
    case DType::bf16: return CUDA_R_16BF;
    default: fail("[matmul] computes in f32, f64 or bf16, got ", to_string(dtype));
  }
}

/// The largest power of two up to 256 that divides an address and the distance of a batch's matrices.
inline std::uint32_t alignment_of(const void* data, std::int64_t stride_bytes) {
  const std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uintptr_t>(stride_bytes) | 256u;
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

struct GemmOperand {
  const void* data;
  DType dtype;
  std::int64_t rows, columns, stride;  // as in row-major memory; stride from matrix to matrix, in elements
  bool transposed;

  GemmOperand(const View& m, bool turn)
      : data(m.data),
        dtype(m.dtype),
        rows(m.shape[-2]),
        columns(m.shape[-1]),
        stride(m.shape.rank == 3 ? rows * columns : 0),
        transposed(turn) {}

  std::uint32_t alignment() const { return alignment_of(data, stride * static_cast<std::int64_t>(size_of(dtype))); }

  cublasLtMatrixLayout_t layout(int batch) const {
    cublasLtMatrixLayout_t made = nullptr;
    check(cublasLtMatrixLayoutCreate(&made, blas_type(dtype), static_cast<std::uint64_t>(columns),
                                     static_cast<std::uint64_t>(rows), columns),
          "cublasLtMatrixLayoutCreate");
    if (batch > 1) {
      check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
            "cublasLtMatrixLayoutSetAttribute");
      check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
            "cublasLtMatrixLayoutSetAttribute");
    }
    return made;
  }
};

inline GemmPlan plan_gemm(const GemmOperand& a, const GemmOperand& b, const GemmOperand& y, int batch) {
  GemmPlan plan;
  const bool wide = y.dtype == DType::f64;
  const cublasComputeType_t compute = wide                                      ? CUBLAS_COMPUTE_64F
                                      : context().tf32 && a.dtype == DType::f32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                                : CUBLAS_COMPUTE_32F;
  check(cublasLtMatmulDescCreate(&plan.product, compute, wide ? CUDA_R_64F : CUDA_R_32F), "cublasLtMatmulDescCreate");
  const cublasOperation_t left = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                          right = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  check(cublasLtMatmulDescSetAttribute(plan.product, CUBLASLT_MATMUL_DESC_TRANSA, &left, sizeof left),
        "cublasLtMatmulDescSetAttribute");
  check(cublasLtMatmulDescSetAttribute(plan.product, CUBLASLT_MATMUL_DESC_TRANSB, &right, sizeof right),
        "cublasLtMatmulDescSetAttribute");
  plan.left = b.layout(batch);
  plan.right = a.layout(batch);
  plan.out = y.layout(batch);

  cublasLtMatmulPreference_t wishes = nullptr;
  check(cublasLtMatmulPreferenceCreate(&wishes), "cublasLtMatmulPreferenceCreate");
  const auto wish = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    check(cublasLtMatmulPreferenceSetAttribute(wishes, name, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  wish(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(Context::workspace_bytes));
  // Split sums are joined in the compute type and in order: the same bits in every run, and no rounding to bf16 midway.
  wish(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, b.alignment());
  wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, a.alignment());
  wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, y.alignment());
  wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, y.alignment());
  cublasLtMatmulHeuristicResult_t best{};
  int results = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(context().blas, plan.product, plan.left, plan.right,
                                                               plan.out, plan.out, wishes, 1, &best, &results);
  check(cublasLtMatmulPreferenceDestroy(wishes), "cublasLtMatmulPreferenceDestroy");
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan.found = status == CUBLAS_STATUS_SUCCESS && results > 0 && best.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = best.algo;
  return plan;
}

inline const GemmPlan& gemm_plan(const GemmOperand& a, const GemmOperand& b, const GemmOperand& y, int batch) {
  static std::mutex lock;
  static auto* const plans = new std::unordered_map<std::string, GemmPlan>;
  std::string key = key_of(batch, context().tf32);
  for (const GemmOperand* m : {&a, &b, &y})
    key += key_of(m->dtype, m->rows, m->columns, m->stride, m->transposed, m->alignment());
  const std::lock_guard hold(lock);
  const auto found = plans->find(key);
  if (found != plans->end()) return found->second;
  return plans->emplace(std::move(key), plan_gemm(a, b, y, batch)).first->second;
}

/// The view, or a copy of it in another dtype.
class Converted {
 public:
  Converted(const View& from, DType dtype, bool filled = true) : view_(from) {
    if (from.dtype == dtype) return;
    memory_.emplace(static_cast<std::size_t>(from.count()) * size_of(dtype));
    view_.data = memory_->as<void>();
    view_.dtype = dtype;
    if (filled) cast(from, view_);
  }
  const View& view() const { return view_; }
  bool copied() const { return memory_.has_value(); }

 private:
  std::optional<Scratch> memory_;
  View view_;
};

}  // namespace detail

/// Data and weights of different floating dtypes meet in bf16 where one is bf16, summed in f32; f64 outputs are
/// computed in f64. f32 is f32 throughout, unless `set_tf32` asked otherwise.
inline void matmul(View a, View b, View y, MatmulSpec spec) {
  if (y.count() == 0) return;
  if ((spec.transpose_a ? a.shape[-2] : a.shape[-1]) == 0) {
    if (spec.beta == 0)
      fill(y, 0);
    else
      map<functors::Scale>(y, {}, spec.beta, y);
    if (spec.bias.data) map<functors::Shift>(y, spec.bias, 0, y);
    return;
  }
  const bool narrow = a.dtype == DType::bf16 || b.dtype == DType::bf16;
  const auto product = [&](DType compute) {
    const detail::Converted ca(a, compute), cb(b, compute);
    // f32 operands give f32 only; bf16 ones give either.
    const detail::Converted cy(y, compute == DType::bf16 ? y.dtype : compute, spec.beta != 0);
    const detail::GemmOperand left(ca.view(), spec.transpose_a), right(cb.view(), spec.transpose_b);
    const detail::GemmOperand out(cy.view(), false);
    const detail::GemmPlan& plan =
        detail::gemm_plan(left, right, out, y.shape.rank == 3 ? static_cast<int>(y.shape[0]) : 1);
    if (!plan.found) return false;
    const float narrow_scales[] = {static_cast<float>(spec.alpha), static_cast<float>(spec.beta)};
    const double wide_scales[] = {spec.alpha, spec.beta};
    const bool wide = compute == DType::f64;
    const void* alpha = wide ? static_cast<const void*>(&wide_scales[0]) : &narrow_scales[0];
    const void* beta = wide ? static_cast<const void*>(&wide_scales[1]) : &narrow_scales[1];
    Context& device = context();
    check(cublasLtMatmul(device.blas, plan.product, alpha, right.data, plan.left, left.data, plan.right, beta, out.data,
                         plan.out, const_cast<void*>(out.data), plan.out, &plan.algorithm, device.workspace,
                         Context::workspace_bytes, device.stream),
          "cublasLtMatmul");
    if (cy.copied()) cast(cy.view(), y);
    if (spec.bias.data) map<functors::Shift>(y, spec.bias, 0, y);
    return true;
  };
  if (y.dtype == DType::f64 ? product(DType::f64) : product(narrow ? DType::bf16 : DType::f32)) return;
  // Odd shapes may have no kernel in bf16; f32 has one for all.
  require(narrow && y.dtype != DType::f64 && product(DType::f32), "[matmul] cuBLASLt has no kernel for ", a.shape,
          " x ", b.shape, " in ", to_string(a.dtype), " and ", to_string(b.dtype));
}

}  // namespace contrastive::cuda
