// SPDX-License-Identifier: MIT
// expect: Compose: the first step is a crop, `Placement place(ImageSize, Stream&, Drawn&) const` with `size` and `channels` (docs/guides/add-an-augmentation.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

/// The top left corner.
struct Corner {
  int size = 8;
#if !defined(FAIL)
  int channels = 3;
#endif

  Placement place(ImageSize, Stream&, Drawn& drawn) const {
    drawn.crop = {0, 0, size, size};
    return {0, 0, double(size), double(size), size, size, 0, 0, size, size, Filter::bilinear};
  }
};

int main() {
  const Compose view{Corner{}, RandomFlip{}};
  return static_cast<int>(view.view().size());
}
