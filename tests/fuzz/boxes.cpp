// SPDX-License-Identifier: MIT
#include "contrastive/data/coco.hpp"
#include "contrastive/data/voc.hpp"

namespace {
void check(const contrastive::BoxedImage& image, const std::vector<std::string>& names) {
  for (const contrastive::TrueBox& one : image.boxes) {
    const contrastive::Box& box = one.box;
    const bool inside = box.left >= 0 && box.top >= 0 && box.right >= box.left && box.bottom >= box.top &&
                        (image.width == 0 || (box.right <= static_cast<float>(image.width) &&
                                              box.bottom <= static_cast<float>(image.height)));
    if (!inside || box.label < 0 || box.label >= std::ssize(names)) __builtin_trap();
  }
}
}  // namespace

// COCO's instances, and one annotation of VOC.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const contrastive::CocoBoxes coco = contrastive::parse_coco_boxes(text, "fuzz");
    for (const contrastive::BoxedImage& image : coco.images) check(image, coco.names);
  } catch (const contrastive::Error&) {
  }
  try {
    const contrastive::VocBoxes voc = contrastive::parse_voc_boxes(text, "fuzz");
    check(voc.image, voc.names);
  } catch (const contrastive::Error&) {
  }
  return 0;
}
