// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/sample_augment.hpp"

namespace contrastive {

/// Any augmentation of samples or of images, chosen at run time: loader, trainer and evaluation are compiled once for all
/// of them.
class AnyAugment {
 public:
  template <class A>
  requires(!std::same_as<A, AnyAugment> && (Augment<A> || SampleAugment<A>)) AnyAugment(A augment)
      : self_(std::make_shared<Model<decltype(of_sample(augment))>>(of_sample(std::move(augment)))) {}

  std::vector<ViewSpec> views() const { return self_->views(); }
  std::size_t globals() const { return self_->globals(); }
  Parts parts() const { return self_->parts(); }
  CropPlan plan(Rng rng) const { return self_->plan(rng); }
  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    self_->apply(sample, rng, out, drawn);
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::vector<ViewSpec> views() const = 0;
    virtual std::size_t globals() const = 0;
    virtual Parts parts() const = 0;
    virtual CropPlan plan(Rng) const = 0;
    virtual void apply(const Sample&, Rng, std::span<void* const>, std::span<Drawn>) const = 0;
  };
  template <class A>
  struct Model final : Interface {
    explicit Model(A augment) : held(std::move(augment)) {}
    std::vector<ViewSpec> views() const override { return held.views(); }
    std::size_t globals() const override { return held.globals(); }
    Parts parts() const override { return held.parts(); }
    CropPlan plan(Rng rng) const override {
      if constexpr (requires { held.plan(rng); })
        return held.plan(rng);
      else
        return {};
    }
    void apply(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const override {
      held(sample, rng, out, drawn);
    }
    A held;
  };
  std::shared_ptr<const Interface> self_;
};

}  // namespace contrastive
