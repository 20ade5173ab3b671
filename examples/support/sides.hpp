// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/methods/towers.hpp"
#include "support/run.hpp"

namespace app {

/// An encoder of another run or file, whatever it is, that stands still.
struct LockedEncoder {
  std::function<Tensor(const Tensor&)> encode;
  std::int64_t width = 0;
  std::vector<std::pair<std::string, Buffer>> state;  // saved with what stands on it

  std::int64_t features() const { return width; }
  Tensor operator()(const Tensor& x) const { return encode(x); }
  template <class F>
  void members(F&& f) {
    for (auto& [name, tensor] : state) f(name, tensor);
  }
};

/// A locked encoder, and the view of an image that it takes.
struct Locked {
  LockedEncoder encoder;
  AnyAugment view;
  std::string preparation;
};

/// The encoder of the run folder or checkpoint `where`, of any method that learns from images, or the image tower of
/// published weights.
Locked load_locked_image(const std::string& where);

/// An encoder to be trained further, and what it wants to see: `train` draws a crop first.
struct StartedImage {
  ImageEncoder encoder;
  AnyAugment train, view;
  std::string preparation;
};

/// The encoder of the run folder or checkpoint `where`, of a method whose encoder is one of `encoder_names()`.
StartedImage load_start_image(const std::string& where);

/// Puts the weights of a run of the same method, with the same towers, into `method`.
void load_start(const std::string& where, const AnyMethod& method);

/// The model of images and texts of a run or of published weights.
ImageTextModel load_image_text(const std::string& where);

/// Some texts to unit rows (n, D) on the CPU, by a text tower that stands still: of the run folder or checkpoint `where`, or
/// of published weights.
std::function<Tensor(const std::vector<std::string>&)> load_text_rows(const std::string& where);

/// Either side of a method of images and texts: an encoder that is trained, or one that stands still, whose rows are
/// kept by sample where there are `samples`.
template <class Trained>
class Side {
 public:
  Side(Trained encoder) : held_(std::move(encoder)) {}
  Side(LockedEncoder encoder, std::int64_t samples) : held_(Frozen(std::move(encoder), samples)) {}

  std::int64_t features() const {
    if (const Trained* trained = std::get_if<Trained>(&held_)) return trained->features();
    return std::get<Frozen<LockedEncoder>>(held_).inner().features();
  }
  bool ends_in_shared_space() const {
    if constexpr (requires(const Trained& trained) { trained.ends_in_shared_space(); })
      if (const Trained* trained = std::get_if<Trained>(&held_)) return trained->ends_in_shared_space();
    return false;
  }
  Tensor operator()(const Tensor& x) const {
    return std::visit([&](const auto& encoder) { return encoder(x); }, held_);
  }
  Tensor at(const Views& views, std::size_t v) const {
    if (const Trained* trained = std::get_if<Trained>(&held_)) return (*trained)(views.view[v]);
    return std::get<Frozen<LockedEncoder>>(held_).at(views, v);
  }
  template <class F>
  void members(F&& f) {
    std::visit([&](auto& encoder) { f("", encoder); }, held_);
  }

 private:
  std::variant<Trained, Frozen<LockedEncoder>> held_;
};

}  // namespace app
