// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "contrastive/core/compiled.hpp"
#include "contrastive/encoders/text_encoder.hpp"

namespace contrastive {

CONTRASTIVE_ONCE TextEncoder::TextEncoder() = default;
CONTRASTIVE_ONCE TextEncoder::TextEncoder(TextTransformer net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE TextEncoder::TextEncoder(TokenBag net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE TextEncoder::TextEncoder(Bert net) : net_(std::move(net)) {}
CONTRASTIVE_ONCE TextEncoder::TextEncoder(const TextEncoder&) = default;
CONTRASTIVE_ONCE TextEncoder::TextEncoder(TextEncoder&&) noexcept = default;
CONTRASTIVE_ONCE TextEncoder& TextEncoder::operator=(const TextEncoder&) = default;
CONTRASTIVE_ONCE TextEncoder& TextEncoder::operator=(TextEncoder&&) noexcept = default;
CONTRASTIVE_ONCE TextEncoder::~TextEncoder() = default;

CONTRASTIVE_ONCE std::int64_t TextEncoder::features() const {
  return std::visit([](const auto& net) { return net.features(); }, net_);
}
CONTRASTIVE_ONCE Tensor TextEncoder::operator()(const Tensor& ids) const {
  return std::visit([&](const auto& net) { return net(ids); }, net_);
}

CONTRASTIVE_ONCE TextEncoder make_text_encoder(const std::string& name, const TextTransformerConfig& config, Rng rng) {
  if (name == "bag") return TokenBag(config.vocabulary, config.width, rng);
  require(name == "transformer", "[text encoder] expected transformer or bag, got ", name);
  return TextTransformer(config, rng);
}

}  // namespace contrastive
