// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/augment/augment.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/crop_plan.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

/// Makes the views of a sample.
///   views(), globals()           as an `Augment` has them
///   parts()                      the parts of a sample that it looks at; a data set without them is refused
///   plan(rng)                    optional: what it will look at of the image, before the image is decoded
///   a(sample, rng, out, drawn)   fills out[v], the numbers of view v in its dtype
/// Const and safe to call from several threads. Augmentations of images are lifted by `OfImage`.
template <class A>
concept SampleAugment = requires(const A& a, const Sample& sample, Rng rng, std::span<void* const> out,
                                 std::span<Drawn> drawn) {
  { a.views() } -> std::convertible_to<std::vector<ViewSpec>>;
  { a.globals() } -> std::convertible_to<std::size_t>;
  { a.parts() } -> std::convertible_to<Parts>;
  a(sample, rng, out, drawn);
};

/// More than any method takes.
inline constexpr std::size_t most_views = 64;

/// An augmentation of images as one of samples. The draws are those of the full image, whatever the decoder left out.
template <Augment A>
struct OfImage {
  A augment;

  std::vector<ViewSpec> views() const { return augment.views(); }
  std::size_t globals() const { return augment.globals(); }
  Parts parts() const { return Part::image; }

  /// The region that holds what all views look at, at the scale of the most detailed one; all of the image where the
  /// augmentation does not say.
  CropPlan plan(Rng rng) const {
    if constexpr (PlannedAugment<A>)
      return [this, rng](int height, int width) {
        const std::vector<ViewSpec> specs = augment.views();
        Region region;
        for (std::size_t v = 0; v < specs.size(); ++v) {
          const CropBox box = augment.crop(v, {height, width}, rng);
          const int size = static_cast<int>(specs[v].size());
          // A filter looks a little past the box, three source pixels for each of the view at most.
          const int spare = 3 * (std::max(box.height, box.width) / size + 1);
          const int top = std::max(0, box.top - spare), left = std::max(0, box.left - spare);
          const Region one{top, left, std::min(height, box.top + box.height + spare) - top,
                           std::min(width, box.left + box.width + spare) - left,
                           reduction_for(box.height, box.width, size)};
          region = v == 0 ? one : join_regions(region, one);
        }
        return region;
      };
    return {};
  }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    float* rows[most_views];
    for (std::size_t v = 0; v < out.size(); ++v) rows[v] = static_cast<float*>(out[v]);
    const std::span<float* const> targets(rows, out.size());
    if constexpr (PlannedAugment<A>)
      augment(sample.image, sample.full, rng, targets, drawn);
    else
      augment(sample.image, rng, targets, drawn);
  }
};
template <Augment A>
OfImage<A> of_image(A augment) {
  return {std::move(augment)};
}

/// An augmentation of either kind as one of samples.
template <class A>
requires(Augment<A> || SampleAugment<A>) auto of_sample(A augment) {
  if constexpr (SampleAugment<A>)
    return augment;
  else
    return of_image(std::move(augment));
}

/// The views of several augmentations of one sample, in their order: `SampleViews(simclr(32), of_text(tokenizer, 77))`.
/// The first draws as it does alone.
template <SampleAugment First, SampleAugment... Rest>
class SampleViews {
 public:
  template <class... B>
  requires(sizeof...(B) == 1 + sizeof...(Rest)) explicit SampleViews(B... parts)
      : held_(of_sample(std::move(parts))...) {}

  std::vector<ViewSpec> views() const {
    std::vector<ViewSpec> all;
    each([&](const auto& part) {
      for (const ViewSpec& spec : part.views()) all.push_back(spec);
    });
    return all;
  }
  /// Up to the first view that is not global.
  std::size_t globals() const {
    std::size_t count = 0;
    bool open = true;
    each([&](const auto& part) {
      if (open) count += part.globals();
      open = open && part.globals() == part.views().size();
    });
    return count;
  }
  Parts parts() const {
    Parts all;
    each([&](const auto& part) { all = all | part.parts(); });
    return all;
  }

  /// Of the image, by all that look at it.
  CropPlan plan(Rng rng) const {
    std::vector<CropPlan> plans;
    bool all = true;
    std::uint64_t place = 0;
    each([&](const auto& part) {
      const Rng own = place == 0 ? rng : rng / "part" / place;
      ++place;
      if (!part.parts().contains(Part::image)) return;
      if constexpr (requires { part.plan(own); })
        plans.push_back(part.plan(own));
      else
        plans.emplace_back();
      all = all && plans.back();
    });
    if (!all || plans.empty()) return {};
    return [plans](int height, int width) {
      Region region = plans[0](height, width);
      for (std::size_t i = 1; i < plans.size(); ++i) region = join_regions(region, plans[i](height, width));
      return region;
    };
  }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    std::size_t first = 0;
    std::uint64_t place = 0;
    each([&](const auto& part) {
      const std::size_t count = part.views().size();
      part(sample, place == 0 ? rng : rng / "part" / place, out.subspan(first, count),
           drawn.empty() ? drawn : drawn.subspan(first, count));
      first += count;
      ++place;
    });
  }

 private:
  template <class F>
  void each(F&& f) const {
    std::apply([&](const auto&... part) { (f(part), ...); }, held_);
  }
  std::tuple<First, Rest...> held_;
};
template <class... B>
SampleViews(B...) -> SampleViews<decltype(of_sample(std::declval<B>()))...>;

}  // namespace contrastive
