// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <tuple>
#include <utility>

#include "contrastive/augment/augment.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/crop.hpp"
#include "contrastive/augment/normalize.hpp"

namespace contrastive {

/// A step of a view: changes the canvas, drawing from the stream, and notes what it drew.
template <class T>
concept Transform = requires(const T& step, Canvas& canvas, Stream& stream, Drawn& drawn) {
  step(canvas, stream, drawn);
};

/// The last step: writes the canvas as floats (H, W, C), and makes a picture of such floats.
template <class T>
concept OutputStep = requires(const T& step, const Canvas& canvas, float* out) {
  step.write(canvas, out);
  { step.picture(out, int{}, int{}, int{}) } -> std::same_as<Image>;
};

/// Another step with probability `p`.
template <class Step>
struct RandomApply {
  double p = 0.5;
  Step step{};

  RandomApply() = default;
  RandomApply(double probability, Step inner) : p(probability), step(std::move(inner)) {}

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    static_assert(Transform<Step>,
                  "RandomApply: a step is `void operator()(Canvas&, Stream&, Drawn&) const` "
                  "(docs/guides/add-an-augmentation.md)");
    if (stream.chance(p)) step(canvas, stream, drawn);
  }
};

/// One view as a sentence: a crop, any number of transforms in order, and, last, an optional `Normalize`.
///
///     const Compose view{RandomResizedCrop{.size = 32}, RandomFlip{},
///                        RandomApply{0.8, ColorJitter{0.4, 0.4, 0.4, 0.1}}, RandomGrayscale{}};
///
/// Draws come from one stream, step after step.
template <class Crop, class... Steps>
class Compose {
 public:
  Compose() = default;
  explicit Compose(Crop crop, Steps... steps) : crop_(std::move(crop)), steps_(std::move(steps)...) {
    require(crop_.size > 0 && (crop_.channels == 1 || crop_.channels == 3),
            "[compose] expected a view of at least 1 pixel and 1 or 3 channels, got ", crop_.size, " and ",
            crop_.channels);
  }

  ViewSpec view() const {
    ViewSpec spec(crop_.size, crop_.channels);
    spec.to_picture = [step = last()](const float* numbers, int height, int width, int channels) {
      return step.picture(numbers, height, width, channels);
    };
    return spec;
  }

  /// The steps, to read or to tune: `view.template step<RandomFlip>().p = 0`.
  Crop& crop_step() { return crop_; }
  const Crop& crop_step() const { return crop_; }
  template <class Step>
  Step& step() {
    return std::get<Step>(steps_);
  }
  template <class Step>
  const Step& step() const {
    return std::get<Step>(steps_);
  }

  /// The part of a picture of that size that `operator()` with the same `rng` looks at.
  CropBox crop(ImageSize full, Rng rng) const {
    Stream stream(rng);
    Drawn drawn;
    crop_.place(full, stream, drawn);
    return drawn.crop;
  }

  void operator()(const Image& image, Rng rng, float* out, Drawn* drawn = nullptr) const {
    (*this)(image, {image.height, image.width}, rng, out, drawn);
  }

  /// `image` is the picture of size `full`, or a smaller version of it.
  void operator()(const Image& image, ImageSize full, Rng rng, float* out, Drawn* drawn = nullptr) const {
    thread_local Canvas canvas;
    Drawn record;
    Stream stream(rng);
    Placement place = crop_.place(full, stream, record);
    if (image.height != full.height || image.width != full.width) shrink(place, full, image);
    resample(image, place, crop_.channels, canvas);
    std::apply([&](const auto&... step) { (apply(step, canvas, stream, record), ...); }, steps_);
    last().write(canvas, out);
    if (drawn) *drawn = record;
  }

 private:
  static_assert(CropStep<Crop>,
                "Compose: the first step is a crop, `Placement place(ImageSize, Stream&, Drawn&) const` "
                "with `size` and `channels` (docs/guides/add-an-augmentation.md)");
  static_assert(((Transform<Steps> || OutputStep<Steps>)&&...),
                "Compose: a step is `void operator()(Canvas&, Stream&, Drawn&) const` "
                "(docs/guides/add-an-augmentation.md)");

  static constexpr bool has_output() {
    if constexpr (sizeof...(Steps) > 0)
      return OutputStep<std::tuple_element_t<sizeof...(Steps) - 1, std::tuple<Steps...>>>;
    else
      return false;
  }
  static_assert((static_cast<int>(OutputStep<Steps>) + ... + 0) == (has_output() ? 1 : 0),
                "Compose: only the last step may be a Normalize");

  template <class Step>
  static void apply(const Step& step, Canvas& canvas, Stream& stream, Drawn& record) {
    if constexpr (!OutputStep<Step>) step(canvas, stream, record);
  }

  decltype(auto) last() const {
    if constexpr (has_output())
      return (std::get<sizeof...(Steps) - 1>(steps_));
    else
      return Normalize{};
  }

  static void shrink(Placement& place, ImageSize full, const Image& image) {
    const double down = static_cast<double>(image.height) / full.height;
    const double across = static_cast<double>(image.width) / full.width;
    place.top *= down;
    place.left *= across;
    place.height = std::min(place.height * down, image.height - place.top);
    place.width = std::min(place.width * across, image.width - place.left);
  }

  Crop crop_;
  std::tuple<Steps...> steps_;
};

template <class T>
concept ViewTransform = requires(const T& view, const Image& image, ImageSize full, Rng rng, float* out, Drawn* drawn) {
  { view.view() } -> std::same_as<ViewSpec>;
  { view.crop(full, rng) } -> std::same_as<CropBox>;
  view(image, full, rng, out, drawn);
};

}  // namespace contrastive
