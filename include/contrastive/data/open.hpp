// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/data/dataset.hpp"

namespace contrastive {

/// What `open_dataset` needs beyond name, folder and split.
struct DatasetOptions {
  std::string label = {};      // shapes: the factor; emoji: group or subgroup; scenes: noun or phrase. Empty: the first
  int image_size = 32;         // shapes, scenes
  std::size_t train_size = 0;  // shapes, scenes. 0: 5,000 and 100,000
  std::size_t test_size = 1000;  // shapes, scenes
  std::uint64_t seed = 0;        // shapes, scenes
  std::string language = {};     // emoji, scenes, stamps: codes, "de,en,zh". Empty: English
  std::string captions = {};     // captions, phrases: the file; captions, empty: the one in the folder
  bool strict = false;  // captions, phrases, coco, voc: refuse what is missing or empty instead of leaving it out
  std::string sprites = "emoji";  // scenes: or shapes
};

/// The names that `open_dataset` knows.
inline const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> names = {"fashion",       "emoji",
                                                 "cifar10",       "cifar100",
                                                 "stl10",         "idx",
                                                 "folder",        "shapes",
                                                 "scenes",        "scenes_whole",
                                                 "shape_scenes",  "shape_scenes_whole",
                                                 "scene_objects", "shape_scene_objects",
                                                 "clipart",       "stamps",
                                                 "captions",      "webdataset",
                                                 "camvid",        "ade20k",
                                                 "coco",          "voc",
                                                 "phrases"};
  return names;
}

namespace detail {

/// Scenes of emoji or of shapes; in the "whole" ones training holds nothing out, for ceilings.
inline bool is_scenes(const std::string& name) {
  return name == "scenes" || name == "scenes_whole" || name == "shape_scenes" || name == "shape_scenes_whole";
}

/// Objects cut out of scenes.
inline bool is_scene_objects(const std::string& name) {
  return name == "scene_objects" || name == "shape_scene_objects";
}

}  // namespace detail

/// Opens a set by the name that `--data` takes. `root` is its folder; what is drawn, and what Debian packages, need none.
/// `split` is "train", "test", "unlabeled" (stl10), "val" (folder, captions, webdataset, coco, voc), or one of those of `Scenes`; a
/// folder is taken as it is unless it has folders for the parts inside, see `detail::split_folders`. Throws `Error` naming
/// the folder, file or flag.
AnyDataset open_dataset(const std::string& name, const std::string& root, const std::string& split,
                        const DatasetOptions& options = {});

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/data/open_parts.hpp"  // IWYU pragma: export
#endif
