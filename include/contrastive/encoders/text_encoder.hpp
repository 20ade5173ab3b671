// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <variant>

#include "contrastive/encoders/bert.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/encoders/token_bag.hpp"

namespace contrastive {

/// A text encoder chosen at run time: token ids (N, L), i32 -> (N, features()).
class TextEncoder {
 public:
  TextEncoder() = default;
  template <class Net>
  requires(std::same_as<Net, TextTransformer> || std::same_as<Net, TokenBag> || std::same_as<Net, Bert>)
      TextEncoder(Net net)
      : net_(std::move(net)) {}

  std::int64_t features() const {
    return std::visit([](const auto& net) { return net.features(); }, net_);
  }
  Tensor operator()(const Tensor& ids) const {
    return std::visit([&](const auto& net) { return net(ids); }, net_);
  }
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& net) { net.members(f); }, net_);
  }

 private:
  std::variant<TextTransformer, TokenBag, Bert> net_;
};

/// By its name: "transformer", or "bag", for which vocabulary and width alone count.
inline TextEncoder make_text_encoder(const std::string& name, const TextTransformerConfig& config, Rng rng) {
  if (name == "bag") return TokenBag(config.vocabulary, config.width, rng);
  require(name == "transformer", "[text encoder] expected transformer or bag, got ", name);
  return TextTransformer(config, rng);
}

}  // namespace contrastive
