// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "contrastive/tensor/tensor.hpp"

/// Weights that are a function of their names, so that any program can build the same network: element i is
/// mean + scale (u - 1/2) with u from SplitMix64 over the FNV-1a hash of "seed:name". Shapes are torchvision's.
namespace formula {

inline std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return h;
}

inline std::uint64_t mix(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

inline contrastive::Tensor fill(contrastive::Shape shape, const std::string& key, double mean, double scale) {
  contrastive::Tensor t(shape);
  const std::uint64_t start = hash(key);
  for (std::int64_t i = 0; i < t.count(); ++i)
    t.data<float>()[i] = static_cast<float>(
        mean + scale * (static_cast<double>(mix(start + static_cast<std::uint64_t>(i)) >> 40) / 16777216.0 - 0.5));
  return t;
}

/// A parameter or buffer by its name in the official state dict.
inline contrastive::Tensor weight(contrastive::Shape shape, const std::string& name,
                                  const std::string& seed = "alpha") {
  const std::string key = seed + ":" + name, last = name.substr(name.rfind('.') + 1);
  if (last == "running_mean") return fill(shape, key, 0, 0.2);
  if (last == "running_var") return fill(shape, key, 1, 0.4);
  if (last == "logit_scale") return fill(shape, key, 2.5, 0);
  for (const char* embedding : {"cls_token", "pos_embed", "class_embedding", "positional_embedding"})
    if (last == embedding) return fill(shape, key, 0, 0.2);
  if (name.ends_with("token_embedding.weight")) return fill(shape, key, 0, 1);
  if (shape.rank == 1) return last.ends_with("bias") ? fill(shape, key, 0, 0.2) : fill(shape, key, 1, 0.2);
  if (last == "proj" || last == "text_projection")
    return fill(shape, key, 0, 2 * std::sqrt(3.0 / static_cast<double>(shape[0])));
  return fill(shape, key, 0, 2 * std::sqrt(3.0 / static_cast<double>(shape.count(1, shape.rank))));
}

}  // namespace formula
