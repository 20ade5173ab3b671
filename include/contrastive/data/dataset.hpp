// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/crop_plan.hpp"
#include "contrastive/media/image.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

namespace detail {

/// The parts of a sample that a data set gives, by the members that it has.
template <class D>
constexpr Parts parts_of_members() {
  Parts parts;
  if constexpr (requires(const D& set) {
                  { set.image(0) } -> std::same_as<Image>;
                })
    parts = parts | Part::image;
  if constexpr (requires(const D& set) {
                  { set.texts(0) } -> std::convertible_to<std::vector<std::string>>;
                })
    parts = parts | Part::texts;
  if constexpr (requires(const D& set) {
                  { set.sound(0) } -> std::same_as<Sound>;
                })
    parts = parts | Part::sound;
  if constexpr (requires(const D& set) {
                  { set.clip(0) } -> std::same_as<Clip>;
                })
    parts = parts | Part::clip;
  if constexpr (requires(const D& set) {
                  { set.points(0) } -> std::same_as<PointCloud>;
                })
    parts = parts | Part::points;
  if constexpr (requires(const D& set) {
                  { set.boxes(0) } -> std::convertible_to<std::vector<Box>>;
                })
    parts = parts | Part::boxes;
  if constexpr (requires(const D& set) {
                  { set.mask(0) } -> std::same_as<LabelMap>;
                })
    parts = parts | Part::mask;
  if constexpr (requires(const D& set) {
                  { set.depth(0) } -> std::same_as<DepthMap>;
                })
    parts = parts | Part::depth;
  return parts;
}

/// A set that is made of another: it knows its parts at run time and passes whole samples on.
template <class D>
concept GivesSamples = requires(const D& set, std::size_t i, Parts parts, const CropPlan& plan) {
  { set.parts() } -> std::convertible_to<Parts>;
  { set.sample(i, parts, plan) } -> std::same_as<Sample>;
};

}  // namespace detail

/// A set of samples. All of it must be safe to call from several threads at once.
///   label(i)       its class in [0, class_names().size()), -1 where there is none
///   name()         for messages: "cifar10 train"
/// and a member for each part of a sample that the set has (media/sample.hpp), one at least:
///   image(i)       RGB or grey; throws `Error` naming the file when it cannot be read
///   texts(i), sound(i), clip(i), points(i), boxes(i), mask(i), depth(i)
/// Four members are optional: `epoch_order(rng)` is the order of an epoch where reading by chance is slow; `image(i, plan)` decodes no more than the plan asks for, where every plan reads at least
/// what the one for the top left pixel reads; `describe(i)` names the sample in messages (its file); `parts()` takes away
/// parts that this set has not, though it has the member.
template <class D>
concept Dataset = requires(const D& set, std::size_t i) {
  { set.size() } -> std::convertible_to<std::size_t>;
  { set.label(i) } -> std::convertible_to<int>;
  { set.class_names() } -> std::convertible_to<std::vector<std::string>>;
  { set.name() } -> std::convertible_to<std::string>;
}
&&(detail::parts_of_members<D>() != Parts() || detail::GivesSamples<D>);

/// Any `Dataset` behind one type, so that a program chooses at run time. Copies share the set.
class AnyDataset {
 public:
  AnyDataset() = default;

  template <class D>
  requires(!std::same_as<std::remove_cvref_t<D>, AnyDataset> && Dataset<std::remove_cvref_t<D>>) AnyDataset(D&& set)
      : self_(std::make_shared<Model<std::remove_cvref_t<D>>>(std::forward<D>(set))) {}

  bool defined() const { return self_ != nullptr; }
  std::size_t size() const { return self_->size(); }
  /// What the samples have.
  Parts parts() const { return self_->parts(); }
  /// A sample with its label and the `wanted` parts; throws where the set has them not, or one cannot be read.
  Sample sample(std::size_t i, Parts wanted, const CropPlan& plan = {}) const { return self_->sample(i, wanted, plan); }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return sample(i, Part::image, plan).image; }
  int label(std::size_t i) const { return self_->label(i); }
  std::vector<std::string> class_names() const { return self_->class_names(); }
  std::string name() const { return self_->name(); }
  std::string describe(std::size_t i) const { return self_->describe(i); }

  /// Whether the samples have classes at all.
  bool has_labels() const { return size() > 0 && !class_names().empty(); }

  /// The sample, or nothing where it cannot be read: the reason is then written to stderr, once for each sample of the
  /// set, and counted. One that no plan can read is not tried again. An image that is damaged further down is: what is
  /// above the damage stays readable, so that the answer depends on the arguments alone and not on what was asked before.
  std::optional<Sample> sample_or_report(std::size_t i, Parts wanted, const CropPlan& plan = {}) const {
    return self_->sample_or_report(i, wanted, plan);
  }
  std::optional<Image> image_or_report(std::size_t i, const CropPlan& plan = {}) const {
    std::optional<Sample> sample = sample_or_report(i, Part::image, plan);
    if (!sample) return std::nullopt;
    return std::move(sample->image);
  }

  /// The order in which an epoch goes through the samples, each once, where the set has one of its own: by chance, yet kind
  /// to the disk. Nothing where any order is as good.
  std::optional<std::vector<std::uint32_t>> epoch_order(Rng rng) const { return self_->epoch_order(rng); }

  /// How many samples could not be read so far; for a part of a set, how many of the whole.
  std::size_t unreadable() const { return self_->unreadable(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::size_t size() const = 0;
    virtual Parts parts() const = 0;
    virtual Sample sample(std::size_t i, Parts wanted, const CropPlan& plan) const = 0;
    virtual int label(std::size_t i) const = 0;
    virtual std::vector<std::string> class_names() const = 0;
    virtual std::string name() const = 0;
    virtual std::string describe(std::size_t i) const = 0;
    virtual std::optional<Sample> sample_or_report(std::size_t i, Parts wanted, const CropPlan& plan) = 0;
    virtual std::size_t unreadable() = 0;
    virtual std::optional<std::vector<std::uint32_t>> epoch_order(Rng rng) const = 0;
  };

  template <class D>
  struct Model final : Interface {
    explicit Model(D value) : set(std::move(value)) {}
    std::size_t size() const override { return set.size(); }
    int label(std::size_t i) const override { return set.label(i); }
    std::vector<std::string> class_names() const override { return set.class_names(); }
    std::string name() const override { return set.name(); }
    Parts parts() const override {
      if constexpr (requires { set.parts(); })
        return set.parts();
      else
        return detail::parts_of_members<D>();
    }
    std::string describe(std::size_t i) const override {
      if constexpr (requires { set.describe(i); })
        return set.describe(i);
      else
        return join("sample ", i, " of ", set.name());
    }

    Sample sample(std::size_t i, Parts wanted, const CropPlan& plan) const override {
      require(parts().contains(wanted), "[data] ", name(), " has ", to_string(parts()), ", but no ",
              to_string(wanted.without(parts())));
      if constexpr (detail::GivesSamples<D>) {
        Sample sample = set.sample(i, wanted, plan);
        sample.label = set.label(i);
        return sample;
      } else {
        constexpr Parts has = detail::parts_of_members<D>();
        Sample sample;
        sample.label = set.label(i);
        if constexpr (has.contains(Part::image))
          if (wanted.contains(Part::image)) read_image(i, plan, sample);
        if constexpr (has.contains(Part::texts))
          if (wanted.contains(Part::texts)) sample.texts = set.texts(i);
        if constexpr (has.contains(Part::sound))
          if (wanted.contains(Part::sound)) sample.sound = set.sound(i);
        if constexpr (has.contains(Part::clip))
          if (wanted.contains(Part::clip)) sample.clip = set.clip(i);
        if constexpr (has.contains(Part::points))
          if (wanted.contains(Part::points)) sample.points = set.points(i);
        if constexpr (has.contains(Part::boxes))
          if (wanted.contains(Part::boxes)) sample.boxes = set.boxes(i);
        if constexpr (has.contains(Part::mask))
          if (wanted.contains(Part::mask)) sample.mask = set.mask(i);
        if constexpr (has.contains(Part::depth))
          if (wanted.contains(Part::depth)) sample.depth = set.depth(i);
        return sample;
      }
    }
    void read_image(std::size_t i, const CropPlan& plan, Sample& sample) const {
      const CropPlan noted = [&](int height, int width) {
        sample.full = {height, width};
        return plan(height, width);
      };
      if constexpr (requires { set.image(i, plan); })
        sample.image = set.image(i, plan ? noted : plan);
      else
        sample.image = set.image(i);
      if (sample.full.height == 0) sample.full = {sample.image.height, sample.image.width};
    }

    std::optional<Sample> sample_or_report(std::size_t i, Parts wanted, const CropPlan& plan) override {
      if constexpr (requires { set.sample_or_report(i, wanted, plan); }) {
        std::optional<Sample> sample = set.sample_or_report(i, wanted, plan);
        if (sample) sample->label = set.label(i);
        return sample;
      } else {
        if (hopeless(i, wanted)) return std::nullopt;
        try {
          return sample(i, wanted, plan);
        } catch (const Error& error) {
          note(i, wanted, error);
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

    std::optional<std::vector<std::uint32_t>> epoch_order(Rng rng) const override {
      if constexpr (requires { set.epoch_order(rng); })
        return set.epoch_order(rng);
      else
        return std::nullopt;
    }

    bool hopeless(std::size_t i, Parts wanted) {
      const std::lock_guard hold(lock);
      const auto known = failures.find(i);
      return known != failures.end() && known->second.contains(wanted) && known->second.at(wanted);
    }
    void note(std::size_t i, Parts wanted, const Error& error) {
      {
        const std::lock_guard hold(lock);
        const auto known = failures.find(i);
        if (known != failures.end() && known->second.contains(wanted)) return;
      }
      bool top_is_readable = true;
      try {
        sample(i, wanted, [](int, int) { return Region{0, 0, 1, 1}; });
      } catch (const Error&) {
        top_is_readable = false;
      }
      const std::lock_guard hold(lock);
      const bool first = !failures.contains(i);
      failures[i].emplace(wanted, !top_is_readable);
      if (first) std::fprintf(stderr, "skipped: %s\n", error.what());
    }

    D set;
    std::mutex lock;
    std::map<std::size_t, std::map<Parts, bool>> failures;  // whether no plan can read these parts of a sample
  };

  std::shared_ptr<Interface> self_;
};

}  // namespace contrastive
