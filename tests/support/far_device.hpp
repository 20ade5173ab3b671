// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "contrastive/tensor/tensor.hpp"

/// An accelerator played by the CPU's kernels, so that what moves between devices can be tested without one: its
/// addresses point nowhere, so that the host crashes when it follows one, and a kernel that is handed a tensor of the
/// other side throws. What is computed there has the CPU's bits.
namespace far_device {

using namespace contrastive;

inline constexpr std::uintptr_t distance = std::uintptr_t{1} << 62;

inline std::byte* moved(void* pointer, std::uintptr_t by) {
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(pointer) + by);
}

/// What the CPU's kernels take for an argument of a kernel of device D.
template <Device D, class A>
A local(A argument) {
  if constexpr (std::is_same_v<A, View>) {
    if (argument.data == nullptr) return argument;
    require(argument.device == D, "[kernels] a kernel of ", to_string(D), " got a tensor on ",
            to_string(argument.device));
    if (D != Device::cpu) argument.data = moved(argument.data, -distance);
    argument.device = Device::cpu;
  }
  if constexpr (std::is_same_v<A, MatmulSpec>) argument.bias = local<D>(argument.bias);
  return argument;
}

template <Device D, auto Row>
struct Guarded;
template <Device D, class R, class... A, R (*KernelTable::*Row)(A...)>
struct Guarded<D, Row> {
  static R call(A... arguments) { return (cpu_kernels().*Row)(local<D>(arguments)...); }
};

template <Device D, auto... Rows>
void guard(KernelTable& table) {
  ((table.*Rows = Guarded<D, Rows>::call), ...);
}

template <Device D, auto Rows, std::size_t I, class... A>
void call_at(A... arguments) {
  (cpu_kernels().*Rows)[I](local<D>(arguments)...);
}

template <Device D>
KernelTable table() {
  using T = KernelTable;
  KernelTable guarded = cpu_kernels();
  guard<D, &T::fill, &T::cast, &T::accumulate, &T::sum_to, &T::max_axis, &T::softmax, &T::softmax_grad, &T::log_softmax,
        &T::log_softmax_grad, &T::normalize, &T::normalize_grad, &T::cross_entropy, &T::cross_entropy_grad, &T::matmul,
        &T::conv2d, &T::conv2d_with_stats, &T::conv2d_grad_input, &T::conv2d_grad_weight, &T::max_pool,
        &T::max_pool_grad, &T::avg_pool, &T::avg_pool_grad, &T::batch_norm_stats, &T::batch_norm, &T::batch_norm_grad,
        &T::layer_norm, &T::layer_norm_grad, &T::attention, &T::attention_grad, &T::gather, &T::scatter_add,
        &T::permute, &T::place, &T::extract, &T::sgd, &T::trust_ratio, &T::adamw, &T::lerp, &T::sum_squares>(guarded);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((guarded.map[I] = call_at<D, &T::map, I, View, View, double, View>), ...);
    ((guarded.map_grad[I] = call_at<D, &T::map_grad, I, View, View, View, double, View>), ...);
  }
  (std::make_index_sequence<functors::Unary::size>());
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((guarded.zip[I] = call_at<D, &T::zip, I, View, View, View>), ...);
  }
  (std::make_index_sequence<functors::Binary::size>());
  if (D == Device::cpu) {
    guarded.transfer = Guarded<D, &T::transfer>::call;
    return guarded;
  }
  guarded.allocate = [](std::size_t bytes) -> void* { return moved(cpu_kernels().allocate(bytes), distance); };
  guarded.release = [](void* block) { cpu_kernels().release(moved(block, -distance)); };
  guarded.transfer = [](View from, View to) {
    for (View* view : {&from, &to})
      if (view->device == D) *view = local<D>(*view);
    cpu_kernels().transfer(from, to);
  };
  return guarded;
}

/// While one is alive, `Device::cuda` is the far device, and the CPU's kernels refuse its tensors.
class Installed {
 public:
  Installed() {
    static const KernelTable near = table<Device::cpu>(), far = table<Device::cuda>();
    register_kernels(Device::cpu, &near);
    register_kernels(Device::cuda, &far);
  }
  ~Installed() {
    detail::Pool::of(Device::cuda).trim();
    register_kernels(Device::cpu, nullptr);
    register_kernels(Device::cuda, nullptr);
  }
  Installed(const Installed&) = delete;
  Installed& operator=(const Installed&) = delete;
};

}  // namespace far_device
