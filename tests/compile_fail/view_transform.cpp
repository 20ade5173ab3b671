// SPDX-License-Identifier: MIT
// expect: ViewTransform
#include "contrastive/contrastive.hpp"

using namespace contrastive;

#if defined(FAIL)
using View0 = RandomFlip;  // a step alone makes no view
#else
using View0 = Compose<RandomResizedCrop, RandomFlip>;
#endif

int main() { return static_cast<int>(OneView<View0>(View0{}).globals()); }
