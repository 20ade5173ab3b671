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

#include "contrastive/augment/augment.hpp"
#include "contrastive/methods/target.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// What an objective sees: one (N, D) embedding a view. `online` comes through encoder, projector and predictor,
/// `target` from the other branch (none with `Shared`). Views that the objective does not want are empty.
struct Embeddings {
  std::vector<Tensor> online, target;
  std::vector<Tensor> picture;       // the views themselves, (N, H, W, C)
  std::vector<std::int64_t> sample;  // index of each row's picture in the data set
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

namespace detail {
/// A projector that looks into the encoder: `Tensor through(const Encoder&, const Views&, std::size_t view) const`, for
/// what is not encoder then head (CPC's patches and context, MAE's mask and decoder).
template <class Projector, class Encoder>
concept LooksThrough = requires(const Projector& p, const Encoder& e, const Views& views) {
  { p.through(e, views, std::size_t{}) } -> std::convertible_to<Tensor>;
};

/// Consecutive views of one shape: [first, last) of the list.
inline std::size_t end_of_equal(const std::vector<Tensor>& views, std::size_t first) {
  std::size_t last = first + 1;
  while (last < views.size() && views[last].shape() == views[first].shape()) ++last;
  return last;
}
}  // namespace detail

/// Encoder and projector in one.
template <class Encoder, class Projector>
struct Tower {
  Encoder encoder;
  Projector projector;

  Tensor operator()(const Tensor& view) const { return projector(encoder(view)); }

  /// The projections of the views for which `wanted(v)`, empty tensors for the others. One view after the other; or
  /// `together`: views of equal size in one pass of the encoder, and one pass of the projector over all rows.
  template <class Wanted>
  std::vector<Tensor> project(const Views& views, Wanted&& wanted, bool together) const {
    std::vector<Tensor> z(views.view.size());
    if constexpr (detail::LooksThrough<Projector, Encoder>) {
      for (std::size_t v = 0; v < z.size(); ++v)
        if (wanted(v)) z[v] = projector.through(encoder, views, v);
    } else if (!together) {
      for (std::size_t v = 0; v < z.size(); ++v)
        if (wanted(v)) z[v] = (*this)(views.view[v]);
    } else {
      std::vector<Tensor> chosen, features;
      for (std::size_t v = 0; v < z.size(); ++v)
        if (wanted(v)) chosen.push_back(views.view[v]);
      for (std::size_t first = 0, last; first < chosen.size(); first = last) {
        last = detail::end_of_equal(chosen, first);
        features.push_back(encoder(concat(std::span<const Tensor>(chosen).subspan(first, last - first))));
      }
      const Tensor all = chosen.empty() ? Tensor() : projector(features.size() == 1 ? features[0] : concat(features));
      std::int64_t row = 0;
      for (std::size_t v = 0; v < z.size(); ++v) {
        if (!wanted(v)) continue;
        z[v] = all.slice(row, row + views.view[v].size(0));
        row += views.view[v].size(0);
      }
    }
    return z;
  }

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
  static_assert(detail::HasMembers<ObjectiveType> || std::is_trivially_copyable_v<ObjectiveType>,
                "Method: an objective that holds parameters, buffers or tensors names them in `members`, or they are "
                "never trained, moved or saved (docs/guides/add-an-objective.md)");
  static_assert(detail::names_what_it_adds<Encoder>() && detail::names_what_it_adds<Projector>() &&
                    detail::names_what_it_adds<Predictor>() && detail::names_what_it_adds<ObjectiveType>(),
                "Method: a part that inherits `members` and adds members of its own needs its own `members`, which "
                "calls the base's (docs/guides/add-an-encoder.md)");
  static_assert(Augment<Augmentation>,
                "Method: an augmentation makes views of an image (docs/guides/add-an-augmentation.md)");
  static_assert(!detail::HasMembers<Augmentation>,
                "Method: an augmentation has no `members`: nothing of it is trained, moved or saved "
                "(docs/guides/add-an-augmentation.md)");

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
  static_assert(detail::HasMembers<Branch> && detail::names_what_it_adds<Branch>(),
                "Method: a target's Branch names its tensors in a `members` of its own (methods/target.hpp)");
  Branch target;
  /// Views of equal size in one pass, so that batch norm sees them together (SimCLR, SwAV, DINO), or one after the other.
  bool views_together = false;
  /// What the encoder and the heads compute in; embeddings reach the objective in f32 or wider.
  DType precision = DType::f32;

  /// Whether evaluation looks at the target's encoder (DINO's teacher) instead of the online one.
  bool evaluate_target = false;

  /// What evaluation looks at.
  const Encoder& encoder() const {
    if constexpr (requires(const Branch& branch) { branch.tower(); })
      if (evaluate_target) return target.tower().encoder;
    return online.encoder;
  }

  /// What happens before a batch is encoded: a momentum branch whose rule says so moves here.
  void before_step(Progress progress) { target.before_keys(online, progress); }

  /// The embeddings of a batch; `with_target` false leaves the other branch out.
  Embeddings embed(const Views& views, Progress progress = {}, bool with_target = true) const {
    Embeddings z = rows_of(views, progress);
    Views input;
    input.globals = views.globals;
    for (const Tensor& view : views.view) input.view.push_back(precision == DType::bf16 ? view.to(precision) : view);
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
    const auto tell = [&](auto& part) {
      if constexpr (requires { part.before_update(progress); }) part.before_update(progress);
    };
    tell(online.encoder);
    tell(online.projector);
    tell(predictor);
    tell(objective);
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

}  // namespace contrastive
