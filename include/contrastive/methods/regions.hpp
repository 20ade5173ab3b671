// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/box_view.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/normalize.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/detection.hpp"
#include "contrastive/methods/target.hpp"
#include "contrastive/objectives/proposals.hpp"
#include "contrastive/objectives/region_words.hpp"

/// Regions of images: those that training looks at, crops of them, and words for them.
namespace contrastive {

/// Each image's proposals as rows (K, 5): the image's number and the box.
inline Tensor region_rows(const std::vector<std::vector<Proposal>>& proposals) {
  std::vector<float> numbers;
  for (std::size_t n = 0; n < proposals.size(); ++n)
    for (const Proposal& one : proposals[n]) {
      const Box& box = one.box;
      numbers.insert(numbers.end(), {static_cast<float>(n), box.left, box.top, box.right, box.bottom});
    }
  const auto K = std::ssize(numbers) / 5;
  return K == 0 ? Tensor::zeros({0, 5}) : Tensor::from<float>(numbers, {K, 5});
}

/// A box near another: its middle moved by up to 0.15 of its sides, its sides 0.8 to 1.25 as long; cut to the image.
inline Box jittered(const Box& box, float width, float height, Stream& draw) {
  const double wide = box.right - box.left, tall = box.bottom - box.top;
  const double x = (box.left + box.right) / 2 + wide * draw.uniform(-0.15, 0.15),
               y = (box.top + box.bottom) / 2 + tall * draw.uniform(-0.15, 0.15);
  const double a = wide / 2 * std::exp(draw.uniform(-0.22, 0.22)), b = tall / 2 * std::exp(draw.uniform(-0.22, 0.22));
  const auto within = [](double at, float side) { return std::clamp(static_cast<float>(at), 0.0F, side); };
  return {within(x - a, width), within(y - b, height), within(x + a, width), within(y + b, height)};
}
/// A box anywhere, its sides 0.1 to 0.5 of the image's.
inline Box random_box(float width, float height, Stream& draw) {
  const auto wide = static_cast<float>(width * draw.uniform(0.1, 0.5)),
             tall = static_cast<float>(height * draw.uniform(0.1, 0.5));
  const auto left = static_cast<float>((width - wide) * draw.uniform()),
             top = static_cast<float>((height - tall) * draw.uniform());
  return {left, top, left + wide, top + tall};
}

struct TrainingRegions {
  Tensor regions;                       // (K, 5)
  Tensor labels;                        // i64 (K): 0 the background, 1 + the word's place of others
  std::vector<std::int64_t> distilled;  // places of those that learn from their crops
};

/// The regions of a step: for each true box two boxes near it, the proposals, and four boxes anywhere. A region has the label
/// of the true box that it overlaps by half or more. Those that learn from crops are drawn from the proposals and the boxes
/// near true ones, up to `distilled` of an image. Boxes (N, B, 4), labels (N, B).
inline TrainingRegions training_regions(const Tensor& boxes, const Tensor& labels,
                                        const std::vector<std::vector<Proposal>>& proposals, const PlaceBoxes& map,
                                        const std::vector<std::int64_t>& samples, Progress progress,
                                        std::int64_t distilled) {
  const Tensor corners = boxes.to(Device::cpu), numbers = labels.to(Device::cpu);
  const std::int64_t N = boxes.size(0), B = boxes.size(1);
  const auto width = static_cast<float>(static_cast<double>(map.w) * map.stride),
             height = static_cast<float>(static_cast<double>(map.h) * map.stride);
  const Rng step = Rng(0) / "regions" / static_cast<std::uint64_t>(std::max<std::int64_t>(0, progress.step));
  TrainingRegions result;
  std::vector<std::vector<Proposal>> all;
  std::vector<std::int64_t> of_word;
  std::int64_t first = 0;
  for (std::int64_t n = 0; n < N; ++n) {
    const auto at = static_cast<std::size_t>(n);
    const std::int64_t sample = at < samples.size() ? samples[at] : n;
    Stream draw(step / static_cast<std::uint64_t>(sample));
    std::vector<Box> truth;
    std::vector<std::int64_t> words;
    for (std::int64_t b = 0; b < B; ++b) {
      if (numbers.data<std::int64_t>()[n * B + b] < 0) continue;
      const float* const box = corners.data<float>() + 4 * (n * B + b);
      truth.push_back({box[0], box[1], box[2], box[3]});
      words.push_back(numbers.data<std::int64_t>()[n * B + b]);
    }
    std::vector<Proposal> some;
    for (const Box& box : truth)
      for (int k = 0; k < 2; ++k) some.push_back({jittered(box, width, height, draw)});
    some.insert(some.end(), proposals[at].begin(), proposals[at].end());
    std::vector<std::int64_t> places(some.size());
    std::iota(places.begin(), places.end(), first);
    draw.shuffle(places);
    if (std::ssize(places) > distilled) places.resize(static_cast<std::size_t>(distilled));
    result.distilled.insert(result.distilled.end(), places.begin(), places.end());
    for (int k = 0; k < 4; ++k) some.push_back({random_box(width, height, draw)});
    for (const Proposal& one : some) {
      double best = 0.5;
      of_word.push_back(0);
      for (std::size_t b = 0; b < truth.size(); ++b)
        if (const double overlap = iou(one.box, truth[b]); overlap >= best)
          best = overlap, of_word.back() = 1 + words[b];
    }
    first += std::ssize(some);
    all.push_back(std::move(some));
  }
  result.regions = region_rows(all);
  result.labels = Tensor::from<std::int64_t>(of_word, {std::ssize(of_word)});
  return result;
}

/// For each region the words with the highest scores (R, V) times the region's, at most `most`, without those that overlap a
/// better box of the same word by more than `threshold`.
inline std::vector<Detection> best_words(const std::vector<Proposal>& regions, const Tensor& scores, std::size_t most,
                                         double threshold) {
  const std::int64_t V = scores.size(1);
  std::vector<std::int64_t> order(static_cast<std::size_t>(scores.count()));
  std::iota(order.begin(), order.end(), 0);
  const auto score = [&](std::int64_t i) {
    return scores.data<double>()[i] * static_cast<double>(regions[static_cast<std::size_t>(i / V)].score);
  };
  const std::size_t looked_at = std::min(order.size(), 4 * most);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(looked_at), order.end(),
                    [&](std::int64_t i, std::int64_t j) { return std::pair(-score(i), i) < std::pair(-score(j), j); });
  std::vector<Detection> found;
  std::vector<std::int64_t> taken;
  for (std::size_t k = 0; k < looked_at && found.size() < most; ++k) {
    const std::int64_t i = order[k];
    Box box = regions[static_cast<std::size_t>(i / V)].box;
    const bool gone = std::ranges::any_of(taken, [&](std::int64_t j) {
      return j % V == i % V && iou(box, regions[static_cast<std::size_t>(j / V)].box) > threshold;
    });
    if (gone) continue;
    taken.push_back(i);
    box.label = static_cast<int>(i % V);
    found.push_back({box, score(i)});
  }
  return found;
}

/// Crops of regions (K, 5) of images (N, H, W, 3), which `normalize` has made, as another model's view of them, (K, ...): the
/// region alone becomes a square of as many pixels as that view has.
inline Tensor crop_views(const Tensor& images, const Normalize& normalize, const Tensor& regions,
                         const AnyAugment& view) {
  const Tensor pixels = images.detach().to(Device::cpu).to(DType::f32), boxes = regions.to(Device::cpu);
  const int height = static_cast<int>(images.size(1)), width = static_cast<int>(images.size(2));
  require(images.rank() == 4 && images.size(3) == 3, "[crop_views] expected images (N, H, W, 3), got ", images.shape());
  std::vector<Image> known(static_cast<std::size_t>(images.size(0)));
  const auto image_of = [&](std::int64_t n) -> const Image& {
    Image& image = known[static_cast<std::size_t>(n)];
    if (image.pixels.empty())
      image = normalize.picture(pixels.data<float>() + n * pixels.count() / pixels.size(0), height, width, 3);
    return image;
  };
  const ViewSpec spec = view.views().at(0);
  const Tensor rows(spec.shape(regions.size(0)));
  const int side = static_cast<int>(spec.size());
  Canvas canvas;
  for (std::int64_t k = 0; k < regions.size(0); ++k) {
    const float* const r = boxes.data<float>() + 5 * k;
    // At least a pixel, so that there is something to look at.
    const double left = std::clamp<double>(r[1], 0, width - 1), top = std::clamp<double>(r[2], 0, height - 1);
    const double right = std::clamp<double>(r[3], left + 1, width), bottom = std::clamp<double>(r[4], top + 1, height);
    resample(image_of(static_cast<std::int64_t>(r[0])),
             {top, left, bottom - top, right - left, side, side, 0, 0, side, side, Filter::bicubic}, 3, canvas);
    Sample crop;
    crop.image = Image(side, side, 3), crop.full = {side, side};
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) crop.image.row(y)[3 * x + c] = canvas.row(c, y)[x];
    void* const out[] = {rows.slice(k, k + 1).view().data};
    view(crop, Rng(0), out, {});
  }
  return rows;
}

/// The rows of regions by a model of images that stands still: of the crop at once and 1.5 times the size, both cut to the
/// image, summed and brought to unit length.
inline std::function<Tensor(const Tensor&, const Tensor&)> crop_teacher(AnyAugment view,
                                                                        std::function<Tensor(const Tensor&)> image_rows,
                                                                        Normalize normalize) {
  return [=](const Tensor& images, const Tensor& regions) {
    const NoGrad no_grad;
    const Eval eval;
    const Tensor larger = regions.clone();
    const ImageSize size{static_cast<int>(images.size(1)), static_cast<int>(images.size(2))};
    for (std::int64_t k = 0; k < regions.size(0); ++k) {
      float* const r = larger.data<float>() + 5 * k;
      const Box box = cut(grown({r[1], r[2], r[3], r[4]}, 1.5), size);
      r[1] = box.left, r[2] = box.top, r[3] = box.right, r[4] = box.bottom;
    }
    const Tensor crops = crop_views(images, normalize, concat({regions, larger}), view);
    const Tensor rows = image_rows(crops).to(Device::cpu).to(DType::f32);
    const std::int64_t K = regions.size(0);
    return crop_ensemble(rows.slice(0, K), rows.slice(K, 2 * K));
  };
}

}  // namespace contrastive
