// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/data/annotations.hpp"
#include "contrastive/data/boxed_images.hpp"
#include "contrastive/data/xml.hpp"

namespace contrastive {

/// The contents of one file of PASCAL VOC. The label of a box is the place of its class in `names`.
struct VocBoxes {
  std::vector<std::string> names;
  BoxedImage image;
};

namespace detail {

inline double xml_number(const XmlElement& parent, std::string_view tag, const std::string& place) {
  const XmlElement* const found = parent.child(tag);
  require(found != nullptr, place, ": there is no <", tag, "> in <", parent.name, ">");
  const std::string_view text = trimmed(found->text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value), place, ": <", tag,
          "> is no number, got ", text.substr(0, 40));
  return value;
}
inline std::string xml_word(const XmlElement& parent, std::string_view tag, const std::string& place) {
  const XmlElement* const found = parent.child(tag);
  require(found != nullptr && !trimmed(found->text).empty(), place, ": there is no <", tag, "> in <", parent.name, ">");
  return std::string(trimmed(found->text));
}

}  // namespace detail

/// Reads one annotation of PASCAL VOC (Everingham et al. 2010). Its pixels count from 1 and xmax, ymax are the last of the
/// object: left is xmin - 1, right is xmax. Difficult objects are kept as crowds, which do not count. Throws `Error` naming
/// the file and the object.
inline VocBoxes parse_voc_boxes(std::string_view text, std::string_view name) {
  const detail::XmlElement root = detail::XmlReader(text, name).read();
  const std::string file = join("[voc] ", name);
  require(root.name == "annotation", file, ": expected <annotation>, got <", root.name, ">");
  VocBoxes voc{{}, {{}, 0, 0, {}, std::string(name)}};
  if (const detail::XmlElement* const size = root.child("size")) {
    const double width = detail::xml_number(*size, "width", file), height = detail::xml_number(*size, "height", file);
    require(width >= 0 && height >= 0 && width <= 1 << 20 && height <= 1 << 20, file, ": the image is ", width, " x ",
            height);
    if (width >= 1 && height >= 1)  // some tools write 0 where they do not know
      voc.image.width = static_cast<int>(width), voc.image.height = static_cast<int>(height);
  }
  int number = 0;
  for (const detail::XmlElement& object : root.children) {
    if (object.name != "object") continue;
    const std::string place = join(file, ": object ", ++number);
    const std::string word = detail::xml_word(object, "name", place);
    const detail::XmlElement* const box = object.child("bndbox");
    require(box != nullptr, place, ": there is no <bndbox> in <object>");
    const auto at = [&](const char* tag) { return detail::xml_number(*box, tag, place); };
    TrueBox one{detail::box_of_file(at("xmin") - 1, at("ymin") - 1, at("xmax"), at("ymax"), voc.image.width,
                                    voc.image.height, place)};
    if (object.child("difficult") != nullptr) one.crowd = detail::xml_number(object, "difficult", place) != 0;
    const auto known = std::find(voc.names.begin(), voc.names.end(), word);
    one.box.label = static_cast<int>(known - voc.names.begin());
    if (known == voc.names.end()) voc.names.push_back(word);
    voc.image.boxes.push_back(one);
  }
  return voc;
}

namespace detail {

/// The names in a list of images; more words of a line are passed over.
inline std::vector<std::string> voc_list(const fs::path& path) {
  std::vector<std::string> names;
  for (const std::string& line : read_names(path)) {
    const std::string_view word = trimmed(line);
    if (!word.empty()) names.emplace_back(word.substr(0, word.find_first_of(" \t")));
  }
  require(!names.empty(), "[voc] ", path.string(), ": names no image");
  return names;
}

/// The list of a part: "test" is test.txt, or val.txt where there is none; "train" is all that is not that.
inline fs::path voc_list_of(const std::string& root, const std::string& split) {
  const fs::path lists = fs::path(root) / "ImageSets/Main";
  require(is_folder(lists), "[voc] ", lists.string(), ": no such folder; expected ImageSets/Main/train.txt (--root)");
  const bool tests = is_file(lists / "test.txt");
  const fs::path found = split == "train"
                             ? tests ? find_file(lists, {"trainval.txt", "train.txt"}) : find_file(lists, {"train.txt"})
                         : split == "test" ? find_file(lists, {"test.txt", "val.txt"})
                                           : find_file(lists, {"val.txt"});
  require(!found.empty(), "[voc] ", lists.string(), ": there is no list ", split, ".txt (--root)");
  return found;
}

}  // namespace detail

/// A folder in PASCAL VOC's layout: JPEGImages, Annotations with an XML file for each image, and ImageSets/Main with the
/// lists train.txt, val.txt, trainval.txt and test.txt. With a test.txt, trainval.txt is learned from, as in VOC 2007;
/// without, train.txt, and val.txt tests. Classes are the names in all annotations, sorted.
inline BoxedImages read_voc(const std::string& root, const std::string& split, bool strict = false) {
  detail::require_folder("voc", root);
  require(split == "train" || split == "val" || split == "test", "[voc] split is train, val or test, got ", split);
  const detail::fs::path list = detail::voc_list_of(root, split), folder = detail::fs::path(root) / "Annotations";
  require(detail::is_folder(folder), "[voc] ", folder.string(), ": no such folder (--root)");
  std::map<std::string, VocBoxes> known;
  std::set<std::string> names;
  for (const detail::fs::path& path : detail::entries_of(folder)) {
    if (detail::lower(path.extension().string()) != ".xml") continue;
    VocBoxes one = parse_voc_boxes(read_text(path.string()), path.string());
    names.insert(one.names.begin(), one.names.end());
    known.emplace(path.stem().string(), std::move(one));
  }
  const std::vector<std::string> sorted(names.begin(), names.end());
  std::vector<BoxedImage> images;
  for (const std::string& word : detail::voc_list(list)) {
    const auto found = known.find(word);
    require(found != known.end(), "[voc] ", list.string(), ": names ", word, ", and there is no ", folder.string(), "/",
            word, ".xml");
    const auto& [own, image] = found->second;
    images.push_back(image);
    for (TrueBox& one : images.back().boxes)
      one.box.label = static_cast<int>(
          std::lower_bound(sorted.begin(), sorted.end(), own[static_cast<std::size_t>(one.box.label)]) -
          sorted.begin());
    const detail::fs::path pictures = detail::fs::path(root) / "JPEGImages";
    const detail::fs::path file =
        detail::find_file(pictures, {(word + ".jpg").c_str(), (word + ".jpeg").c_str(), (word + ".png").c_str()});
    images.back().file = file.empty() ? (pictures / (word + ".jpg")).string() : file.string();
  }
  return {"voc " + split, sorted, std::move(images), strict};
}

}  // namespace contrastive
