// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/captions.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/media/detection.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

/// An image's boxes, as a file tells of them.
struct BoxedImage {
  std::string file;           // its path
  int width = 0, height = 0;  // which the boxes are for; 0: the file does not say
  std::vector<TrueBox> boxes;
  std::string place;  // in the file, for messages
};

namespace detail {

/// A box as a file has it, cut to its image: files round, so that it may leave the image by a pixel. Throws `Error` that
/// begins with `place` for one with a negative side or outside the image; `width` 0: the size is not known.
inline Box box_of_file(double left, double top, double right, double bottom, int width, int height,
                       const std::string& place) {
  const auto text = [&] { return join("(", left, ", ", top, ", ", right, ", ", bottom, ")"); };
  require(std::isfinite(left) && std::isfinite(top) && std::isfinite(right) && std::isfinite(bottom), place,
          ": the box ", text(), " is not finite");
  require(right >= left && bottom >= top, place, ": the box ", text(), " has a negative side");
  require(left >= -1 && top >= -1 && (width == 0 || (right <= width + 1.0 && bottom <= height + 1.0)), place,
          ": the box ", text(), " lies outside its image",
          width == 0 ? std::string() : join(" of ", width, " x ", height));
  const auto within = [](double at, int side) {
    return static_cast<float>(std::clamp(at, 0.0, side > 0 ? static_cast<double>(side) : 1e9));
  };
  return {within(left, width), within(top, height), within(right, width), within(bottom, height), -1};
}

}  // namespace detail

/// Images of files with their boxes; files are opened when they are asked for. Images that are missing, and boxes without an
/// area, are left out, counted, and told of in one line; `strict` refuses them.
class BoxedImages {
 public:
  BoxedImages(std::string title, std::vector<std::string> names, std::vector<BoxedImage> images, bool strict)
      : title_(std::move(title)), names_(std::move(names)) {
    detail::LeftOut missing, flat;
    std::size_t boxes = 0;
    for (BoxedImage& image : images) {
      boxes += image.boxes.size();
      std::erase_if(image.boxes, [&](const TrueBox& one) {
        const bool gone = !(one.box.area() > 0);
        if (gone) flat.add(join("in ", image.file, " (", image.place, ")"));
        return gone;
      });
      if (detail::is_file(image.file))
        images_.push_back(std::move(image));
      else
        missing.add(join(image.file, " (", image.place, ")"));
    }
    require(!images_.empty(), "[", title_, "] none of the ", images.size(), " images is there",
            images.empty() ? std::string() : join(", first ", missing.first()));
    missing.say(title_, images.size(), "images are missing", strict);
    flat.say(title_, boxes, "boxes have no area", strict);
  }

  std::size_t size() const { return images_.size(); }
  const std::string& name() const { return title_; }
  const std::vector<std::string>& class_names() const { return names_; }
  int label(std::size_t) const { return -1; }  // its boxes have classes, an image has none
  std::string describe(std::size_t i) const { return images_.at(i).file; }

  /// All boxes of an image, crowds among them.
  const std::vector<TrueBox>& truth(std::size_t i) const { return images_.at(i).boxes; }

  Parts parts() const { return Part::image | Part::boxes; }
  /// Its boxes are those of single objects. Throws `Error` where the image has another size than its boxes are for.
  Sample sample(std::size_t i, Parts wanted, const CropPlan&) const {
    const BoxedImage& one = images_.at(i);
    Sample sample;
    if (wanted.contains(Part::image)) sample.image = read_image(one.file);
    sample.full = {sample.image.height, sample.image.width};
    if (!wanted.contains(Part::boxes)) return sample;
    require(!wanted.contains(Part::image) || one.width == 0 ||
                (sample.image.width == one.width && sample.image.height == one.height),
            "[", title_, "] ", one.file, ": the image is ", sample.image.width, " x ", sample.image.height,
            ", its boxes are for ", one.width, " x ", one.height, " (", one.place, ")");
    for (const TrueBox& box : one.boxes)
      if (!box.crowd) sample.boxes.push_back(box.box);
    return sample;
  }

 private:
  std::string title_;
  std::vector<std::string> names_;
  std::vector<BoxedImage> images_;
};

}  // namespace contrastive
