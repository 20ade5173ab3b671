// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/train/image_text.hpp"
#include "support/run.hpp"

namespace app {

/// Texts to rows of ids (n, L), as the text tower takes them.
using TokensOf = std::function<Tensor(const std::vector<std::string>&)>;

template <class T>
TokensOf texts_by(T tokenizer, std::int64_t context_length) {
  return [tokenizer = std::move(tokenizer), context_length](const std::vector<std::string>& texts) {
    const auto n = static_cast<std::int64_t>(texts.size());
    const Tensor ids({n, context_length}, DType::i32);
    for (std::int64_t i = 0; i < n; ++i)
      tokenizer.write(texts[static_cast<std::size_t>(i)],
                      {ids.data<std::int32_t>() + i * context_length, static_cast<std::size_t>(context_length)});
    return ids;
  };
}

/// Retrieval and zero-shot classification after training; galleries of what was found and what not.
void evaluate_image_text(const ImageTextModel& model, const OwnEvaluation& own);
/// R@1 of texts to images on a test part, by each sample's first text.
double first_hit(const ImageTextModel& model, const AnyDataset& test, const std::function<void()>& alive);

/// A method of two towers, image and text, with what is measured of such: R@1 while it trains, then retrieval and
/// zero-shot. `view` prepares an image for evaluation.
template <class M>
Composition image_text(M method, AnyAugment view, TokensOf tokens) {
  const auto shared = std::make_shared<M>(std::move(method));
  const auto device = [shared] { return shared->objective.scale.log_scale.device(); };
  const ImageTextModel model{
      view, [shared, device](const Tensor& images) { return shared->online.template tower<0>()(images.to(device())); },
      [shared, device, tokens](const std::vector<std::string>& texts) {
        return shared->online.template tower<1>()(tokens(texts).to(device()));
      }};
  Composition composition(shared, std::move(view));
  composition.held_out = {"R@1", [model](const AnyDataset& test, const std::function<void()>& alive) {
                            return first_hit(model, test, alive);
                          }};
  composition.evaluate_own = [model](const OwnEvaluation& own) { evaluate_image_text(model, own); };
  composition.image_text = std::make_shared<const ImageTextModel>(model);
  return composition;
}

}  // namespace app
