// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/resnet.hpp"

namespace contrastive {

/// An encoder chosen at run time (`--encoder resnet18`): (N, H, W, C) -> (N, features()).
class ImageEncoder {
 public:
  ImageEncoder() = default;
  ImageEncoder(ConvNet net) : net_(std::move(net)) {}
  ImageEncoder(ResNet net) : net_(std::move(net)) {}

  std::int64_t features() const {
    return std::visit([](const auto& net) { return net.features(); }, net_);
  }
  Tensor operator()(const Tensor& x) const {
    return std::visit([&](const auto& net) { return net(x); }, net_);
  }
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& net) { net.members(f); }, net_);
  }

 private:
  std::variant<ConvNet, ResNet> net_;
};

inline const std::vector<std::string>& encoder_names() {
  static const std::vector<std::string> names{"small",    "resnet20", "resnet32", "resnet44",   "resnet56",
                                              "resnet18", "resnet34", "resnet50", "resnet50_sk"};
  return names;
}

struct EncoderOptions {
  int channels = 3;
  int image_size = 32;  // below 96 pixels ResNet-18/34/50 take the small-image stem
  bool zero_init_residual = false;
};

/// Throws for a name that is not in `encoder_names()`.
inline ImageEncoder make_encoder(const std::string& name, const EncoderOptions& options, Rng rng) {
  ResNetConfig config{.zero_init_residual = options.zero_init_residual, .channels = options.channels};
  config.stem = options.image_size < 96 ? ResNetStem::small : ResNetStem::imagenet;
  if (name == "small") return ConvNet(options.channels, {32, 64, 64, 128, 256}, rng);
  if (name == "resnet18") return ResNet(config, rng);
  if (name == "resnet34" || name == "resnet50") {
    config.blocks = {3, 4, 6, 3};
    config.bottleneck = name == "resnet50";
    return ResNet(config, rng);
  }
  if (name == "resnet50_sk") return resnet50_simclr_v2(rng, 1, true, config.stem, options.channels);
  for (int depth : {20, 32, 44, 56})
    if (name == "resnet" + std::to_string(depth)) {
      const int n = (depth - 2) / 6;
      config.blocks = {n, n, n};
      config.width = 16;
      config.stem = ResNetStem::small;
      return ResNet(config, rng);
    }
  fail("[encoder] unknown encoder ", name,
       " (--encoder): expected small, resnet20/32/44/56, resnet18/34/50, resnet50_sk");
}

}  // namespace contrastive
