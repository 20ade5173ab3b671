// SPDX-License-Identifier: MIT

#include <cstdio>

#include "every_header.hpp"

const void* kernels_of_the_other_unit();

// Two units that include everything link, and share what `inline` promises to share.
int main() {
  const bool one = kernels_of_the_other_unit() == &contrastive::cpu_kernels();
  std::puts(one ? "one set of kernels" : "two sets of kernels");
  return one ? 0 : 1;
}
