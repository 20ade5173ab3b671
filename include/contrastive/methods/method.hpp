// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/augment/augment.hpp"
#include "contrastive/methods/target.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// What an objective sees: one (N, D) embedding a view. `online` comes through encoder, projector and predictor,
/// `target` from the other branch (none with `Shared`). Views that the objective does not want are empty.
struct Embeddings {
  std::vector<Tensor> online, target;
  std::vector<std::int64_t> sample;  // index of each row's picture in the data set
};

/// A loss over embeddings: `Tensor operator()(const Embeddings&)`, a scalar. It may hold state (a queue), listed by
/// `members`, and may say which views it wants: `static bool wants_online(std::size_t view)`, `wants_target(view)`.
template <class O>
concept Objective = requires(O& objective, const Embeddings& z) {
  { objective(z) } -> std::convertible_to<Tensor>;
};

/// Encoder and projector in one.
template <class Encoder, class Projector>
struct Tower {
  Encoder encoder;
  Projector projector;

  Tensor operator()(const Tensor& view) const { return projector(encoder(view)); }

  template <class F>
  void members(F&& f) {
    f("encoder", encoder);
    f("projector", projector);
  }
};

/// A method of the field is six parts. Compose one of your own, or take a recipe (methods/simclr.hpp and its
/// neighbours):
///
///     auto method = Method(resnet18(rng), Mlp(512, {...}, rng), Identity{}, NtXent{0.5}, two_views);
///     Tensor loss = method.loss(batch.views);
template <class Encoder, class Projector, class Predictor, class ObjectiveType, class Augmentation,
          class Target = Shared>
class Method {
  static_assert(Module<Encoder> && Module<Projector> && Module<Predictor>,
                "Method: encoder, projector and predictor are modules, `Tensor operator()(const Tensor&) const` with "
                "`members` (docs/guides/add-an-encoder.md)");
  static_assert(Objective<ObjectiveType>,
                "Method: an objective is `Tensor operator()(const Embeddings&)` (docs/guides/add-an-objective.md)");
  static_assert(Augment<Augmentation>,
                "Method: an augmentation makes views of an image (docs/guides/add-an-augmentation.md)");

 public:
  using Online = Tower<Encoder, Projector>;

  Method(Encoder encoder, Projector projector, Predictor predictor, ObjectiveType objective, Augmentation augmentation,
         Target rule = {})
      : Method(Online{std::move(encoder), std::move(projector)}, std::move(predictor), std::move(objective),
               std::move(augmentation), rule, nullptr) {}

  /// `target_start`: what a momentum branch starts from, where that is not the online tower (BYOL).
  Method(Online online_tower, Predictor head, ObjectiveType criterion, Augmentation augmentation, Target rule,
         const Online* target_start)
      : online(std::move(online_tower)),
        predictor(std::move(head)),
        objective(std::move(criterion)),
        augment(std::move(augmentation)),
        target(rule, target_start ? *target_start : online) {}

  Online online;
  Predictor predictor;
  ObjectiveType objective;
  Augmentation augment;
  using Branch = typename Target::template Branch<Online>;
  Branch target;
  /// All views in one pass, so that batch norm sees them together (SimCLR's code), or one after the other.
  bool views_together = false;
  /// What the encoder and the heads compute in; embeddings reach the objective in f32 or wider.
  DType precision = DType::f32;

  const Encoder& encoder() const { return online.encoder; }

  /// What happens before a batch is encoded: a momentum branch whose rule says so moves here.
  void before_step(Progress progress) { target.before_keys(online, progress); }

  /// The embeddings of a batch; `with_target` false leaves the other branch out.
  Embeddings embed(const Views& views, bool with_target = true) const {
    Embeddings z;
    z.sample = views.sample;
    z.online.resize(views.view.size());
    std::vector<Tensor> input, projection(views.view.size());
    for (const Tensor& view : views.view) input.push_back(precision == DType::bf16 ? view.to(precision) : view);
    if (views_together) {
      const Tensor all = online(concat(input));
      std::int64_t row = 0;
      for (std::size_t v = 0; v < input.size(); ++v) {
        projection[v] = all.slice(row, row + input[v].size(0));
        row += input[v].size(0);
      }
    }
    for (std::size_t v = 0; v < input.size(); ++v) {
      if (!wants_online(v)) continue;
      if (!projection[v].defined()) projection[v] = online(input[v]);
      z.online[v] = widened(predictor(projection[v]));
    }
    if (!with_target || !Branch::present) return z;
    z.target.resize(views.globals);
    for (std::size_t v = 0; v < views.globals; ++v)
      if (wants_target(v)) z.target[v] = widened(target(input[v], projection[v]));
    return z;
  }

  /// The loss of a batch, ready for `backward`.
  Tensor loss(const Views& views, Progress progress = {}) {
    before_step(progress);
    return objective(embed(views));
  }

  /// To be called once the optimiser has moved the parameters.
  void after_step(Progress progress) { target.after_step(online, progress); }

  template <class F>
  void members(F&& f) {
    online.members(f);
    f("predictor", predictor);
    if constexpr (detail::HasMembers<ObjectiveType>) f("objective", objective);
    f("target", target);
  }

 private:
  static Tensor widened(const Tensor& z) { return z.dtype() == DType::bf16 ? cast(z, DType::f32) : z; }
  static bool wants_online(std::size_t view) {
    if constexpr (requires { ObjectiveType::wants_online(view); }) return ObjectiveType::wants_online(view);
    return true;
  }
  static bool wants_target(std::size_t view) {
    if constexpr (requires { ObjectiveType::wants_target(view); }) return ObjectiveType::wants_target(view);
    return true;
  }
};

}  // namespace contrastive
