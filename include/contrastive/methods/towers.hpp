// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "contrastive/methods/tower.hpp"

namespace contrastive {

namespace detail {
/// View v through a tower, or through a module that is none.
template <class T>
Tensor through_tower(const T& tower, const Views& views, std::size_t v) {
  if constexpr (requires { tower.at(views, v); })
    return tower.at(views, v);
  else
    return tower(views.view[v]);
}
}  // namespace detail

/// A tower for each view: view v goes through tower v (CLIP: an image and a text). Each is a `Tower`, a `Frozen`, or any
/// module. Evaluation looks at the first one's features.
template <class... T>
class Towers {
 public:
  explicit Towers(T... towers) : held_(std::move(towers)...) {}

  template <std::size_t I>
  auto& tower() {
    return std::get<I>(held_);
  }
  template <std::size_t I>
  const auto& tower() const {
    return std::get<I>(held_);
  }

  template <class Wanted>
  std::vector<Tensor> project(const Views& views, Wanted&& wanted, bool) const {
    require(views.view.size() == sizeof...(T), "[towers] expected a view for each of ", sizeof...(T), " towers, got ",
            views.view.size());
    std::vector<Tensor> z(sizeof...(T));
    each(*this, [&](const auto& tower, std::size_t v) {
      if (wanted(v)) z[v] = detail::through_tower(tower, views, v);
    });
    return z;
  }
  Tensor features(const Tensor& view) const {
    if constexpr (requires { tower<0>().features(view); })
      return tower<0>().features(view);
    else
      return tower<0>()(view);
  }

  void before_update(Progress progress) {
    each(*this, [&](auto& tower, std::size_t) { detail::tell_before_update(tower, progress); });
  }
  template <class F>
  void members(F&& f) {
    each(*this, [&](auto& tower, std::size_t v) { f(std::to_string(v), tower); });
  }

 private:
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    std::apply(
        [&](auto&... tower) {
          std::size_t v = 0;
          (f(tower, v++), ...);
        },
        self.held_);
  }
  std::tuple<T...> held_;
};

/// A tower that stands still (LiT, Zhai et al. 2022, arXiv:2111.07991): evaluation mode, no gradient, no update. It is
/// moved and saved with the method.
template <class Inner>
class Frozen {
 public:
  /// `samples` above 0 keeps each sample's row, of a data set of that many: for views without random draws, which then go
  /// through the tower once in a run. The rows are not saved.
  explicit Frozen(Inner tower, std::int64_t samples = 0) : tower_(std::move(tower)) {
    set_trainable(tower_, false);
    if (samples > 0) kept_ = std::make_shared<Kept>(samples);
  }

  const Inner& inner() const { return tower_; }

  Tensor operator()(const Tensor& view) const {
    const NoGrad no_grad;
    const Eval eval;
    return tower_(view);
  }
  Tensor features(const Tensor& view) const {
    const NoGrad no_grad;
    const Eval eval;
    if constexpr (requires { tower_.features(view); })
      return tower_.features(view);
    else
      return tower_(view);
  }
  Tensor at(const Views& views, std::size_t v) const {
    if (!kept_ || views.sample.empty()) return compute(views, v);
    kept_->forget_unless(version());
    if (!kept_->has(views.sample)) kept_->add(views.sample, compute(views, v));
    return kept_->rows_of(views.sample, views.view[v].device());
  }

  template <class F>
  void members(F&& f) {
    tower_.members(f);
  }

 private:
  struct Kept {
    explicit Kept(std::int64_t samples) : known(static_cast<std::size_t>(samples), 0) {}

    void forget_unless(std::uint64_t now) {
      if (now != of_version) known.assign(known.size(), 0), rows = {}, of_version = now;
    }
    bool has(const std::vector<std::int64_t>& samples) const {
      for (const std::int64_t sample : samples)
        if (!known.at(static_cast<std::size_t>(sample))) return false;
      return true;
    }
    void add(const std::vector<std::int64_t>& samples, const Tensor& z) {  // (N, D)
      const Tensor here = z.to(Device::cpu);
      if (!rows.defined()) rows = Tensor({static_cast<std::int64_t>(known.size()), z.size(1)}, z.dtype());
      for (std::size_t n = 0; n < samples.size(); ++n) {
        const auto row = static_cast<std::int64_t>(n);
        rows.slice(samples[n], samples[n] + 1).copy_from(here.slice(row, row + 1));
        known[static_cast<std::size_t>(samples[n])] = 1;
      }
    }
    Tensor rows_of(const std::vector<std::int64_t>& samples, Device device) const {
      const NoGrad no_grad;
      return gather(rows, Tensor::from<std::int64_t>(samples, {static_cast<std::int64_t>(samples.size())})).to(device);
    }

    std::vector<char> known;
    Tensor rows;  // (samples, D)
    std::uint64_t of_version = 0;
  };

  Tensor compute(const Views& views, std::size_t v) const {
    const NoGrad no_grad;
    const Eval eval;
    return detail::through_tower(tower_, views, v);
  }
  /// Changes when other weights are loaded.
  std::uint64_t version() const {
    std::uint64_t sum = 0;
    each_state(const_cast<Inner&>(tower_), [&](const std::string&, const Tensor& x) { sum += x.version() + 1; });
    return sum;
  }

  Inner tower_;
  std::shared_ptr<Kept> kept_;
};

}  // namespace contrastive
