// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/data/boxed_images.hpp"

#if defined(CONTRASTIVE_WITH_JSON)
#include "contrastive/io/json.hpp"
#endif

namespace contrastive {

/// The contents of a file of COCO's instances. The label of a box is the place of its class in `names`, and the file of an image its
/// `file_name`.
struct CocoBoxes {
  std::vector<std::string> names;
  std::vector<BoxedImage> images;
};

#if defined(CONTRASTIVE_WITH_JSON)

namespace detail {

inline const Json& coco_list(const Json& root, const char* key, std::string_view name) {
  require(root.is_object() && root.contains(key) && root[key].is_array(), "[coco] ", name,
          ": expected COCO's instances, an object with the lists images, annotations and categories; there is no list ",
          key);
  return root[key];
}
inline std::int64_t coco_number(const Json& object, const char* key, const std::string& place) {
  require(object.is_object() && object.contains(key) && is_whole_number(object[key]), place, ": no whole number ", key);
  return object[key].get<std::int64_t>();
}
inline std::string coco_text(const Json& object, const char* key, const std::string& place) {
  require(object.is_object() && object.contains(key) && object[key].is_string() &&
              !object[key].get_ref<const std::string&>().empty(),
          place, ": no text ", key);
  return object[key].get<std::string>();
}

}  // namespace detail

/// Reads COCO's instances (Lin et al. 2014; cocodataset.org, format-data). A box is [x, y, width, height]; `iscrowd` and
/// `area` are kept, outlines are not read. Throws `Error` naming the file and the entry's id.
inline CocoBoxes parse_coco_boxes(std::string_view text, std::string_view name) {
  const Json root = parse_json(text, name);
  const Json &images = detail::coco_list(root, "images", name),
             &annotations = detail::coco_list(root, "annotations", name),
             &categories = detail::coco_list(root, "categories", name);
  CocoBoxes coco;
  std::map<std::int64_t, int> classes;
  std::map<std::string, std::int64_t> known;
  for (std::size_t c = 0; c < categories.size(); ++c) {
    const std::string place = join("[coco] ", name, ": categories[", c, "]");
    const std::int64_t id = detail::coco_number(categories[c], "id", place);
    require(classes.emplace(id, static_cast<int>(c)).second, place, ": a second category with the id ", id);
    coco.names.push_back(detail::coco_text(categories[c], "name", place));
    const auto [same, fresh] = known.emplace(coco.names.back(), id);
    require(fresh, place, ": the categories ", same->second, " and ", id, " are both called ", coco.names.back());
  }
  require(!coco.names.empty() && coco.names.size() <= 60000, "[coco] ", name, ": expected 1 to 60000 categories, got ",
          coco.names.size());
  std::map<std::int64_t, std::size_t> numbered;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string place = join("[coco] ", name, ": images[", i, "]");
    const std::int64_t id = detail::coco_number(images[i], "id", place);
    require(numbered.emplace(id, i).second, place, ": a second image with the id ", id);
    BoxedImage image{detail::coco_text(images[i], "file_name", place), 0, 0, {}, join("image ", id, " of ", name)};
    for (const auto& [key, side] : {std::pair{"width", &image.width}, std::pair{"height", &image.height}}) {
      const std::int64_t pixels = detail::coco_number(images[i], key, place);
      require(pixels >= 1 && pixels <= 1 << 20, place, ": the image ", id, " has a ", key, " of ", pixels);
      *side = static_cast<int>(pixels);
    }
    coco.images.push_back(std::move(image));
  }
  for (std::size_t a = 0; a < annotations.size(); ++a) {
    const Json& one = annotations[a];
    const std::int64_t id = detail::coco_number(one, "id", join("[coco] ", name, ": annotations[", a, "]"));
    const std::string place = join("[coco] ", name, ": annotation ", id);
    const std::int64_t image_id = detail::coco_number(one, "image_id", place),
                       category = detail::coco_number(one, "category_id", place);
    const auto image = numbered.find(image_id);
    require(image != numbered.end(), place, ": image_id ", image_id, " is the id of no image");
    const auto of_class = classes.find(category);
    require(of_class != classes.end(), place, ": category_id ", category, " is the id of no category");
    require(one.contains("bbox") && one["bbox"].is_array() && one["bbox"].size() == 4, place,
            ": expected a bbox [x, y, width, height]");
    double corner[4];
    for (std::size_t k = 0; k < 4; ++k) {
      require(one["bbox"][k].is_number(), place, ": bbox[", k, "] is no number");
      corner[k] = one["bbox"][k].get<double>();
    }
    BoxedImage& of = coco.images[image->second];
    TrueBox box{detail::box_of_file(corner[0], corner[1], corner[0] + corner[2], corner[1] + corner[3], of.width,
                                    of.height, place)};
    box.box.label = of_class->second;
    if (one.contains("area")) {
      require(one["area"].is_number() && one["area"].get<double>() >= 0, place, ": area is no number of 0 or more");
      box.area = one["area"].get<double>();
    }
    if (one.contains("iscrowd")) {
      const Json& crowd = one["iscrowd"];
      require(crowd.is_boolean() || crowd == 0 || crowd == 1, place, ": iscrowd is neither 0 nor 1");
      box.crowd = crowd.is_boolean() ? crowd.get<bool>() : crowd == 1;
    }
    of.boxes.push_back(box);
  }
  return coco;
}

#else

inline CocoBoxes parse_coco_boxes(std::string_view, std::string_view name) {
  fail("[coco] ", name,
       ": this program was built without nlohmann-json (CONTRASTIVE_WITH_JSON, package nlohmann-json3-dev)");
}

#endif

namespace detail {

struct CocoFiles {
  std::string instances, images;
};

/// The file of a part and the folder of its images: ROOT/annotations/instances_train2017.json with ROOT/train2017 or
/// ROOT/images/train2017; or ROOT/train/_annotations.coco.json with the images beside it. Empty where there is none.
inline CocoFiles coco_files(const std::string& root, const std::string& part) {
  std::vector<CocoFiles> found;
  const fs::path annotations = fs::path(root) / "annotations";
  if (is_folder(annotations))
    for (const fs::path& entry : entries_of(annotations)) {
      const std::string stem = entry.stem().string();
      if (entry.extension() != ".json" || !stem.starts_with("instances_" + part)) continue;
      const std::string suffix = stem.substr(10);
      for (const fs::path& folder :
           {fs::path(root) / suffix, fs::path(root) / "images" / suffix, fs::path(root) / "images"})
        if (is_folder(folder)) {
          found.push_back({entry.string(), folder.string()});
          break;
        }
      require(!found.empty() && found.back().instances == entry.string(), "[coco] ", entry.string(),
              ": there is no folder ", root, "/", suffix, " with its images");
    }
  const fs::path folder = fs::path(root) / (part == "val" && is_folder(fs::path(root) / "valid") ? "valid" : part);
  if (is_file(folder / "_annotations.coco.json"))
    found.push_back({(folder / "_annotations.coco.json").string(), folder.string()});
  require(found.size() < 2, "[coco] ", root, ": two files for one part, ", found.empty() ? "" : found.front().instances,
          " and ", found.empty() ? "" : found.back().instances);
  return found.empty() ? CocoFiles{} : found[0];
}

}  // namespace detail

/// A folder in COCO's layout, see `detail::coco_files`. "test" is val where test has no boxes, as in COCO itself.
inline BoxedImages read_coco(const std::string& root, const std::string& split, bool strict = false) {
  detail::require_folder("coco", root);
  require(split == "train" || split == "val" || split == "test", "[coco] split is train, val or test, got ", split);
  detail::CocoFiles files = detail::coco_files(root, split);
  if (split == "test" && files.instances.empty()) files = detail::coco_files(root, "val");
  require(!files.instances.empty(), "[coco] ", root, ": there is no annotations/instances_",
          split == "test" ? "test or val" : split, "*.json and no ", split, "/_annotations.coco.json (--root)");
  CocoBoxes coco = parse_coco_boxes(read_text(files.instances), files.instances);
  for (BoxedImage& image : coco.images) image.file = (detail::fs::path(files.images) / image.file).string();
  return {"coco " + split, std::move(coco.names), std::move(coco.images), strict};
}

}  // namespace contrastive
