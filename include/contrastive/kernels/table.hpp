// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>

#include "contrastive/core/view.hpp"
#include "contrastive/kernels/functors.hpp"

namespace contrastive {

/// y = alpha op(a) op(b) + beta y, where op transposes when asked. 2-D, or 3-D with one product a batch entry. A bias,
/// one number a column and f32 beside bf16, is added to each row; only where alpha is 1 and beta 0.
struct MatmulSpec {
  bool transpose_a = false;
  bool transpose_b = false;
  double alpha = 1;
  double beta = 0;
  View bias{};
};

/// Window of a convolution or pooling over (N, H, W, C), the same in both directions.
struct WindowSpec {
  int kernel = 1;
  int stride = 1;
  int padding = 0;
};

/// Self-attention over packed rows: (N, L, 3 D) holds queries, keys and values, each in `heads` groups of consecutive
/// channels. `causal` lets position i see none after it.
struct AttentionSpec {
  int heads = 1;
  double scale = 1;
  bool causal = false;
};

constexpr std::int64_t window_output(std::int64_t size, const WindowSpec& spec) {
  return (size + 2 * spec.padding - spec.kernel) / spec.stride + 1;
}

/// Scalars that change from step to step are read from the device, so that a captured step can be replayed: `hyper` of
/// an optimiser kernel is one of these in the dtype of the parameter (f32 or f64); flags are 0 or 1.
template <class T>
struct SgdHyper {
  T lr, momentum, weight_decay, nesterov, lr_in_buffer;
  T trust, eps, decayed_norm, clip;  // of `trust_ratio`
};
template <class T>
struct AdamHyper {
  T lr, beta1, beta2, eps, weight_decay, decoupled;
  T gain1, gain2;              // 1 - beta: told apart because 1 - 0.999f is off by 1e-5
  T correction1, correction2;  // 1 - beta^t
};

/// y = [relu]((x - mean) / sqrt(var + eps) * weight + bias [+ residual]), in G groups of consecutive rows.
struct BatchNormCall {
  View x{};               // (.., C)
  View mean{}, var{};     // (G, C)
  View weight{}, bias{};  // (C); may be empty
  View residual{};        // like x; may be empty
  double eps = 0;
  bool relu = false;
  View y{};
};

/// Through batch statistics, or with `frozen` ones, which are constants. What is empty below `dy` is not wanted.
struct BatchNormGradCall {
  View x{};
  View y{};  // with relu, tells which numbers it let through; may be empty where there was no residual: x tells as much
  View mean{}, var{}, weight{}, bias{};
  double eps = 0;
  bool relu = false, frozen = false;
  View dy{};
  View dx{}, dweight{}, dbias{};
  View dresidual{};  // gets dz, which is dy after the relu
};

/// What is empty below `dy` is not wanted.
struct LayerNormGradCall {
  View x{};
  View mean{}, spread{};  // a row
  View weight{};          // may be empty
  View dy{};
  View dx{}, dweight{}, dbias{};
};

/// Everything a device can do, as plain functions over views: the kernels of list.def.
struct KernelTable {
#define CONTRASTIVE_KERNEL(result, name, arguments) result(*name) arguments;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) std::array<void(*) arguments, list::size> name;
#include "contrastive/kernels/list.def"
};

/// What a backend struct must offer to become a table: one static function for each kernel of list.def, those that take a
/// functor as templates. A missing one is named by the compiler.
template <class B>
concept Backend = requires {
#define CONTRASTIVE_KERNEL(result, name, arguments) \
  { B::name } -> std::convertible_to<result(*) arguments>;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) \
  { B::template name<list::First> } -> std::convertible_to<void(*) arguments>;
#include "contrastive/kernels/list.def"
};

template <class B>
constexpr KernelTable make_table() {
  static_assert(Backend<B>,
                "[backend] a backend offers every kernel of kernels/list.def (docs/guides/add-a-backend.md)");
  KernelTable table{};
#define CONTRASTIVE_KERNEL(result, name, arguments) table.name = B::name;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) \
  [&]<class... F>(functors::List<F...>) { table.name = {B::template name<F>...}; }(list{});
#include "contrastive/kernels/list.def"
  return table;
}

}  // namespace contrastive
