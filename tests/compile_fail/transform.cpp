// SPDX-License-Identifier: MIT
// expect: Compose: a step is `void operator()(Canvas&, Stream&, Drawn&) const` (docs/guides/add-an-augmentation.md)
#include "contrastive/contrastive.hpp"

using namespace contrastive;

struct Negative {
#if defined(FAIL)
  void operator()(Image& image) const {
    for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(255 - value);
  }
#else
  void operator()(Canvas& canvas, Stream&, Drawn&) const {
    for (std::int64_t i = 0; i < canvas.count(); ++i)
      canvas.plane(0)[i] = static_cast<std::uint8_t>(255 - canvas.plane(0)[i]);
  }
#endif
};

int main() {
  const TwoViews views{Compose{RandomResizedCrop{8}, Negative{}, RandomFlip{}}};
  return static_cast<int>(views.globals());
}
