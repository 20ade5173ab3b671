// SPDX-License-Identifier: MIT
// expect: Compose: only the last step may be a Normalize
#include "contrastive/contrastive.hpp"

using namespace contrastive;

int main() {
#if defined(FAIL)
  const Compose view{RandomResizedCrop{8}, Normalize{}, RandomFlip{}};
#else
  const Compose view{RandomResizedCrop{8}, RandomFlip{}, Normalize{}};
#endif
  return static_cast<int>(view.view().size());
}
