// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/data/dataset.hpp"
#include "contrastive/eval/retrieval.hpp"
#include "contrastive/eval/zero_shot.hpp"
#include "contrastive/train/evaluate.hpp"

namespace contrastive {

/// A trained model of images and texts, whatever its towers: CLIP, SigLIP, LiT. Copies share the towers.
struct ImageTextModel {
  AnyAugment view;          // how it prepares an image
  std::string preparation;  // the same in words, which go with every score: "224 x 224, shortest side, bicubic"
  std::function<Tensor(const Tensor&)> image_rows = {};                   // views (N, ...) -> unit rows (N, D)
  std::function<Tensor(const std::vector<std::string>&)> text_rows = {};  // some texts -> unit rows (n, D)
  std::function<Tensor(const Tensor&)> id_rows = {};  // rows of token ids (n, L), as it takes them -> unit rows (n, D)
  double scale = 100;                                 // of its cosines, as it was trained
  std::string precision = "f32";                      // what it computes in, which goes with every score too
};

/// Unit rows of any number of texts, (n, D) f32 on the CPU: those of about the same length together, since a batch takes
/// the time of its longest. `alive`, if given, is called between batches.
inline Tensor encode_texts(const ImageTextModel& model, const std::vector<std::string>& texts,
                           const std::function<void()>& alive = {}, std::size_t batch = 256) {
  require(!texts.empty(), "[encode_texts] expected texts, got none");
  const NoGrad no_grad;
  const Eval eval;
  std::vector<std::int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t i) { return texts[static_cast<std::size_t>(i)].size(); });
  Tensor rows;
  for (std::size_t first = 0; first < texts.size(); first += batch) {
    if (alive) alive();
    std::vector<std::string> some;
    for (std::size_t k = first; k < std::min(first + batch, texts.size()); ++k)
      some.push_back(texts[static_cast<std::size_t>(order[k])]);
    const Tensor part = model.text_rows(some).detach().to(DType::f32).to(Device::cpu);
    if (!rows.defined()) rows = Tensor({static_cast<std::int64_t>(texts.size()), part.size(1)});
    for (std::size_t k = 0; k < some.size(); ++k) {
      const std::int64_t to = order[first + k], from = static_cast<std::int64_t>(k);
      rows.slice(to, to + 1).copy_from(part.slice(from, from + 1));
    }
  }
  return rows;
}

/// Unit rows of a set's images, with their labels and places in it.
inline FeatureSet encode_images(const ImageTextModel& model, const AnyDataset& set,
                                const std::function<void()>& alive = {}, std::size_t batch = 128) {
  return encode_set(
      set, model.view,
      [&](const Tensor& images) {
        if (alive) alive();
        return model.image_rows(images);
      },
      batch);
}

/// Images of a set and texts of theirs, in one space.
struct PairedRows {
  Tensor images, texts;                     // (N, D), (M, D)
  std::vector<std::int64_t> image_of_text;  // (M)
  std::vector<std::string> captions;        // (M)
  std::vector<std::int64_t> samples;        // (N) places in the set
};

/// All images of a set that can be read, with all texts of each, or with the first alone.
inline PairedRows encode_pairs(const ImageTextModel& model, const AnyDataset& set, bool all_texts,
                               const std::function<void()>& alive = {}) {
  FeatureSet images = encode_images(model, set, alive);
  PairedRows rows;
  rows.images = images.features;
  rows.samples = std::move(images.samples);
  for (std::size_t n = 0; n < rows.samples.size(); ++n) {
    std::vector<std::string> texts = set.sample(static_cast<std::size_t>(rows.samples[n]), Part::texts).texts;
    if (!all_texts && texts.size() > 1) texts.resize(1);
    for (std::string& text : texts) {
      rows.image_of_text.push_back(static_cast<std::int64_t>(n));
      rows.captions.push_back(std::move(text));
    }
  }
  require(!rows.captions.empty(), "[encode_pairs] ", set.name(), " has no texts");
  rows.texts = encode_texts(model, rows.captions, alive);
  return rows;
}

inline Retrieval retrieval(const PairedRows& rows) { return retrieval(rows.images, rows.texts, rows.image_of_text); }

/// The classifier of a model for names in templates, (C, D).
inline Tensor zero_shot_classifier(const ImageTextModel& model, const std::vector<std::string>& names,
                                   const std::vector<std::string>& templates, const std::function<void()>& alive = {}) {
  // All prompts in one go, so that those of one length come together.
  std::vector<std::string> prompts;
  for (const std::string& name : names)
    for (const std::string& one : templates) prompts.push_back(fill_template(one, name));
  const Tensor rows = encode_texts(model, prompts, alive);
  std::int64_t next = 0;
  return zero_shot_classifier(names, templates, [&](const std::vector<std::string>& some) {
    const std::int64_t first = next;
    next += static_cast<std::int64_t>(some.size());
    return rows.slice(first, next);
  });
}

/// The length of the difference between the two modalities' means: 0 where images and texts lie in one place, at most 2.
inline double modality_gap(const PairedRows& rows) {
  const NoGrad no_grad;
  return std::sqrt(sum(square(mean(rows.images, 0) - mean(rows.texts, 0))).item());
}

}  // namespace contrastive
