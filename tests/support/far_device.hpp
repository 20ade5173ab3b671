// SPDX-License-Identifier: MIT
#pragma once

#include <array>
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
  // Names for all fields: a new one does not compile until it is here.
  const auto each = [](auto&... fields) { ((fields = local<D>(fields)), ...); };
  if constexpr (std::is_same_v<A, MatmulSpec>) each(argument.bias);
  if constexpr (std::is_same_v<A, BatchNormCall>) {
    auto& [x, mean, var, weight, bias, residual, eps, relu, y] = argument;
    each(x, mean, var, weight, bias, residual, y);
  }
  if constexpr (std::is_same_v<A, BatchNormGradCall>) {
    auto& [x, y, mean, var, weight, bias, eps, relu, frozen, dy, dx, dweight, dbias, dresidual] = argument;
    each(x, y, mean, var, weight, bias, dy, dx, dweight, dbias, dresidual);
  }
  if constexpr (std::is_same_v<A, LayerNormGradCall>) {
    auto& [x, mean, spread, weight, dy, dx, dweight, dbias] = argument;
    each(x, mean, spread, weight, dy, dx, dweight, dbias);
  }
  return argument;
}

template <Device D, auto Row>
struct Guarded;
template <Device D, class R, class... A, R (*KernelTable::*Row)(A...)>
struct Guarded<D, Row> {
  static R call(A... arguments) { return (cpu_kernels().*Row)(local<D>(arguments)...); }
};

template <Device D, auto Rows, std::size_t I>
struct GuardedOne;
template <Device D, class... A, std::size_t N, std::array<void (*)(A...), N> KernelTable::*Rows, std::size_t I>
struct GuardedOne<D, Rows, I> {
  static void call(A... arguments) { (cpu_kernels().*Rows)[I](local<D>(arguments)...); }
};
template <Device D, auto Rows, std::size_t... I>
void guard_each(KernelTable& table, std::index_sequence<I...>) {
  table.*Rows = {GuardedOne<D, Rows, I>::call...};
}

template <Device D>
KernelTable table() {
  KernelTable guarded = cpu_kernels();
#define CONTRASTIVE_KERNEL(result, name, arguments) guarded.name = Guarded<D, &KernelTable::name>::call;
#define CONTRASTIVE_KERNEL_EACH(list, name, arguments) \
  guard_each<D, &KernelTable::name>(guarded, std::make_index_sequence<list::size>());
#define CONTRASTIVE_KERNEL_MEMORY(result, name, arguments)  // below
#include "contrastive/kernels/list.def"
  if (D == Device::cpu) {
    guarded.transfer = Guarded<D, &KernelTable::transfer>::call;
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
