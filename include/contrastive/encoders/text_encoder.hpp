// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "contrastive/encoders/bert.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/encoders/token_bag.hpp"

namespace contrastive {

/// A text encoder chosen at run time: token ids (N, L), i32 -> (N, features()). The bodies are in text_encoder_parts.hpp,
/// compiled once where the library is.
class TextEncoder {
 public:
  TextEncoder();
  TextEncoder(TextTransformer net);
  TextEncoder(TokenBag net);
  TextEncoder(Bert net);
  TextEncoder(const TextEncoder&);
  TextEncoder(TextEncoder&&) noexcept;
  TextEncoder& operator=(const TextEncoder&);
  TextEncoder& operator=(TextEncoder&&) noexcept;
  ~TextEncoder();

  std::int64_t features() const;
  Tensor operator()(const Tensor& ids) const;
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& net) { net.members(f); }, net_);
  }

 private:
  std::variant<TextTransformer, TokenBag, Bert> net_;
};

/// By its name: "transformer", or "bag", for which vocabulary and width alone count.
TextEncoder make_text_encoder(const std::string& name, const TextTransformerConfig& config, Rng rng);

}  // namespace contrastive

#if defined(CONTRASTIVE_COMPILED)
extern template void contrastive::detail::walk(TextEncoder&, const std::string&, const Leaves&);
#else
#include "contrastive/encoders/text_encoder_parts.hpp"  // IWYU pragma: export
#endif
