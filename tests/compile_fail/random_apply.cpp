// SPDX-License-Identifier: MIT
// expect: RandomApply: a step is `void operator()(Canvas&, Stream&, Drawn&) const` (docs/guides/add-an-augmentation.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

int main() {
#if defined(FAIL)
  const RandomApply step{0.5, Normalize{}};
#else
  const RandomApply step{0.5, RandomFlip{}};
#endif
  Canvas canvas;
  Drawn drawn;
  Stream stream(Rng(0));
  step(canvas, stream, drawn);
}
