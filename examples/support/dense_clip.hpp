// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/segmentation.hpp"
#include "support/trained.hpp"

/// Words of pixels from a run of clip that never learned them (contrastive/eval/dense_clip.hpp).
namespace app {

/// Some patches' rows in the space of images and texts.
struct DenseRows {
  Tensor rows;            // unit, (N, P, D), on the CPU
  std::int64_t down = 0;  // rows of the grid
};

/// The image tower of a run of clip, asked about patches instead of images.
struct DenseClip {
  std::function<DenseRows(const Tensor&images)> plain, values;
  std::function<DenseRows(const Tensor& images)> by_proxy;  // empty without a proxy
  std::function<Tensor(const Tensor& images)> whole;        // unit rows of images, (N, D), on the CPU
  std::function<Tensor(const std::vector<std::string>&)> words;

  /// As a composition has it: by the proxy where there is one, else by values alone.
  Tensor segment(const Tensor& images, const std::vector<std::string>& list) const;
};

/// `trained` is the run `run` of clip, with a vision transformer that ends in a class token; `proxy` is a run whose encoder
/// is a ViT (dino), or empty. Throws for others.
DenseClip dense_clip_of(const Trained& trained, const std::string& run, const std::string& proxy);

/// On scenes, pixels of objects alone: mean IoU of each way beside one word for the image and a word drawn for each pixel,
/// and of each with its parts named by the truth; then the splits, by the last way. Printed.
void evaluate_dense_clip(const DenseClip& dense, const Trained& trained);

}  // namespace app
