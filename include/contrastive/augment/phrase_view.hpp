// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/box_view.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

struct PhraseOptions {
  std::int64_t phrases = 8;    // places of a prompt
  std::int64_t negatives = 8;  // at most so many phrases that the image does not show
  double near = 0.5;           // share of them that have a token of a phrase that it shows
};

/// An image, its boxes, and a prompt of phrases that asks for them, drawn anew in each epoch: those that the image shows and
/// negatives, in random order. Four views: image and boxes f32 (B, 4) as `BoxView` has them; of each box the place of its
/// phrase in the prompt, i64 (B), -1 for none; and the prompt's tokens, i32 (P, L), 0 where a phrase has ended and in places
/// without a phrase. Where there are more phrases than places, those of the largest boxes are asked for.
template <class View>
class PhraseView {
 public:
  /// `tokens` (K, L) i32: row k is the phrase of class k, padded with 0.
  PhraseView(BoxView<View> boxes, Tensor tokens, PhraseOptions options)
      : boxes_(std::move(boxes)), tokens_(std::move(tokens)), options_(options) {
    require(tokens_.rank() == 2 && tokens_.dtype() == DType::i32 && tokens_.count() > 0,
            "[phrase_view] expected i32 tokens (K, L) of one phrase or more, got ", tokens_.shape(), " ",
            to_string(tokens_.dtype()));
    require(options_.phrases >= 1 && options_.negatives >= 0 && options_.near >= 0 && options_.near <= 1,
            "[phrase_view] expected a place or more, and negatives, got ", options_.phrases, " and ",
            options_.negatives);
  }

  std::vector<ViewSpec> views() const {
    std::vector<ViewSpec> all = boxes_.views();
    all.push_back({{options_.phrases, tokens_.size(1)}, ViewKind::numbers, DType::i32});
    return all;
  }
  std::size_t globals() const { return 1; }
  Parts parts() const { return boxes_.parts(); }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    boxes_(sample, rng, out.first(3), drawn);
    const std::span<std::int64_t> labels(static_cast<std::int64_t*>(out[2]),
                                         static_cast<std::size_t>(boxes_.views()[2].one[0]));
    const std::vector<std::int64_t> prompt = drawn_prompt(labels, Stream(rng / "prompt"));
    for (std::int64_t& label : labels) {
      const auto at = std::ranges::find(prompt, label);
      label = label < 0 || at == prompt.end() ? -1 : at - prompt.begin();
    }
    auto* const ids = static_cast<std::int32_t*>(out[3]);
    const std::int64_t L = tokens_.size(1);
    std::fill_n(ids, options_.phrases * L, 0);
    for (std::size_t p = 0; p < prompt.size(); ++p)
      std::copy_n(tokens_.data<std::int32_t>() + prompt[p] * L, L, ids + static_cast<std::int64_t>(p) * L);
  }

 private:
  /// Classes in the order of the prompt.
  std::vector<std::int64_t> drawn_prompt(std::span<const std::int64_t> labels, Stream draw) const {
    std::vector<std::int64_t> prompt;
    const auto has = [&](std::int64_t k) { return std::ranges::find(prompt, k) != prompt.end(); };
    for (const std::int64_t label : labels)
      if (label >= 0 && !has(label) && std::ssize(prompt) < options_.phrases) prompt.push_back(label);
    const std::vector<std::int64_t> shown = prompt;
    const std::int64_t K = tokens_.size(0),
                       wanted =
                           std::min({options_.negatives, options_.phrases - std::ssize(shown), K - std::ssize(shown)});
    // A phrase that the image shows is no negative, whether or not the prompt has room for it.
    const auto taken = [&](std::int64_t k) { return has(k) || std::ranges::find(labels, k) != labels.end(); };
    for (std::int64_t n = 0; n < wanted; ++n) {
      const bool near = !shown.empty() && draw.chance(options_.near);
      for (int tries = 0; tries < most_tries; ++tries) {
        const auto k = static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(K)));
        // Any other will do if no near one comes up.
        if (taken(k) || (near && tries < most_tries / 2 && !is_near(k, shown))) continue;
        prompt.push_back(k);
        break;
      }
    }
    draw.shuffle(prompt);
    return prompt;
  }
  bool is_near(std::int64_t k, const std::vector<std::int64_t>& shown) const {
    const std::int64_t L = tokens_.size(1);
    const auto row = [&](std::int64_t of) {
      return std::span(tokens_.data<std::int32_t>() + of * L, static_cast<std::size_t>(L));
    };
    return std::ranges::any_of(shown, [&](std::int64_t other) {
      return std::ranges::any_of(
          row(k), [&](std::int32_t id) { return id != 0 && std::ranges::find(row(other), id) != row(other).end(); });
    });
  }

  static constexpr int most_tries = 128;
  BoxView<View> boxes_;
  Tensor tokens_;
  PhraseOptions options_;
};

}  // namespace contrastive
