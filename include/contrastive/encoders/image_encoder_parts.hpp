// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/core/compiled.hpp"
#include "contrastive/encoders/image_encoder.hpp"

namespace contrastive {

CONTRASTIVE_ONCE ImageEncoder::ImageEncoder() = default;
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ConvNet net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ResNet net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ViT net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ClipVision net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ModifiedResNet net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(SiglipVision net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(const ImageEncoder&) = default;
CONTRASTIVE_ONCE ImageEncoder::ImageEncoder(ImageEncoder&&) noexcept = default;
CONTRASTIVE_ONCE ImageEncoder& ImageEncoder::operator=(const ImageEncoder&) = default;
CONTRASTIVE_ONCE ImageEncoder& ImageEncoder::operator=(ImageEncoder&&) noexcept = default;
CONTRASTIVE_ONCE ImageEncoder::~ImageEncoder() = default;

CONTRASTIVE_ONCE std::int64_t ImageEncoder::features() const {
  return std::visit([](const auto& net) { return net.features(); }, net_);
}
CONTRASTIVE_ONCE Tensor ImageEncoder::operator()(const Tensor& x) const {
  return std::visit([&](const auto& net) { return net(x); }, net_);
}
CONTRASTIVE_ONCE bool ImageEncoder::ends_in_shared_space() const {
  return std::holds_alternative<ModifiedResNet>(net_) || std::holds_alternative<SiglipVision>(net_);
}
CONTRASTIVE_ONCE const ViT& ImageEncoder::vit() const {
  const ViT* net = std::get_if<ViT>(&net_);
  require(net != nullptr, "[encoder] this needs a vision transformer (--encoder vit_micro, vit_tiny, ...)");
  return *net;
}
CONTRASTIVE_ONCE std::vector<Stage> ImageEncoder::stage_list() const {
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
CONTRASTIVE_ONCE std::vector<Tensor> ImageEncoder::stage_maps(const Tensor& images) const {
  return std::visit(
      [&](const auto& net) -> std::vector<Tensor> {
        if constexpr (requires { net.stage_maps(images); })
          return net.stage_maps(images);
        else
          fail("[encoder] this encoder has no stages for a dense decoder");
      },
      net_);
}

CONTRASTIVE_ONCE const std::vector<std::string>& encoder_names() {
  static const std::vector<std::string> names{
      "small",        "resnet20",     "resnet32",     "resnet44",  "resnet56",     "resnet18",  "resnet34",
      "resnet50",     "resnet50_sk",  "vit_micro",    "vit_tiny",  "vit_small",    "vit_base",  "clip_vit_micro",
      "clip_vit_b32", "clip_vit_b16", "clip_vit_l14", "clip_rn50", "siglip_micro", "siglip_b16"};
  return names;
}

CONTRASTIVE_ONCE ImageEncoder make_encoder(const std::string& name, const EncoderOptions& options, Rng rng) {
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
