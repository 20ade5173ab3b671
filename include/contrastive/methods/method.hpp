// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/augment/sample_augment.hpp"
#include "contrastive/methods/target.hpp"
#include "contrastive/methods/tower.hpp"
#include "contrastive/nn/embedding.hpp"

namespace contrastive {

/// What an objective sees: one (N, D) embedding a view. `online` comes through encoder, projector and predictor,
/// `target` from the other branch (none with `Shared`). Views that the objective does not want are empty.
struct Embeddings {
  std::vector<Tensor> online, target;
  std::vector<Tensor> view;          // the views themselves, (N, ...)
  std::vector<std::int64_t> sample;  // index of each row's sample in the data set
  std::vector<std::int64_t> label;   // -1 where there is none
  Progress progress;
};

/// What is known of a batch before it is encoded.
inline Embeddings rows_of(const Views& views, Progress progress) {
  return {{}, {}, views.view, views.sample, views.label, progress};
}

/// A loss over embeddings: `Tensor operator()(const Embeddings&)`, a scalar. It may say which views it wants: `static bool
/// wants_online(std::size_t view)`, `wants_target(view)`. One that holds more than plain numbers names its parameters,
/// buffers and modules in `members` (nn/module.hpp), which is empty where there are none.
template <class O>
concept Objective = requires(O& objective, const Embeddings& z) {
  { objective(z) } -> std::convertible_to<Tensor>;
};

/// A method of the field is six parts. Compose one of your own, or take a recipe (methods/simclr.hpp and its
/// neighbours):
///
///     auto method = Method(resnet18(rng), Mlp(512, {...}, rng), Identity{}, NtXent{0.5}, two_views);
///     Tensor loss = method.loss(batch.views);
///
/// Encoder and projector make one tower, through which all views go. A method of two modalities has a tower for each view
/// in their place: `Method(Towers(image, text), Identity{}, ...)`, methods/towers.hpp.
template <class OnlineTower, class Predictor, class ObjectiveType, class Augmentation, class Target = Shared>
class Method {
  static_assert(Module<Predictor>,
                "Method: encoder, projector and predictor are modules, `Tensor operator()(const "
                "Tensor&) const` with `members` (docs/guides/add-an-encoder.md)");
  static_assert(Objective<ObjectiveType>,
                "Method: an objective is `Tensor operator()(const Embeddings&)` (docs/guides/add-an-objective.md)");
  static_assert(detail::HasMembers<ObjectiveType> || std::is_trivially_copyable_v<ObjectiveType>,
                "Method: an objective that holds parameters, buffers or tensors names them in `members`, or they are "
                "never trained, moved or saved (docs/guides/add-an-objective.md)");
  static_assert(detail::names_what_it_adds<Predictor>() && detail::names_what_it_adds<ObjectiveType>(),
                "Method: a part that inherits `members` and adds members of its own needs its own `members`, which "
                "calls the base's (docs/guides/add-an-encoder.md)");
  static_assert(Augment<Augmentation> || SampleAugment<Augmentation>,
                "Method: an augmentation makes views of an image, or of a sample "
                "(docs/guides/add-an-augmentation.md)");
  static_assert(!detail::HasMembers<Augmentation>,
                "Method: an augmentation has no `members`: nothing of it is trained, moved or saved "
                "(docs/guides/add-an-augmentation.md)");

 public:
  using Online = OnlineTower;

  template <class Encoder, class Projector>
  requires std::same_as<Online, Tower<Encoder, Projector>> Method(Encoder encoder, Projector projector,
                                                                  Predictor predictor, ObjectiveType objective,
                                                                  Augmentation augmentation, Target rule = {})
      : Method(Online{std::move(encoder), std::move(projector)}, std::move(predictor), std::move(objective),
               std::move(augmentation), rule) {}

  /// `target_start`: what a momentum branch starts from, where that is not the online tower (BYOL).
  Method(Online online_tower, Predictor head, ObjectiveType criterion, Augmentation augmentation, Target rule = {},
         const Online* target_start = nullptr)
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
  static_assert(detail::HasMembers<Branch> && detail::names_what_it_adds<Branch>(),
                "Method: a target's Branch names its tensors in a `members` of its own (methods/target.hpp)");
  Branch target;
  /// Views of equal size in one pass, so that batch norm sees them together (SimCLR, SwAV, DINO), or one after the other.
  bool views_together = false;
  /// What the encoder and the heads compute in; embeddings reach the objective in f32 or wider.
  DType precision = DType::f32;

  /// Keeps the predictor's learning rate constant (SimSiam).
  bool fix_predictor_lr = false;

  /// Whether evaluation looks at the target's encoder (DINO's teacher) instead of the online one.
  bool evaluate_target = false;

  /// The tower that evaluation looks at, and its encoder.
  const Online& evaluated() const {
    if constexpr (requires(const Branch& branch) { branch.tower(); })
      if (evaluate_target) return target.tower();
    return online;
  }
  const auto& encoder() const requires requires(const Online& tower) { tower.encoder; }
  { return evaluated().encoder; }

  /// Called before a batch is encoded. Momentum branches of `before_keys` are updated here.
  void before_step(Progress progress) { target.before_keys(online, progress); }

  /// The embeddings of a batch; `with_target` false leaves the other branch out.
  Embeddings embed(const Views& views, Progress progress = {}, bool with_target = true) const {
    Embeddings z = rows_of(views, progress);
    Views input;
    input.globals = views.globals;
    input.sample = views.sample;
    for (const Tensor& view : views.view)
      input.view.push_back(precision == DType::bf16 && is_float(view.dtype()) ? view.to(precision) : view);
    const EmbedIn computed(precision);
    const std::vector<Tensor> projection = online.project(input, wants_online, views_together);
    for (const Tensor& p : projection) z.online.push_back(p.defined() ? widened(predictor(p)) : Tensor());
    if constexpr (Branch::present) {
      if (!with_target) return z;
      const auto wanted = [&](std::size_t v) { return v < views.globals && wants_target(v); };
      z.target = target(input, projection, wanted, views_together);
      z.target.resize(views.globals);
      for (Tensor& t : z.target) t = t.defined() ? widened(t) : t;
    }
    return z;
  }

  /// The loss of a batch, ready for `backward`. A method with a schedule or with random numbers of its own throws unless
  /// `progress` says where the run stands. Throws the first time if a tensor that wants a gradient takes part, but is
  /// neither a view nor named by any `members`.
  Tensor loss(const Views& views, Progress progress = {}) {
    before_step(progress);
    if (all_named_) return objective(embed(views, progress));
    const detail::LeafLog read;
    const Tensor loss = objective(embed(views, progress));
    check_named(read.leaves, views);
    return loss;
  }

  /// To be called between `backward` and the optimiser's step: parts with `before_update(progress)` may take gradients
  /// away (SwAV's prototypes and DINO's last layer stand still at first).
  void before_update(Progress progress) {
    detail::tell_before_update(online, progress);
    detail::tell_before_update(predictor, progress);
    detail::tell_before_update(objective, progress);
  }

  /// To be called once the optimiser has moved the parameters: an objective with `after_update(progress)` may put them in
  /// order (a learned scale is clamped), then the target follows.
  void after_step(Progress progress) {
    if constexpr (requires { objective.after_update(progress); }) objective.after_update(progress);
    target.after_step(online, progress);
  }

  template <class F>
  void members(F&& f) {
    online.members(f);
    f("predictor", predictor);
    if constexpr (detail::HasMembers<ObjectiveType>) f("objective", objective);
    f("target", target);
  }

 private:
  void check_named(const std::vector<Tensor>& read, const Views& views) {
    std::set<const detail::GradSlot*> known;
    each_parameter(*this, [&](const std::string&, Parameter& p) { known.insert(p.grad_slot().get()); });
    for (const Tensor& view : views.view) known.insert(view.grad_slot().get());
    for (const Tensor& leaf : read) {
      if (known.contains(leaf.grad_slot().get())) continue;
      clear_tape();
      fail("[method] a tensor of shape ", leaf.shape(),
           " wants a gradient of this loss, but no `members` names it: it ",
           "would not be trained, moved or saved with the method (docs/guides/add-an-encoder.md)");
    }
    all_named_ = !read.empty();
  }
  bool all_named_ = false;

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

template <class E, class P, class Q, class O, class A>
Method(E, P, Q, O, A) -> Method<Tower<E, P>, Q, O, A>;
template <class E, class P, class Q, class O, class A, class T>
Method(E, P, Q, O, A, T) -> Method<Tower<E, P>, Q, O, A, T>;
template <detail::SendsViews Online, class Q, class O, class A>
Method(Online, Q, O, A) -> Method<Online, Q, O, A>;
template <detail::SendsViews Online, class Q, class O, class A, class T>
Method(Online, Q, O, A, T) -> Method<Online, Q, O, A, T>;

}  // namespace contrastive
