// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/modified_resnet.hpp"
#include "contrastive/encoders/resnet.hpp"
#include "contrastive/encoders/siglip.hpp"
#include "contrastive/encoders/vit.hpp"

namespace contrastive {

/// An encoder chosen at run time (`--encoder resnet18`): (N, H, W, C) -> (N, features()). The bodies are in
/// image_encoder_parts.hpp, compiled once where the library is.
class ImageEncoder {
 public:
  ImageEncoder();
  ImageEncoder(ConvNet net);
  ImageEncoder(ResNet net);
  ImageEncoder(ViT net);
  ImageEncoder(ClipVision net);
  ImageEncoder(ModifiedResNet net);
  ImageEncoder(SiglipVision net);
  ImageEncoder(const ImageEncoder&);
  ImageEncoder(ImageEncoder&&) noexcept;
  ImageEncoder& operator=(const ImageEncoder&);
  ImageEncoder& operator=(ImageEncoder&&) noexcept;
  ~ImageEncoder();

  std::int64_t features() const;
  Tensor operator()(const Tensor& x) const;
  /// Whether it ends in the space of images and texts, with a projection of its own.
  bool ends_in_shared_space() const;
  /// The network itself; throws where it is another.
  const ViT& vit() const;
  /// What dense decoders look at (encoders/stage.hpp); throws where the network has no such stages.
  std::vector<Stage> stage_list() const;
  std::vector<Tensor> stage_maps(const Tensor& images) const;
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& net) { net.members(f); }, net_);
  }

 private:
  std::variant<ConvNet, ResNet, ViT, ClipVision, ModifiedResNet, SiglipVision> net_;
};

const std::vector<std::string>& encoder_names();

struct EncoderOptions {
  int channels = 3;
  int image_size = 32;  // below 96 pixels ResNet-18/34/50 take the small-image stem
  bool zero_init_residual = false;
  int width = 1;              // of residual networks, in multiples of their channels
  ViTConfig vit{.patch = 0};  // all but size, channels and heads; patch 0: 16 pixels, 4 for pictures below 96
  int heads = 0;              // of vision transformers; 0: as many as the named one has
  double patch_dropout = 0;   // of CLIP's

  int patch() const { return vit.patch > 0 ? vit.patch : image_size < 96 ? 4 : 16; }
};

/// Throws for a name that is not in `encoder_names()`.
ImageEncoder make_encoder(const std::string& name, const EncoderOptions& options, Rng rng);

}  // namespace contrastive

#if defined(CONTRASTIVE_COMPILED)
extern template void contrastive::detail::walk(ImageEncoder&, const std::string&, const Leaves&);
#else
#include "contrastive/encoders/image_encoder_parts.hpp"  // IWYU pragma: export
#endif
