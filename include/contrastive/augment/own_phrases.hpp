// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/phrase_view.hpp"

namespace contrastive {

/// Some texts as rows of tokens (n, L), i32, padded with 0.
using TokensOfPhrases = std::function<Tensor(const std::vector<std::string>&)>;

/// As `PhraseView`, of images that bring phrases of their own: a sample's texts are its phrases, and the label of a box is the
/// place of its phrase among them. Two phrases of equal words stay two. Negatives are phrases of other images, whose words
/// are not those of a phrase that the image has.
template <class View>
class OwnPhrases {
 public:
  /// `others` (K, L): phrases that negatives are drawn from, of which there may be none: then it is empty.
  OwnPhrases(View view, BoxViewOptions boxes, TokensOfPhrases tokens, std::int64_t L, Tensor others,
             PhraseOptions options)
      : boxes_(std::move(view), LabelNumbers::same(4096), boxes),
        tokens_(std::move(tokens)),
        length_(L),
        others_(std::move(others)),
        options_(options) {
    require(options_.phrases >= 1 && options_.negatives >= 0 && L >= 1, "[own_phrases] expected a place or more, and ",
            "negatives, got ", options_.phrases, " and ", options_.negatives);
    require(!others_.defined() || (others_.rank() == 2 && others_.size(1) == L && others_.dtype() == DType::i32),
            "[own_phrases] expected i32 tokens of other phrases (K, ", L, "), got ", others_.shape());
  }

  std::vector<ViewSpec> views() const {
    std::vector<ViewSpec> all = boxes_.views();
    all.push_back({{options_.phrases, length_}, ViewKind::numbers, DType::i32});
    return all;
  }
  std::size_t globals() const { return 1; }
  Parts parts() const { return boxes_.parts() | Part::texts; }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    boxes_(sample, rng, out.first(3), drawn);
    const Tensor own = tokens_(sample.texts);
    const std::span<std::int64_t> labels(static_cast<std::int64_t*>(out[2]),
                                         static_cast<std::size_t>(boxes_.views()[2].one[0]));
    Stream draw(rng / "prompt");
    std::vector<std::int64_t> shown;  // phrases of the sample, those of the largest boxes
    for (const std::int64_t label : labels) {
      require(label < std::ssize(sample.texts), "[own_phrases] a box is of phrase ", label, " of ",
              sample.texts.size());
      if (label >= 0 && std::ranges::find(shown, label) == shown.end() && std::ssize(shown) < options_.phrases)
        shown.push_back(label);
    }
    std::vector<const std::int32_t*> rows;
    for (const std::int64_t phrase : shown) rows.push_back(own.data<std::int32_t>() + phrase * length_);
    add_negatives(own, draw, rows);
    std::vector<std::int64_t> order(rows.size());
    for (std::size_t p = 0; p < order.size(); ++p) order[p] = static_cast<std::int64_t>(p);
    draw.shuffle(order);
    for (std::int64_t& label : labels) {
      const std::int64_t at = std::ranges::find(shown, label) - shown.begin();
      label = label < 0 || at == std::ssize(shown) ? -1 : std::ranges::find(order, at) - order.begin();
    }
    auto* const ids = static_cast<std::int32_t*>(out[3]);
    std::fill_n(ids, options_.phrases * length_, 0);
    for (std::size_t p = 0; p < order.size(); ++p)
      std::copy_n(rows[static_cast<std::size_t>(order[p])], length_, ids + static_cast<std::int64_t>(p) * length_);
  }

 private:
  void add_negatives(const Tensor& own, Stream& draw, std::vector<const std::int32_t*>& rows) const {
    const std::int64_t K = others_.defined() ? others_.size(0) : 0,
                       wanted = std::min({options_.negatives, options_.phrases - std::ssize(rows), K});
    const auto same = [&](const std::int32_t* a, const std::int32_t* b) { return std::equal(a, a + length_, b); };
    for (std::int64_t n = 0; n < wanted; ++n)
      for (int tries = 0; tries < 128; ++tries) {
        const std::int32_t* const row = others_.data<std::int32_t>() +
                                        static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(K))) * length_;
        bool taken = std::ranges::any_of(rows, [&](const std::int32_t* one) { return same(one, row); });
        for (std::int64_t k = 0; k < own.size(0) && !taken; ++k)
          taken = same(own.data<std::int32_t>() + k * length_, row);
        if (taken) continue;
        rows.push_back(row);
        break;
      }
  }

  BoxView<View> boxes_;
  TokensOfPhrases tokens_;
  std::int64_t length_ = 0;
  Tensor others_;
  PhraseOptions options_;
};

}  // namespace contrastive
