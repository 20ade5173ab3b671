// SPDX-License-Identifier: MIT

#include "every_header.hpp"

const void* kernels_of_the_other_unit() { return &contrastive::cpu_kernels(); }
