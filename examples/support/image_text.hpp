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

/// How CLIP prepares images of that size, in words.
inline std::string middle_of(int size) { return join(size, " x ", size, ", shortest side, bicubic, middle"); }

/// Retrieval and zero-shot classification after training; galleries of what was found and what not.
void evaluate_image_text(const ImageTextModel& model, const OwnEvaluation& own);
/// Classes down, what they were taken for across: darker is more often.
Image confusion_picture(const ZeroShotResult& result, int side = 512);
/// The classes that are taken for others most often, "cat for dog (3)", at most `count`.
std::string most_confused(const ZeroShotResult& result, const std::vector<std::string>& names, std::size_t count = 5);
/// A table: both directions, of so many images, and chance beside them.
void print_retrieval(const Retrieval& found, std::size_t of);

/// Of scenes: what is held out of training, and whether the right order of two groups is told from the wrong one.
void evaluate_scenes(const ImageTextModel& model, const OwnEvaluation& own);

/// R@1 of texts to images on a test part, by each sample's first text.
double first_hit(const ImageTextModel& model, const AnyDataset& test, const std::function<void()>& alive);

/// A method of two towers, image and text, with what is measured of such: R@1 while it trains, then retrieval and
/// zero-shot. `view` prepares an image for evaluation, `preparation` says how.
template <class M>
Composition image_text(std::shared_ptr<M> shared, AnyAugment view, std::string preparation, TokensOf tokens) {
  const auto device = [shared] { return shared->objective.scale.log_scale.device(); };
  ImageTextModel model{view, std::move(preparation)};
  model.image_rows = [shared, device](const Tensor& images) {
    return shared->online.template tower<0>()(images.to(device()));
  };
  model.id_rows = [shared, device](const Tensor& ids) { return shared->online.template tower<1>()(ids.to(device())); };
  model.text_rows = [rows = model.id_rows, tokens](const std::vector<std::string>& texts) {
    return rows(tokens(texts));
  };
  Composition composition(shared, std::move(view));
  composition.held_out = {"R@1", [model](const AnyDataset& test, const std::function<void()>& alive) {
                            return first_hit(model, test, alive);
                          }};
  composition.evaluate_own = [model](const OwnEvaluation& own) { evaluate_image_text(model, own); };
  composition.image_text = std::make_shared<const ImageTextModel>(model);
  return composition;
}
template <class M>
Composition image_text(M method, AnyAugment view, std::string preparation, TokensOf tokens) {
  return image_text(std::make_shared<M>(std::move(method)), std::move(view), std::move(preparation), std::move(tokens));
}

/// What becomes of the weights of a fine-tuned method: `keep` of where it starts, which is where it is now, and the rest of
/// where it ends (Wortsman et al. 2022, arXiv:2109.01903, WiSE-FT).
inline std::function<void()> kept_from_here(const AnyMethod& method, double keep) {
  std::vector<std::pair<std::string, Tensor>> start;
  for (const auto& [name, tensor] : method.state())
    if (is_float(tensor.dtype())) start.emplace_back(name, tensor.detach().clone());
  return [method, start, keep] {
    const NoGrad no_grad;
    std::size_t next = 0;
    for (const auto& [name, now] : method.state()) {
      if (!is_float(now.dtype())) continue;
      const Tensor ends = now.detach();
      ends.copy_from(ends * (1 - keep) + start[next++].second.to(ends.device()) * keep);
    }
  };
}

}  // namespace app
