// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "contrastive/train/gradient_cache.hpp"

namespace contrastive {

/// A method whose parts' types are forgotten: all that training and evaluation ask of one, so that the trainer is
/// compiled once for all methods. Copies share the method.
class AnyMethod {
 public:
  /// Shares the method with the caller.
  template <class M>
  static AnyMethod share(std::shared_ptr<M> method) {
    M& held = *method;
    return AnyMethod(std::make_shared<Model<M>>(held, std::move(method)));
  }
  /// Refers to the caller's method, which must outlive this.
  template <class M>
  static AnyMethod refer(M& method) {
    return AnyMethod(std::make_shared<Model<M>>(method, nullptr));
  }

  const AnyAugment& augment() const { return self_->augment; }
  void move_to(Device device) const { self_->move(device); }
  void set_precision(DType precision) const { self_->set_precision(precision); }

  /// The loss of a batch, its gradients collected (`backward_in_chunks`).
  Tensor backward(const Views& views, Progress progress, std::int64_t chunks) const {
    return self_->backward(views, progress, chunks);
  }
  void before_update(Progress progress) const { self_->before_update(progress); }
  void after_step(Progress progress) const { self_->after_step(progress); }

  /// Online embeddings of the views that the objective wants, centred where it says `ignores_mean`; none of a method
  /// that predicts patches. Running statistics stay as they are.
  std::vector<Tensor> embed(const Views& views) const { return self_->embed(views); }
  /// Distributions (N, K) that the objective makes of an embedding; empty where it makes none (DINO and SwAV do).
  Tensor assignments(const Tensor& z) const { return self_->assignments(z); }
  /// A view (N, ...) -> (N, features): what evaluation looks at; with `head_layers`, what comes out of that many layers of
  /// the projector (SimCLR v2 fine-tunes from the first).
  Tensor encode(const Tensor& pictures, std::size_t head_layers = 0) const {
    return self_->encode(pictures, head_layers);
  }

  /// Whether that is the target's encoder (DINO's teacher).
  bool evaluates_target() const { return self_->evaluates_target(); }

  /// Whether the predictor keeps its learning rate.
  bool fixes_predictor_lr() const { return self_->fixes_predictor_lr(); }

  /// Numbers of the objective that a run records beside its loss (CLIP's scale); none of most.
  std::vector<std::pair<std::string, double>> scalars() const { return self_->scalars(); }
  /// What is wrong with a run whose last epoch had this mean loss over batches of N, as a sentence; empty where nothing is
  /// known to be.
  std::string complaint(double loss, std::int64_t N) const { return self_->complaint(loss, N); }

  /// What is trained, the predictor's and the objective's groups behind the tower's; `tower_groups` counts those.
  std::vector<ParameterGroup> parameter_groups(const ParameterGroupOptions& options, std::size_t& tower_groups) const {
    return self_->groups(options, tower_groups);
  }
  /// Parameters and buffers of all parts by name; the handles share the method's memory.
  std::vector<std::pair<std::string, Tensor>> state() const { return self_->state(); }

 private:
  struct Interface {
    explicit Interface(AnyAugment views) : augment(std::move(views)) {}
    virtual ~Interface() = default;
    virtual void move(Device) = 0;
    virtual void set_precision(DType) = 0;
    virtual Tensor backward(const Views&, Progress, std::int64_t) = 0;
    virtual void before_update(Progress) = 0;
    virtual void after_step(Progress) = 0;
    virtual std::vector<Tensor> embed(const Views&) = 0;
    virtual Tensor assignments(const Tensor&) = 0;
    virtual Tensor encode(const Tensor&, std::size_t) = 0;
    virtual bool evaluates_target() = 0;
    virtual bool fixes_predictor_lr() = 0;
    virtual std::vector<std::pair<std::string, double>> scalars() = 0;
    virtual std::string complaint(double, std::int64_t) = 0;
    virtual std::vector<ParameterGroup> groups(const ParameterGroupOptions&, std::size_t&) = 0;
    virtual std::vector<std::pair<std::string, Tensor>> state() = 0;
    AnyAugment augment;
  };

  template <class M>
  struct Model final : Interface {
    Model(M& method, std::shared_ptr<M> keep) : Interface(method.augment), held(method), owner(std::move(keep)) {}
    void move(Device device) override { contrastive::move_to(held, device); }
    void set_precision(DType precision) override { held.precision = precision; }
    Tensor backward(const Views& views, Progress progress, std::int64_t chunks) override {
      return backward_in_chunks(held, views, progress, chunks);
    }
    void before_update(Progress progress) override { held.before_update(progress); }
    void after_step(Progress progress) override { held.after_step(progress); }
    std::vector<Tensor> embed(const Views& views) override {
      if constexpr (requires { M::Online::looks_through; })
        if (M::Online::looks_through) return {};
      const NoGrad no_grad;
      const KeepStatistics keep;
      std::vector<Tensor> z = held.embed(views, {}, false).online;
      if constexpr (requires { std::remove_cvref_t<decltype(held.objective)>::ignores_mean; })
        for (Tensor& x : z)
          if (x.defined()) x = x - mean(x, 0, true);
      return z;
    }
    Tensor assignments(const Tensor& z) override {
      const NoGrad no_grad;
      if constexpr (requires { held.objective.assignments(z); })
        return held.objective.assignments(z);
      else
        return {};
    }
    Tensor encode(const Tensor& pictures, std::size_t head_layers) override {
      const Tensor features = held.evaluated().features(pictures);
      if (head_layers == 0) return features;
      if constexpr (requires { held.online.projector.first(features, head_layers); })
        return held.online.projector.first(features, head_layers);
      else
        fail("[encode] this method's projector has no layers to keep");
    }
    bool evaluates_target() override { return held.evaluate_target; }
    bool fixes_predictor_lr() override { return held.fix_predictor_lr; }
    std::vector<std::pair<std::string, double>> scalars() override {
      if constexpr (requires { held.objective.scalars(); })
        return held.objective.scalars();
      else
        return {};
    }
    std::string complaint(double loss, std::int64_t N) override {
      if constexpr (requires { held.objective.complaint(loss, N); })
        return held.objective.complaint(loss, N);
      else
        return {};
    }
    std::vector<ParameterGroup> groups(const ParameterGroupOptions& options, std::size_t& tower_groups) override {
      std::vector<ParameterGroup> all = contrastive::parameter_groups(held.online, options);
      tower_groups = all.size();
      for (ParameterGroup& group : contrastive::parameter_groups(held.predictor, options, "predictor."))
        all.push_back(std::move(group));
      if constexpr (detail::HasMembers<decltype(held.objective)>)
        for (ParameterGroup& group : contrastive::parameter_groups(held.objective, options, "objective."))
          all.push_back(std::move(group));
      return all;
    }
    std::vector<std::pair<std::string, Tensor>> state() override { return handles(held); }
    M& held;
    std::shared_ptr<M> owner;
  };

  explicit AnyMethod(std::shared_ptr<Interface> self) : self_(std::move(self)) {}
  std::shared_ptr<Interface> self_;
};

}  // namespace contrastive
