// SPDX-License-Identifier: MIT
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <string>
#include <unordered_map>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/key.hpp"
#include "contrastive/kernels/table.hpp"

/// Products and convolutions by oneDNN, 2.x and 3.x: their differences end here. Primitives are kept by shape.
namespace contrastive::cpu::onednn {

namespace detail {

using dnnl::memory;

inline dnnl::engine& engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}
inline dnnl::stream& stream() {
  thread_local dnnl::stream instance(engine());
  return instance;
}

inline memory::data_type type(DType dtype) {
  return dtype == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

/// A primitive, its arguments' layouts, and buffers for those that differ from ours.
struct Cached {
  dnnl::primitive primitive;
  memory::desc wanted_weight;  // the layout the primitive likes
  memory::desc our_weight;
  dnnl::reorder reorder;
  memory weight;  // in the wanted layout; empty when ours will do
  memory::desc scratchpad;
};

/// Primitives work in memory of ours: their own would come from the system, and be cleared by it, at every call.
inline dnnl::primitive_attr in_our_memory() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}
inline memory scratchpad(const memory::desc& desc) {
  thread_local Buffer<char> bytes;
  return memory(desc, engine(), bytes.resize(static_cast<std::int64_t>(desc.get_size())));
}

template <class Make>
Cached& cached(const std::string& key, Make&& make) {
  thread_local std::unordered_map<std::string, Cached> primitives;
  const auto found = primitives.find(key);
  if (found != primitives.end()) return found->second;
  return primitives.emplace(key, make()).first->second;
}

/// oneDNN's plans depend on the number of threads too.
template <class... Parts>
std::string key_of(const Parts&... parts) {
  return contrastive::detail::key_of(threads(), parts...);
}

struct Conv {
  memory::desc x, w, y;  // w in any layout
  memory::dims stride, pad;
  memory::desc our_w;
};

/// `weight_type`: what the primitive computes with (data's type forward, f32 for the weight's gradient).
inline Conv conv(const View& x, const Shape& w, const View& y, WindowSpec spec, memory::data_type weight_type) {
  using tag = memory::format_tag;
  const memory::dims wd{w[0], w[3], w[1], w[2]};
  return {memory::desc({x.shape[0], x.shape[3], x.shape[1], x.shape[2]}, type(x.dtype), tag::nhwc),
          memory::desc(wd, weight_type, tag::any),
          memory::desc({y.shape[0], y.shape[3], y.shape[1], y.shape[2]}, type(y.dtype), tag::nhwc),
          {spec.stride, spec.stride},
          {spec.padding, spec.padding},
          memory::desc(wd, memory::data_type::f32, tag::ohwi)};
}

inline auto forward_desc(const Conv& c) {
  using dnnl::convolution_forward;
#if DNNL_VERSION_MAJOR >= 3
  return convolution_forward::primitive_desc(engine(), dnnl::prop_kind::forward_training,
                                             dnnl::algorithm::convolution_direct, c.x, c.w, c.y, c.stride, c.pad, c.pad,
                                             in_our_memory());
#else
  return convolution_forward::primitive_desc(
      convolution_forward::desc(dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, c.x, c.w, c.y,
                                c.stride, c.pad, c.pad),
      in_our_memory(), engine());
#endif
}

inline Cached with_weight(dnnl::primitive primitive, const memory::desc& scratchpad, const memory::desc& wanted,
                          const memory::desc& ours, bool weight_is_output) {
  Cached entry{std::move(primitive), wanted, ours, {}, {}, scratchpad};
  if (wanted != ours) {
    entry.weight = memory(wanted, engine());
    const memory our_memory(ours, engine(), nullptr);
    entry.reorder =
        weight_is_output ? dnnl::reorder(entry.weight, our_memory) : dnnl::reorder(our_memory, entry.weight);
  }
  return entry;
}

/// The weight as the primitive wants it.
inline memory prepared_weight(Cached& entry, void* data) {
  memory ours(entry.our_weight, engine(), data);
  if (!entry.weight) return ours;
  entry.reorder.execute(stream(), ours, entry.weight);
  return entry.weight;
}

template <class F>
auto guarded(const char* op, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& problem) {
    fail("[", op, "] oneDNN: ", problem.what());
  }
}

}  // namespace detail

inline void conv2d(View x, View w, View y, WindowSpec spec) {
  using namespace detail;
  guarded("conv2d", [&] {
    Cached& entry = cached(key_of('f', x.shape, w.shape, spec, x.dtype), [&] {
      const Conv c = conv(x, w.shape, y, spec, type(x.dtype));
      const auto pd = forward_desc(c);
      return with_weight(dnnl::convolution_forward(pd), pd.scratchpad_desc(), pd.weights_desc(), c.our_w, false);
    });
    const Conv c = conv(x, w.shape, y, spec, type(x.dtype));
    entry.primitive.execute(stream(), {{DNNL_ARG_SRC, memory(c.x, engine(), x.data)},
                                       {DNNL_ARG_WEIGHTS, prepared_weight(entry, w.data)},
                                       {DNNL_ARG_DST, memory(c.y, engine(), y.data)},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad(entry.scratchpad)}});
    stream().wait();
  });
}

inline void conv2d_grad_input(View dy, View w, View dx, WindowSpec spec) {
  using namespace detail;
  guarded("conv2d", [&] {
    const Conv c = conv(dx, w.shape, dy, spec, type(dy.dtype));
    Cached& entry = cached(key_of('d', dx.shape, w.shape, spec, dy.dtype), [&] {
      using dnnl::convolution_backward_data;
#if DNNL_VERSION_MAJOR >= 3
      const convolution_backward_data::primitive_desc pd(engine(), dnnl::algorithm::convolution_direct, c.x, c.w, c.y,
                                                         c.stride, c.pad, c.pad, forward_desc(c), in_our_memory());
#else
      const convolution_backward_data::primitive_desc pd(
          convolution_backward_data::desc(dnnl::algorithm::convolution_direct, c.x, c.w, c.y, c.stride, c.pad, c.pad),
          in_our_memory(), engine(), forward_desc(c));
#endif
      return with_weight(convolution_backward_data(pd), pd.scratchpad_desc(), pd.weights_desc(), c.our_w, false);
    });
    entry.primitive.execute(stream(), {{DNNL_ARG_DIFF_DST, memory(c.y, engine(), dy.data)},
                                       {DNNL_ARG_WEIGHTS, prepared_weight(entry, w.data)},
                                       {DNNL_ARG_DIFF_SRC, memory(c.x, engine(), dx.data)},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad(entry.scratchpad)}});
    stream().wait();
  });
}

inline void conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec) {
  using namespace detail;
  guarded("conv2d", [&] {
    const Conv c = conv(x, dw.shape, dy, spec, memory::data_type::f32);
    Cached& entry = cached(key_of('w', x.shape, dw.shape, spec, x.dtype), [&] {
      using dnnl::convolution_backward_weights;
      const Conv hint = conv(x, dw.shape, dy, spec, type(x.dtype));
#if DNNL_VERSION_MAJOR >= 3
      const convolution_backward_weights::primitive_desc pd(engine(), dnnl::algorithm::convolution_direct, c.x, c.w,
                                                            c.y, c.stride, c.pad, c.pad, forward_desc(hint),
                                                            in_our_memory());
#else
      const convolution_backward_weights::primitive_desc pd(
          convolution_backward_weights::desc(dnnl::algorithm::convolution_direct, c.x, c.w, c.y, c.stride, c.pad, c.pad),
          in_our_memory(), engine(), forward_desc(hint));
#endif
      return with_weight(convolution_backward_weights(pd), pd.scratchpad_desc(), pd.diff_weights_desc(), c.our_w, true);
    });
    memory ours(c.our_w, engine(), dw.data);
    entry.primitive.execute(stream(), {{DNNL_ARG_SRC, memory(c.x, engine(), x.data)},
                                       {DNNL_ARG_DIFF_DST, memory(c.y, engine(), dy.data)},
                                       {DNNL_ARG_DIFF_WEIGHTS, entry.weight ? entry.weight : ours},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad(entry.scratchpad)}});
    if (entry.weight) entry.reorder.execute(stream(), entry.weight, ours);
    stream().wait();
  });
}

/// For f32 and bf16 operands in any mix; bf16 beside f32 means that the product is computed in bf16.
inline void matmul(View a, View b, View y, MatmulSpec spec) {
  using namespace detail;
  thread_local std::vector<bf16> narrow_a, narrow_b;
  const auto narrow = [](View& m, std::vector<bf16>& buffer) {
    if (m.dtype == DType::bf16) return;
    buffer.resize(static_cast<std::size_t>(m.count()));
    const View half{buffer.data(), m.shape, DType::bf16, Device::cpu};
    cast(m, half);
    m = half;
  };
  if (a.dtype != b.dtype) {
    narrow(a, narrow_a);
    narrow(b, narrow_b);
  }
  const auto desc = [](const View& m, bool transposed) {
    const memory::dim rows = m.shape[-2], columns = m.shape[-1];
    memory::dims dims{rows, columns}, strides{columns, 1};
    if (transposed) {
      std::swap(dims[0], dims[1]);
      std::swap(strides[0], strides[1]);
    }
    if (m.shape.rank == 3) {
      dims.insert(dims.begin(), m.shape[0]);
      strides.insert(strides.begin(), rows * columns);
    }
    return memory::desc(dims, type(m.dtype), strides);
  };
  guarded("matmul", [&] {
    const memory::desc da = desc(a, spec.transpose_a), db = desc(b, spec.transpose_b), dy = desc(y, false);
    memory::dims row(y.shape.rank, 1), steps(y.shape.rank, 1);
    row.back() = y.shape[-1];
    const memory::desc dbias = spec.bias.data ? memory::desc(row, type(spec.bias.dtype), steps) : memory::desc();
    const auto make = [&] {
      dnnl::post_ops after;
      const float alpha = static_cast<float>(spec.alpha);
      if (spec.alpha != 1)
#if DNNL_VERSION_MAJOR >= 3
        after.append_eltwise(dnnl::algorithm::eltwise_linear, alpha, 0.f);
#else
        after.append_eltwise(1.f, dnnl::algorithm::eltwise_linear, alpha, 0.f);
#endif
      if (spec.beta != 0) after.append_sum(static_cast<float>(spec.beta));
      dnnl::primitive_attr attributes = in_our_memory();
      attributes.set_post_ops(after);
#if DNNL_VERSION_MAJOR >= 3
      const dnnl::matmul::primitive_desc pd(engine(), da, db, dbias, dy, attributes);
#else
      const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(da, db, dbias, dy), attributes, engine());
#endif
      return Cached{dnnl::matmul(pd), {}, {}, {}, {}, pd.scratchpad_desc()};
    };
    Cached& entry = cached(key_of('m', a.shape, b.shape, spec.transpose_a, spec.transpose_b, spec.alpha, spec.beta,
                                  a.dtype, y.dtype, spec.bias.data != nullptr),
                           make);
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(da, engine(), a.data)},
                                              {DNNL_ARG_WEIGHTS, memory(db, engine(), b.data)},
                                              {DNNL_ARG_DST, memory(dy, engine(), y.data)},
                                              {DNNL_ARG_SCRATCHPAD, scratchpad(entry.scratchpad)}};
    if (spec.bias.data) arguments.emplace(DNNL_ARG_BIAS, memory(dbias, engine(), spec.bias.data));
    entry.primitive.execute(stream(), arguments);
    stream().wait();
  });
}

}  // namespace contrastive::cpu::onednn
