// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/crop_plan.hpp"
#include "contrastive/data/image.hpp"

namespace contrastive {

/// A set of pictures. All of it must be safe to call from several threads at once.
///   image(i)       the picture, RGB or grey; throws `Error` naming the file when it cannot be read
///   label(i)       its class in [0, class_names().size()), -1 where there is none
///   name()         for messages: "cifar10 train"
/// Two members are optional: `image(i, plan)` decodes no more than the plan asks for, where every plan reads at least
/// what the one for the top left pixel reads, and `describe(i)` names the picture in messages (its file).
template <class D>
concept Dataset = requires(const D& set, std::size_t i) {
  { set.size() } -> std::convertible_to<std::size_t>;
  { set.image(i) } -> std::same_as<Image>;
  { set.label(i) } -> std::convertible_to<int>;
  { set.class_names() } -> std::convertible_to<std::vector<std::string>>;
  { set.name() } -> std::convertible_to<std::string>;
};

/// Any `Dataset` behind one type, so that a program chooses at run time. Copies share the set.
class AnyDataset {
 public:
  AnyDataset() = default;

  template <class D>
  requires(Dataset<std::remove_cvref_t<D>> && !std::same_as<std::remove_cvref_t<D>, AnyDataset>) AnyDataset(D&& set)
      : self_(std::make_shared<Model<std::remove_cvref_t<D>>>(std::forward<D>(set))) {}

  bool defined() const { return self_ != nullptr; }
  std::size_t size() const { return self_->size(); }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return self_->image(i, plan); }
  int label(std::size_t i) const { return self_->label(i); }
  std::vector<std::string> class_names() const { return self_->class_names(); }
  std::string name() const { return self_->name(); }
  std::string describe(std::size_t i) const { return self_->describe(i); }

  /// Whether the pictures have classes at all.
  bool has_labels() const { return size() > 0 && !class_names().empty(); }

  /// The picture, or nothing where it cannot be read: the reason is then written to stderr, once for each picture of
  /// the set, and counted. One that no plan can read is not tried again. One that is damaged further down is: what is
  /// above the damage stays readable, so that the answer depends on (i, plan) alone and not on what was asked before.
  std::optional<Image> image_or_report(std::size_t i, const CropPlan& plan = {}) const {
    return self_->image_or_report(i, plan);
  }

  /// How many pictures could not be read so far; for a part of a set, how many of the whole.
  std::size_t unreadable() const { return self_->unreadable(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::optional<Image> image_or_report(std::size_t i, const CropPlan& plan) = 0;
    virtual std::size_t unreadable() = 0;
    virtual std::size_t size() const = 0;
    virtual Image image(std::size_t i, const CropPlan& plan) const = 0;
    virtual int label(std::size_t i) const = 0;
    virtual std::vector<std::string> class_names() const = 0;
    virtual std::string name() const = 0;
    virtual std::string describe(std::size_t i) const = 0;
  };

  template <class D>
  struct Model final : Interface {
    explicit Model(D value) : set(std::move(value)) {}
    std::size_t size() const override { return set.size(); }
    Image image(std::size_t i, const CropPlan& plan) const override {
      if constexpr (requires { set.image(i, plan); })
        return set.image(i, plan);
      else
        return set.image(i);
    }
    int label(std::size_t i) const override { return set.label(i); }
    std::vector<std::string> class_names() const override { return set.class_names(); }
    std::string name() const override { return set.name(); }
    std::string describe(std::size_t i) const override {
      if constexpr (requires { set.describe(i); })
        return set.describe(i);
      else
        return join("picture ", i, " of ", set.name());
    }
    std::optional<Image> image_or_report(std::size_t i, const CropPlan& plan) override {
      if constexpr (requires { set.image_or_report(i, plan); }) {
        return set.image_or_report(i, plan);
      } else {
        if (hopeless(i)) return std::nullopt;
        try {
          return image(i, plan);
        } catch (const Error& error) {
          note(i, error);
          return std::nullopt;
        }
      }
    }
    std::size_t unreadable() override {
      if constexpr (requires { set.unreadable(); }) {
        return set.unreadable();
      } else {
        const std::lock_guard hold(lock);
        return failures.size();
      }
    }

    bool hopeless(std::size_t i) {
      const std::lock_guard hold(lock);
      const auto known = failures.find(i);
      return known != failures.end() && known->second;
    }
    void note(std::size_t i, const Error& error) {
      {
        const std::lock_guard hold(lock);
        if (failures.contains(i)) return;
      }
      bool top_is_readable = true;
      try {
        image(i, [](int, int) { return Region{0, 0, 1, 1}; });
      } catch (const Error&) {
        top_is_readable = false;
      }
      const std::lock_guard hold(lock);
      if (failures.emplace(i, !top_is_readable).second) std::fprintf(stderr, "skipped: %s\n", error.what());
    }

    D set;
    std::mutex lock;
    std::map<std::size_t, bool> failures;  // whether no plan can read the picture
  };

  std::shared_ptr<Interface> self_;
};

/// Some pictures of a set, in the order given.
struct Subset {
  AnyDataset set;
  std::vector<std::size_t> indices;

  std::size_t size() const { return indices.size(); }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return set.image(indices.at(i), plan); }
  int label(std::size_t i) const { return set.label(indices.at(i)); }
  std::vector<std::string> class_names() const { return set.class_names(); }
  std::string name() const { return set.name(); }
  std::string describe(std::size_t i) const { return set.describe(indices.at(i)); }
  std::optional<Image> image_or_report(std::size_t i, const CropPlan& plan) const {
    return set.image_or_report(indices.at(i), plan);
  }
  std::size_t unreadable() const { return set.unreadable(); }
};

/// `count` of the numbers below `n`, drawn by `rng` without replacement, in rising order; all of them when there are no
/// more.
inline std::vector<std::size_t> random_indices(std::size_t n, std::size_t count, Rng rng) {
  std::vector<std::size_t> indices(n);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  if (count >= n) return indices;
  Stream(rng).shuffle(indices);
  indices.resize(count);
  std::sort(indices.begin(), indices.end());
  return indices;
}

/// `count` pictures drawn by `rng`, each as likely as any other: a score on them estimates the score on the whole set.
/// The set itself when it has no more.
inline AnyDataset random_subset(const AnyDataset& set, std::size_t count, Rng rng) {
  if (count >= set.size()) return set;
  return Subset{set, random_indices(set.size(), count, rng)};
}

}  // namespace contrastive
