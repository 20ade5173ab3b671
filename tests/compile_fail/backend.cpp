// SPDX-License-Identifier: MIT
// expect: [backend] a backend offers every kernel of kernels/list.def
// expect: lerp

// A backend that forgets a kernel does not compile, and the message names the kernel.

#include "contrastive/kernels/cpu/backend.hpp"

struct Complete : contrastive::detail::Cpu {};

struct Forgetful : contrastive::detail::Cpu {
 private:
  using contrastive::detail::Cpu::lerp;  // out of reach: as good as absent
};

#if defined(FAIL)
using Mine = Forgetful;
#else
using Mine = Complete;
#endif

constexpr contrastive::KernelTable table = contrastive::make_table<Mine>();
static_assert(table.lerp != nullptr);
