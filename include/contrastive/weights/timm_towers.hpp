// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "contrastive/ops/elementwise.hpp"

namespace contrastive::detail {

struct TimmTower {
  std::int64_t width, layers, heads;
  Activation activation;
};
/// SigLIP's towers of timm 1.0.31 (vision_transformer.py), which no configuration file describes.
inline std::optional<TimmTower> timm_siglip(std::string_view name) {
  const auto begins = [&](const char* stem) { return name.starts_with(stem); };
  if (name.find("siglip") == name.npos || name.find("_gap_") != name.npos) return {};
  const bool tanh = begins("vit_base_patch32_siglip_256") || begins("vit_large_patch16_siglip_512") ||
                    begins("vit_so400m_patch16_siglip_") || begins("vit_giantopt_patch16_siglip_");
  const Activation activation = tanh ? Activation::gelu_tanh : Activation::gelu;
  if (begins("vit_base_patch")) return TimmTower{768, 12, 12, activation};
  if (begins("vit_large_patch")) return TimmTower{1024, 24, 16, activation};
  if (begins("vit_so400m_patch")) return TimmTower{1152, 27, 16, activation};
  if (begins("vit_giantopt_patch")) return TimmTower{1536, 40, 16, activation};
  return {};
}

}  // namespace contrastive::detail
