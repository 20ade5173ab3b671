// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/table.hpp"

namespace contrastive {

/// The CPU's kernels. Header-only programs instantiate them where they are first used; with CONTRASTIVE_COMPILED they
/// come from the library `contrastive::compiled`, and this is a declaration only.
const KernelTable& cpu_kernels();

namespace detail {
inline const KernelTable*& kernel_slot(Device device) {
  static const KernelTable* slots[device_count] = {};
  return slots[static_cast<int>(device)];
}
}  // namespace detail

/// Makes `table` the kernels of `device`; `table` must outlive their use. For the CPU this replaces the built-in
/// kernels (to measure or check each call); nullptr brings them back.
inline void register_kernels(Device device, const KernelTable* table) { detail::kernel_slot(device) = table; }

inline const KernelTable& kernels(Device device) {
  const KernelTable* table = detail::kernel_slot(device);
  if (table == nullptr && device == Device::cpu) return cpu_kernels();
  require(table != nullptr, "[kernels] no kernels for device ", to_string(device), ": call use_cuda() first");
  return *table;
}

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/kernels/cpu/backend.hpp"  // IWYU pragma: export
#endif
