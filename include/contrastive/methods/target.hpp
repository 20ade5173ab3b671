// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/optim/schedule.hpp"

/// The other branch of a method: what the online embedding is compared with.
namespace contrastive {

/// Where a run stands. What is left out is not known, and a method that needs it says so: `Progress{.step = 5, .steps =
/// 1000, .steps_per_epoch = 100}` has all.
struct Progress {
  std::int64_t step = -1;  // steps done before this one
  std::int64_t steps = 0;  // of the whole run
  std::int64_t steps_per_epoch = 0;

  /// The share of the run that is done, for schedules over the whole of it.
  double fraction() const {
    if (step < 0 || steps <= 0) lacks("this method follows a schedule over the whole run", "steps");
    return static_cast<double>(step) / static_cast<double>(steps);
  }
  /// Epochs done, with the fraction of the one in progress.
  double epoch() const {
    if (step < 0 || steps_per_epoch <= 0) lacks("this method follows a schedule by epochs", "steps_per_epoch");
    return static_cast<double>(step) / static_cast<double>(steps_per_epoch);
  }
  /// The step as the name of its random numbers.
  std::uint64_t draw() const {
    require(step >= 0, "[progress] this method draws anew in each step: pass Progress{.step = ...}");
    return static_cast<std::uint64_t>(step);
  }

 private:
  [[noreturn]] void lacks(const char* why, const char* field) const {
    fail("[progress] ", why, ": expected Progress{.step = ..., .", field, " = ...}, got step ", step, ", steps ", steps,
         " and steps_per_epoch ", steps_per_epoch);
  }
};

/// target = keep * target + (1 - keep) * online, parameter by parameter. Buffers (running statistics) are left alone,
/// as in every official code.
template <class M>
void momentum_update(M& target, M& online, double keep) {
  std::vector<Tensor> sources;
  each_parameter(online, [&](const std::string&, Parameter& p) { sources.push_back(p); });
  std::size_t i = 0;
  each_parameter(target, [&](const std::string&, Parameter& p) {
    const Tensor weight = Tensor::full({1}, keep, p.dtype(), p.device()), &source = sources[i++];
    check_devices("momentum_update", {&p, &source});
    p.kernels().lerp(p.view_to_write(), source.view(), weight.view());
  });
}

/// No other branch: the objective compares online embeddings among themselves (SimCLR).
struct Shared {
  template <class Tower>
  struct Branch {
    static constexpr bool present = false;
    Branch(const Shared&, const Tower&) {}
    template <class Views, class Wanted>
    std::vector<Tensor> operator()(const Views&, const std::vector<Tensor>& projection, Wanted&&, bool) const {
      return projection;
    }
    void before_keys(Tower&, Progress) {}
    void after_step(Tower&, Progress) {}
    template <class F>
    void members(F&&) {}
  };
};

/// The same pass without its gradient (SimSiam).
struct StopGradient {
  template <class Tower>
  struct Branch : Shared::Branch<Tower> {
    static constexpr bool present = true;
    Branch(const StopGradient&, const Tower& online) : Shared::Branch<Tower>({}, online) {}
    template <class Views, class Wanted>
    std::vector<Tensor> operator()(const Views&, const std::vector<Tensor>& projection, Wanted&&, bool) const {
      std::vector<Tensor> still;
      for (const Tensor& z : projection) still.push_back(z.defined() ? stop_gradient(z) : z);
      return still;
    }
  };
};

enum class MomentumUpdate {
  before_keys,  // MoCo v1 to v3: in the forward, before this step's optimiser update
  after_step,   // BYOL, DINO
};

template <class Tower>
class MomentumBranch;

/// An exponential moving average of the online network, in training mode with batch statistics of its own.
struct Momentum {
  double momentum = 0.99;  // in [0, 1]
  bool to_one = false;     // rise to 1 along half a cosine over the run (BYOL, MoCo v3, DINO)
  MomentumUpdate update = MomentumUpdate::after_step;
  /// Views pass the target in another order than the online network, drawn anew each step, and the embeddings are put
  /// back: with split batch norm a key is then not normalised beside its query's company (MoCo's shuffled batch norm).
  bool shuffle = false;
  Rng rng{};  // of the orders

  double at(Progress progress) const { return to_one ? cosine(momentum, 1, progress.fraction()) : momentum; }

  template <class Tower>
  using Branch = MomentumBranch<Tower>;
};

template <class Tower>
class MomentumBranch {
 public:
  static constexpr bool present = true;

  /// Starts as a copy of `initial`: the online tower (MoCo, DINO), or one with other random weights (BYOL).
  MomentumBranch(const Momentum& rule, const Tower& initial) : rule_(rule), tower_(clone(initial)) {
    require_within("momentum", "the momentum of a target", rule.momentum, 0, 1);
    set_trainable(tower_, false);
  }

  /// The target embeddings of the wanted views; `together` as in `Tower::project`.
  template <class Views, class Wanted>
  std::vector<Tensor> operator()(const Views& views, const std::vector<Tensor>&, Wanted&& wanted, bool together) const {
    const NoGrad no_grad;
    if (!rule_.shuffle) return tower_.project(views, wanted, together);
    Views other = views;
    const std::int64_t N = views.view.at(0).size(0);
    std::vector<Tensor> back(views.view.size());
    for (std::size_t v = 0; v < views.view.size(); ++v) {
      if (!wanted(v)) continue;
      const Tensor order({N}, DType::i64);
      auto rows = order.span<std::int64_t>();
      std::iota(rows.begin(), rows.end(), std::int64_t{0});
      Stream(rule_.rng / progress_.draw() / v).shuffle(rows);
      back[v] = Tensor({N}, DType::i64);
      for (std::int64_t i = 0; i < N; ++i) back[v].data<std::int64_t>()[rows[static_cast<std::size_t>(i)]] = i;
      other.view[v] = gather(views.view[v], order.to(views.view[v].device()));
    }
    std::vector<Tensor> z = tower_.project(other, wanted, together);
    for (std::size_t v = 0; v < z.size(); ++v)
      if (z[v].defined()) z[v] = gather(z[v], back[v].to(z[v].device()));
    return z;
  }
  const Tower& tower() const { return tower_; }
  void before_keys(Tower& online, Progress progress) {
    progress_ = progress;
    follow(online, progress, MomentumUpdate::before_keys);
  }
  void after_step(Tower& online, Progress progress) { follow(online, progress, MomentumUpdate::after_step); }

  template <class F>
  void members(F&& f) {
    tower_.members(f);
  }

 private:
  void follow(Tower& online, Progress progress, MomentumUpdate now) {
    if (rule_.update == now) momentum_update(tower_, online, rule_.at(progress));
  }
  Momentum rule_;
  Tower tower_;
  Progress progress_;
};

}  // namespace contrastive
