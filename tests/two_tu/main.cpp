// SPDX-License-Identifier: MIT

#include <cstdio>
#include <vector>

#include "every_header.hpp"

const void* kernels_of_the_other_unit();

// Two units that include everything link, and share what `inline` promises to share. Built without optimisation: a call
// that is then not inlined hands vectors over by the baseline's rules, which its caller does not follow.
int main() {
  using namespace contrastive;
  const bool one = kernels_of_the_other_unit() == &cpu_kernels();
  std::puts(one ? "one set of kernels" : "two sets of kernels");

  std::vector<std::int64_t> draws(100);
  similarity::draw_below(Rng(3), 1000, draws);
  Stream stream(Rng(3));
  bool same = true;
  for (const std::int64_t draw : draws) same = same && draw == static_cast<std::int64_t>(stream.below(1000));
  std::puts(same ? "draws in vectors are those of the stream" : "draws in vectors differ from those of the stream");
  return one && same ? 0 : 1;
}
