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

/// Everything a device can do, as plain functions over views. The CPU twin of a kernel is its specification.
/// Unless said otherwise outputs are overwritten, shapes were checked by the op above, and floating types are f32,
/// f64 or bf16 (computed in f32). Weights, statistics and their gradients stay f32 (f64 beside f64 data) when the
/// data is bf16.
struct KernelTable {
  // Memory.
  void* (*allocate)(std::size_t bytes);
  void (*release)(void* pointer);
  void (*transfer)(View from, View to);  // same dtype and count; one side may be on the CPU
  void (*synchronize)();
  void (*fill)(View y, double value);
  void (*cast)(View x, View y);

  // Elementwise.
  // y = f(x [+ bias]), bias (C) over the last axis, in f32 beside bf16. The gradient is taken from what was kept: y where
  // the functor is `from_y` (bias is empty then), else x. On the CPU the gradients of map, batch norm and layer norm may
  // be written over dy.
  std::array<void (*)(View x, View bias, double a, View y), functors::Unary::size> map;
  std::array<void (*)(View kept, View bias, View dy, double a, View dx), functors::Unary::size> map_grad;  // dx = dy df
  std::array<void (*)(View a, View b, View y), functors::Binary::size> zip;                                // broadcasts
  void (*accumulate)(View x, View y);  // y += x, same shape

  // Reductions.
  void (*sum_to)(View x, double scale, View y);            // y = scale * sum of x over the axes where y has size 1
  void (*max_axis)(View x, int axis, View y, View index);  // y and i64 index without the axis; first one wins
  void (*softmax)(View x, View y);                         // over the last axis
  void (*softmax_grad)(View y, View dy, View dx);
  void (*log_softmax)(View x, View y);
  void (*log_softmax_grad)(View y, View dy, View dx);
  void (*normalize)(View x, double eps, View y, View norm);  // rows: y = x / max(|x|, eps), norm (N) before the max
  void (*normalize_grad)(View y, View norm, View dy, double eps, View dx);
  void (*cross_entropy)(View logits, View targets, View loss, View lse);  // (N, C), i64 (N) -> (N), (N)
  void (*cross_entropy_grad)(View logits, View targets, View lse, View dloss, View dlogits);

  // Products.
  void (*matmul)(View a, View b, View y, MatmulSpec spec);
  void (*conv2d)(View x, View w, View y, WindowSpec spec);  // (N,H,W,C), (O,kh,kw,C) -> (N,H',W',O)
  // conv2d, and batch_norm_stats of y on the way; false, and nothing done, where a backend has no such pass for the call.
  bool (*conv2d_with_stats)(View x, View w, View y, View mean, View var, WindowSpec spec);
  void (*conv2d_grad_input)(View dy, View w, View dx, WindowSpec spec, bool add);  // add: dx +=
  void (*conv2d_grad_weight)(View x, View dy, View dw, WindowSpec spec, bool add);

  // Pooling over (N, H, W, C).
  void (*max_pool)(View x, View y, View index, WindowSpec spec);  // index u8: place in the window
  void (*max_pool_grad)(View dy, View index, View dx, WindowSpec spec);
  void (*avg_pool)(View x, View y, WindowSpec spec);  // padding counts as zeros
  void (*avg_pool_grad)(View dy, View dx, WindowSpec spec);

  // Batch norm over all axes but the last, in G groups of consecutive rows; statistics are (G, C).
  void (*batch_norm_stats)(View x, View mean, View var);  // biased variance
  // y = [relu]((x - mean) / sqrt(var + eps) * weight + bias [+ residual]); empty views where absent.
  void (*batch_norm)(View x, View mean, View var, double eps, View weight, View bias, View residual, bool relu, View y);
  // With batch statistics (frozen = false) or constants. With relu, y tells which numbers it let through; where there
  // was no residual y may be empty: x, weight and bias tell as much. dresidual gets dz, which is dy after the relu.
  void (*batch_norm_grad)(View x, View y, View mean, View var, double eps, View weight, View bias, bool relu,
                          bool frozen, View dy, View dx, View dweight, View dbias, View dresidual);

  // Layer norm over the last axis: y = (x - mean) * spread * weight + bias with spread = 1 / sqrt(biased variance + eps),
  // one mean and spread a row; weight and bias may be empty. Outputs of the gradient that are empty are not wanted.
  void (*layer_norm)(View x, View weight, View bias, double eps, View y, View mean, View spread);
  void (*layer_norm_grad)(View x, View mean, View spread, View weight, View dy, View dx, View dweight, View dbias);
  // y = softmax(scale q k^T) v, heads side by side, (N, L, D); lse (N, heads, L) = log sum exp of the scaled scores.
  // Queries of sequence n see its first lengths[n] keys, i64 (N), each 1 to L; empty: all L.
  void (*attention)(View qkv, View lengths, View y, View lse, AttentionSpec spec);
  void (*attention_grad)(View qkv, View lengths, View y, View lse, View dy, View dqkv, AttentionSpec spec);

  // Moving data.
  void (*gather)(View x, View index, View y);         // rows of x by i64 index
  void (*scatter_add)(View dy, View index, View dx);  // dx[index[i]] += dy[i], in the order of i
  void (*permute)(View x, std::array<int, Shape::max_rank> axes, View y);
  void (*place)(View x, View y, int axis, std::int64_t offset);    // y[.., offset + i, ..] = x[.., i, ..]
  void (*extract)(View x, View y, int axis, std::int64_t offset);  // y[.., i, ..] = x[.., offset + i, ..]

  // State. Parameters are f32 or f64; all views of a call share the dtype. Gradients are read only.
  // d = scale (g + decay p), (scale, decay) = trust, or (1, weight_decay) where trust is empty; with a buffer
  // b = momentum b + a d, u = nesterov ? a d + momentum b : b, without u = a d; p -= c u, where (a, c) is (lr, 1) with
  // lr_in_buffer, else (1, lr).
  void (*sgd)(View p, View g, View buffer, View trust, View hyper);  // SgdHyper; buffer, trust (2) may be empty
  // What LARS multiplies a gradient by, from P = |p|, G = |g|, W = weight_decay. With decayed_norm: ratio =
  // trust P / |g + W p|, and 1 where either norm is 0; trust = (ratio, W). Without: ratio = trust P / (G + W P + eps),
  // with clip at most lr and divided by it; trust = (ratio, W), but (1, 0) where P or G is 0.
  void (*trust_ratio)(View p, View g, View hyper, View trust);  // SgdHyper; trust (2)
  // decoupled: p *= 1 - lr weight_decay, else g += weight_decay p; m = beta1 m + gain1 g, v = beta2 v + gain2 g^2,
  // p -= lr / correction1 * m / (sqrt(v / correction2) + eps).
  void (*adamw)(View p, View g, View m, View v, View hyper);  // AdamHyper
  void (*lerp)(View target, View source, View keep);  // target = keep target + (1 - keep) source; keep: one f32 or f64
  void (*sum_squares)(View x, View y);                // y: one f32 or f64
};

/// What a backend struct must offer to become a table: one static function for each row above, and `map`,
/// `map_grad`, `zip` as templates over a functor. A missing one is named by the compiler.
template <class B>
concept Backend = requires(View v, WindowSpec w, MatmulSpec m, AttentionSpec s, std::array<int, Shape::max_rank> axes,
                           void* p) {
  { B::allocate(std::size_t{}) } -> std::same_as<void*>;
  B::release(p);
  B::transfer(v, v);
  B::synchronize();
  B::fill(v, 0.0);
  B::cast(v, v);
  B::template map<functors::Relu>(v, v, 0.0, v);
  B::template map_grad<functors::Relu>(v, v, v, 0.0, v);
  B::template zip<functors::Add>(v, v, v);
  B::accumulate(v, v);
  B::sum_to(v, 1.0, v);
  B::max_axis(v, 0, v, v);
  B::softmax(v, v);
  B::softmax_grad(v, v, v);
  B::log_softmax(v, v);
  B::log_softmax_grad(v, v, v);
  B::normalize(v, 0.0, v, v);
  B::normalize_grad(v, v, v, 0.0, v);
  B::cross_entropy(v, v, v, v);
  B::cross_entropy_grad(v, v, v, v, v);
  B::matmul(v, v, v, m);
  B::conv2d(v, v, v, w);
  { B::conv2d_with_stats(v, v, v, v, v, w) } -> std::same_as<bool>;
  B::conv2d_grad_input(v, v, v, w, false);
  B::conv2d_grad_weight(v, v, v, w, false);
  B::max_pool(v, v, v, w);
  B::max_pool_grad(v, v, v, w);
  B::avg_pool(v, v, w);
  B::avg_pool_grad(v, v, w);
  B::batch_norm_stats(v, v, v);
  B::batch_norm(v, v, v, 0.0, v, v, v, false, v);
  B::batch_norm_grad(v, v, v, v, 0.0, v, v, false, false, v, v, v, v, v);
  B::layer_norm(v, v, v, 0.0, v, v, v);
  B::layer_norm_grad(v, v, v, v, v, v, v, v);
  B::attention(v, v, v, v, s);
  B::attention_grad(v, v, v, v, v, v, s);
  B::gather(v, v, v);
  B::scatter_add(v, v, v);
  B::permute(v, axes, v);
  B::place(v, v, 0, std::int64_t{});
  B::extract(v, v, 0, std::int64_t{});
  B::sgd(v, v, v, v, v);
  B::trust_ratio(v, v, v, v);
  B::adamw(v, v, v, v, v);
  B::lerp(v, v, v);
  B::sum_squares(v, v);
};

namespace detail {
template <class B, class... U, class... Z>
constexpr KernelTable table_of(functors::List<U...>, functors::List<Z...>) {
  return {.allocate = B::allocate,
          .release = B::release,
          .transfer = B::transfer,
          .synchronize = B::synchronize,
          .fill = B::fill,
          .cast = B::cast,
          .map = {B::template map<U>...},
          .map_grad = {B::template map_grad<U>...},
          .zip = {B::template zip<Z>...},
          .accumulate = B::accumulate,
          .sum_to = B::sum_to,
          .max_axis = B::max_axis,
          .softmax = B::softmax,
          .softmax_grad = B::softmax_grad,
          .log_softmax = B::log_softmax,
          .log_softmax_grad = B::log_softmax_grad,
          .normalize = B::normalize,
          .normalize_grad = B::normalize_grad,
          .cross_entropy = B::cross_entropy,
          .cross_entropy_grad = B::cross_entropy_grad,
          .matmul = B::matmul,
          .conv2d = B::conv2d,
          .conv2d_with_stats = B::conv2d_with_stats,
          .conv2d_grad_input = B::conv2d_grad_input,
          .conv2d_grad_weight = B::conv2d_grad_weight,
          .max_pool = B::max_pool,
          .max_pool_grad = B::max_pool_grad,
          .avg_pool = B::avg_pool,
          .avg_pool_grad = B::avg_pool_grad,
          .batch_norm_stats = B::batch_norm_stats,
          .batch_norm = B::batch_norm,
          .batch_norm_grad = B::batch_norm_grad,
          .layer_norm = B::layer_norm,
          .layer_norm_grad = B::layer_norm_grad,
          .attention = B::attention,
          .attention_grad = B::attention_grad,
          .gather = B::gather,
          .scatter_add = B::scatter_add,
          .permute = B::permute,
          .place = B::place,
          .extract = B::extract,
          .sgd = B::sgd,
          .trust_ratio = B::trust_ratio,
          .adamw = B::adamw,
          .lerp = B::lerp,
          .sum_squares = B::sum_squares};
}
}  // namespace detail

template <class B>
constexpr KernelTable make_table() {
  static_assert(Backend<B>,
                "[backend] a backend offers every kernel of kernels/table.hpp (docs/guides/add-a-backend.md)");
  return detail::table_of<B>(functors::Unary{}, functors::Binary{});
}

}  // namespace contrastive
