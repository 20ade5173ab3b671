// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/augment.hpp"

namespace contrastive {

/// Any augmentation, chosen at run time: programs are compiled once for all of them.
class AnyAugment {
 public:
  template <class A>
  requires(!std::same_as<A, AnyAugment> && Augment<A>) AnyAugment(A augment)
      : self_(std::make_shared<Model<A>>(std::move(augment))) {}

  std::vector<ViewSpec> views() const { return self_->views(); }
  std::size_t globals() const { return self_->globals(); }
  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    self_->apply(image, rng, out, drawn);
  }

  /// Whether the augmentation held is a `PlannedAugment`; the two members below are for that case.
  bool planned() const { return self_->planned(); }
  CropBox crop(std::size_t view, ImageSize full, Rng rng) const { return self_->crop(view, full, rng); }
  void operator()(const Image& image, ImageSize full, Rng rng, std::span<float* const> out,
                  std::span<Drawn> drawn) const {
    self_->apply(image, full, rng, out, drawn);
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::vector<ViewSpec> views() const = 0;
    virtual std::size_t globals() const = 0;
    virtual void apply(const Image&, Rng, std::span<float* const>, std::span<Drawn>) const = 0;
    virtual bool planned() const = 0;
    virtual CropBox crop(std::size_t, ImageSize, Rng) const = 0;
    virtual void apply(const Image&, ImageSize, Rng, std::span<float* const>, std::span<Drawn>) const = 0;
  };
  template <class A>
  struct Model final : Interface {
    explicit Model(A augment) : held(std::move(augment)) {}
    std::vector<ViewSpec> views() const override { return held.views(); }
    std::size_t globals() const override { return held.globals(); }
    void apply(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const override {
      held(image, rng, out, drawn);
    }
    bool planned() const override { return PlannedAugment<A>; }
    CropBox crop(std::size_t view, ImageSize full, Rng rng) const override {
      if constexpr (PlannedAugment<A>)
        return held.crop(view, full, rng);
      else
        return {0, 0, full.height, full.width};
    }
    void apply(const Image& image, ImageSize full, Rng rng, std::span<float* const> out,
               std::span<Drawn> drawn) const override {
      if constexpr (PlannedAugment<A>)
        held(image, full, rng, out, drawn);
      else
        held(image, rng, out, drawn);
    }
    A held;
  };
  std::shared_ptr<const Interface> self_;
};

}  // namespace contrastive
