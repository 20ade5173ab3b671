// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/augment/compose.hpp"

namespace contrastive {

namespace detail {

/// What the augmentations below share: `Self` says which transform makes view v (`visit(v, f)`) and how many there are
/// (`count()`).
template <class Self>
class ManyViews {
 public:
  std::vector<ViewSpec> views() const {
    std::vector<ViewSpec> specs(self().count());
    for (std::size_t v = 0; v < specs.size(); ++v) self().visit(v, [&](const auto& view) { specs[v] = view.view(); });
    return specs;
  }

  CropBox crop(std::size_t v, ImageSize full, Rng rng) const {
    CropBox box;
    self().visit(v, [&](const auto& view) { box = view.crop(full, rng / v); });
    return box;
  }

  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    (*this)(image, {image.height, image.width}, rng, out, drawn);
  }

  void operator()(const Image& image, ImageSize full, Rng rng, std::span<float* const> out,
                  std::span<Drawn> drawn) const {
    require(out.size() == self().count() && (drawn.empty() || drawn.size() == out.size()), "[augment] expected ",
            self().count(), " views, got ", out.size(), " outputs and ", drawn.size(), " records");
    for (std::size_t v = 0; v < out.size(); ++v)
      self().visit(v,
                   [&](const auto& view) { view(image, full, rng / v, out[v], drawn.empty() ? nullptr : &drawn[v]); });
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace detail

/// One view: evaluation, MAE, InstDisc.
template <ViewTransform P>
struct OneView : detail::ManyViews<OneView<P>> {
  P first;

  explicit OneView(P view) : first(std::move(view)) {}
  std::size_t globals() const { return 1; }
  std::size_t count() const { return 1; }
  template <class F>
  void visit(std::size_t, F&& f) const {
    f(first);
  }
};

/// Two views of one picture, by one recipe or by two (BYOL).
template <ViewTransform P, ViewTransform Q = P>
struct TwoViews : detail::ManyViews<TwoViews<P, Q>> {
  P first;
  Q second;

  explicit TwoViews(P both) requires std::same_as<P, Q> : first(both), second(std::move(both)) {}
  TwoViews(P a, Q b) : first(std::move(a)), second(std::move(b)) {}
  std::size_t globals() const { return 2; }
  std::size_t count() const { return 2; }
  template <class F>
  void visit(std::size_t v, F&& f) const {
    if (v == 0)
      f(first);
    else
      f(second);
  }
};
template <class P>
TwoViews(P) -> TwoViews<P>;
template <class P, class Q>
TwoViews(P, Q) -> TwoViews<P, Q>;

/// Two global crops and `locals` smaller ones (SwAV, DINO).
template <ViewTransform P, ViewTransform Q, ViewTransform Local>
struct MultiCrop : detail::ManyViews<MultiCrop<P, Q, Local>> {
  P first;
  Q second;
  Local local;
  std::size_t locals = 6;

  MultiCrop(P a, Q b, Local small, std::size_t small_count)
      : first(std::move(a)), second(std::move(b)), local(std::move(small)), locals(small_count) {}
  std::size_t globals() const { return 2; }
  std::size_t count() const { return 2 + locals; }
  template <class F>
  void visit(std::size_t v, F&& f) const {
    if (v == 0)
      f(first);
    else if (v == 1)
      f(second);
    else
      f(local);
  }
};
template <class P, class Q, class Local>
MultiCrop(P, Q, Local, std::size_t) -> MultiCrop<P, Q, Local>;

}  // namespace contrastive
