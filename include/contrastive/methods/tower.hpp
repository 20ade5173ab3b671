// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/view.hpp"
#include "contrastive/methods/target.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

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
/// What a method sends its views through: a tower, or several (methods/towers.hpp).
template <class T>
concept SendsViews = HasMembers<T> && requires(const T& tower, const Views& views, bool (*wanted)(std::size_t)) {
  { tower.project(views, wanted, true) } -> std::same_as<std::vector<Tensor>>;
};

/// Tells a part that wants to know that the optimiser is about to step.
template <class Part>
void tell_before_update(Part& part, Progress progress) {
  if constexpr (requires { part.before_update(progress); }) part.before_update(progress);
}
}  // namespace detail

/// Encoder and projector in one.
template <class Encoder, class Projector>
struct Tower {
  static_assert(Module<Encoder> && Module<Projector>,
                "Method: encoder, projector and predictor are modules, `Tensor operator()(const Tensor&) const` with "
                "`members` (docs/guides/add-an-encoder.md)");
  static_assert(detail::names_what_it_adds<Encoder>() && detail::names_what_it_adds<Projector>(),
                "Method: a part that inherits `members` and adds members of its own needs its own `members`, which "
                "calls the base's (docs/guides/add-an-encoder.md)");
  static constexpr bool looks_through = detail::LooksThrough<Projector, Encoder>;

  Encoder encoder;
  Projector projector;

  Tensor operator()(const Tensor& view) const { return projector(encoder(view)); }
  /// The projection of view v.
  Tensor at(const Views& views, std::size_t v) const {
    if constexpr (looks_through)
      return projector.through(encoder, views, v);
    else if constexpr (requires { encoder.at(views, v); })  // it knows samples by their number (`Frozen`)
      return projector(encoder.at(views, v));
    else
      return (*this)(views.view[v]);
  }
  /// What evaluation looks at: what the encoder gives, or what a projector with `features(encoder, view)` makes of it.
  Tensor features(const Tensor& view) const {
    if constexpr (requires { projector.features(encoder, view); })
      return projector.features(encoder, view);
    else
      return encoder(view);
  }

  /// The projections of the views for which `wanted(v)`, empty tensors for the others. One view after the other; or
  /// `together`: views of equal size in one pass of the encoder, and one pass of the projector over all rows.
  template <class Wanted>
  std::vector<Tensor> project(const Views& views, Wanted&& wanted, bool together) const {
    std::vector<Tensor> z(views.view.size());
    if (looks_through || !together) {
      for (std::size_t v = 0; v < z.size(); ++v)
        if (wanted(v)) z[v] = at(views, v);
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

  void before_update(Progress progress) {
    detail::tell_before_update(encoder, progress);
    detail::tell_before_update(projector, progress);
  }

  template <class F>
  void members(F&& f) {
    f("encoder", encoder);
    f("projector", projector);
  }
};
template <class Encoder, class Projector>
Tower(Encoder, Projector) -> Tower<Encoder, Projector>;

}  // namespace contrastive
