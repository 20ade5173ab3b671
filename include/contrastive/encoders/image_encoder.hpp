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

/// An encoder chosen at run time (`--encoder resnet18`): (N, H, W, C) -> (N, features()).
class ImageEncoder {
 public:
  ImageEncoder() = default;
  ImageEncoder(ConvNet net) : net_(std::move(net)) {}
  ImageEncoder(ResNet net) : net_(std::move(net)) {}
  ImageEncoder(ViT net) : net_(std::move(net)) {}
  ImageEncoder(ClipVision net) : net_(std::move(net)) {}
  ImageEncoder(ModifiedResNet net) : net_(std::move(net)) {}
  ImageEncoder(SiglipVision net) : net_(std::move(net)) {}

  std::int64_t features() const {
    return std::visit([](const auto& net) { return net.features(); }, net_);
  }
  Tensor operator()(const Tensor& x) const {
    return std::visit([&](const auto& net) { return net(x); }, net_);
  }
  /// Whether it ends in the space of images and texts, with a projection of its own.
  bool ends_in_shared_space() const {
    return std::holds_alternative<ModifiedResNet>(net_) || std::holds_alternative<SiglipVision>(net_);
  }
  /// The network itself; throws where it is another.
  const ViT& vit() const {
    const ViT* net = std::get_if<ViT>(&net_);
    require(net != nullptr, "[encoder] this needs a vision transformer (--encoder vit_micro, vit_tiny, ...)");
    return *net;
  }
  /// What dense decoders look at (encoders/stage.hpp); throws where the network has no such stages.
  std::vector<Stage> stage_list() const {
    return std::visit(
        [](const auto& net) -> std::vector<Stage> {
          if constexpr (requires { net.stage_list(); })
            return net.stage_list();
          else
            fail(
                "[encoder] this encoder has no stages for a dense decoder: expected small, resnet.., vit_.. or "
                "clip_vit_..");
        },
        net_);
  }
  std::vector<Tensor> stage_maps(const Tensor& images) const {
    return std::visit(
        [&](const auto& net) -> std::vector<Tensor> {
          if constexpr (requires { net.stage_maps(images); })
            return net.stage_maps(images);
          else
            fail("[encoder] this encoder has no stages for a dense decoder");
        },
        net_);
  }
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& net) { net.members(f); }, net_);
  }

 private:
  std::variant<ConvNet, ResNet, ViT, ClipVision, ModifiedResNet, SiglipVision> net_;
};

inline const std::vector<std::string>& encoder_names() {
  static const std::vector<std::string> names{
      "small",        "resnet20",     "resnet32",     "resnet44",  "resnet56",     "resnet18",  "resnet34",
      "resnet50",     "resnet50_sk",  "vit_micro",    "vit_tiny",  "vit_small",    "vit_base",  "clip_vit_micro",
      "clip_vit_b32", "clip_vit_b16", "clip_vit_l14", "clip_rn50", "siglip_micro", "siglip_b16"};
  return names;
}

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
inline ImageEncoder make_encoder(const std::string& name, const EncoderOptions& options, Rng rng) {
  ResNetConfig config{.zero_init_residual = options.zero_init_residual, .channels = options.channels};
  config.stem = options.image_size < 96 ? ResNetStem::small : ResNetStem::imagenet;
  const bool of_clip = name.starts_with("clip_vit_");
  require(options.patch_dropout == 0 || of_clip, "[encoder] patch dropout (--patch-dropout) is for clip_vit_micro, ",
          "clip_vit_b32 and their kind, got ", name);
  require(options.heads == 0 || of_clip || name.starts_with("vit_"),
          "[encoder] heads (--heads) are for vision transformers, got ", name);
  require(options.width == 1 || name.starts_with("resnet"),
          "[encoder] a width (--width) is for residual networks, got ", name);
  config.width *= options.width;
  if (name == "small") return ConvNet(options.channels, {32, 64, 64, 128, 256}, rng);
  if (name == "resnet18") return ResNet(config, rng);
  if (name == "resnet34" || name == "resnet50") {
    config.blocks = {3, 4, 6, 3};
    config.bottleneck = name == "resnet50";
    return ResNet(config, rng);
  }
  if (name == "resnet50_sk") return resnet50_simclr_v2(rng, options.width, true, config.stem, options.channels);
  if (of_clip) {
    ClipVisionConfig clip{.image_size = options.image_size,
                          .activation = Activation::gelu,
                          .patch_dropout = options.patch_dropout,
                          .channels = options.channels};
    if (name == "clip_vit_micro") clip.patch = 8, clip.width = 192, clip.layers = 6, clip.heads = 3;
    if (name == "clip_vit_b16") clip.patch = 16;
    if (name == "clip_vit_l14") clip.patch = 14, clip.width = 1024, clip.layers = 24, clip.heads = 16;
    if (options.vit.patch > 0) clip.patch = options.vit.patch;
    if (options.heads > 0) clip.heads = options.heads;
    if (name == "clip_vit_micro" || name == "clip_vit_b32" || name == "clip_vit_b16" || name == "clip_vit_l14")
      return ClipVision(clip, rng);
  }
  if (name == "clip_rn50") return ModifiedResNet({.image_size = options.image_size, .channels = options.channels}, rng);
  if (name == "siglip_micro" || name == "siglip_b16") {
    SiglipVisionConfig siglip{.image_size = options.image_size, .channels = options.channels};
    if (name == "siglip_micro")
      siglip.patch = 8, siglip.width = 192, siglip.layers = 6, siglip.heads = 3, siglip.hidden = 768;
    if (options.vit.patch > 0) siglip.patch = options.vit.patch;
    return SiglipVision(siglip, rng);
  }
  if (name.starts_with("vit_")) {
    ViTConfig vit = options.vit;
    vit.image_size = options.image_size;
    vit.channels = options.channels;
    vit.patch = options.patch();
    const auto made = [&](ViTConfig named) {
      if (options.heads > 0) named.heads = options.heads;
      return ViT(named, rng);
    };
    if (name == "vit_micro") return made(vit_micro(vit));
    if (name == "vit_tiny") return made(vit_tiny(vit));
    if (name == "vit_small") return made(vit_small(vit));
    if (name == "vit_base") return made(vit_base(vit));
  }
  for (int depth : {20, 32, 44, 56})
    if (name == "resnet" + std::to_string(depth)) {
      const int n = (depth - 2) / 6;
      config.blocks = {n, n, n};
      config.width = 16 * options.width;
      config.stem = ResNetStem::small;
      return ResNet(config, rng);
    }
  fail("[encoder] unknown encoder ", name,
       " (--encoder): expected small, resnet20/32/44/56, resnet18/34/50, resnet50_sk, vit_micro/tiny/small/base, "
       "clip_vit_micro/b32/b16/l14, clip_rn50, siglip_micro/b16");
}

}  // namespace contrastive
