// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "contrastive/augment/view.hpp"
#include "contrastive/encoders/dense_decoder.hpp"

namespace contrastive {

/// A projector that looks into the encoder's stages and gives a feature for each pixel of the half-sized image.
struct PixelFeatures {
  DenseDecoder decoder;

  /// (N, H / 2, W / 2, D)
  template <class Encoder>
  Tensor of_images(const Encoder& encoder, const Tensor& images) const {
    require(images.rank() == 4, "[pixel_features] expected images (N, H, W, C), got ", images.shape());
    return decoder(encoder.stage_maps(images), images.size(1), images.size(2));
  }
  template <class Encoder>
  Tensor through(const Encoder& encoder, const Views& views, std::size_t v) const {
    return of_images(encoder, views.view[v]);
  }
  /// Not used: the decoder needs the encoder's stages.
  Tensor operator()(const Tensor& features) const { return features; }

  template <class F>
  void members(F&& f) {
    decoder.members(f);
  }
};

}  // namespace contrastive
