// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "contrastive/core/compiled.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/data/captions.hpp"
#include "contrastive/data/cifar.hpp"
#include "contrastive/data/coco.hpp"
#include "contrastive/data/dataset.hpp"
#include "contrastive/data/drawings.hpp"
#include "contrastive/data/emoji.hpp"
#include "contrastive/data/idx.hpp"
#include "contrastive/data/image_folder.hpp"
#include "contrastive/data/label_folders.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/phrase_boxes.hpp"
#include "contrastive/data/scene_objects.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/data/scenes.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/data/split_folders.hpp"
#include "contrastive/data/stl10.hpp"
#include "contrastive/data/voc.hpp"
#include "contrastive/data/webdataset.hpp"

namespace contrastive {

namespace detail {

inline std::size_t or_else(std::size_t size, std::size_t usual) { return size > 0 ? size : usual; }

inline EmojiOptions emoji_options(const std::string& root, const DatasetOptions& options) {
  EmojiOptions emoji;
  if (!root.empty()) {
    require_folder("emoji", root);
    emoji.font = root + "/NotoColorEmoji.ttf";
    emoji.list = root + "/emoji-test.txt";
  }
  if (!options.label.empty()) emoji.label = options.label;
  emoji.language = options.language;
  return emoji;
}

inline SceneOptions scene_options(const std::string& name, const std::string& root, const std::string& split,
                                  const DatasetOptions& options) {
  SceneOptions scenes{.count = split == "train" ? or_else(options.train_size, 100000) : options.test_size};
  scenes.image_size = options.image_size, scenes.seed = options.seed, scenes.split = split;
  scenes.sprites = name.starts_with("shape_") ? "shapes" : options.sprites;
  scenes.hold_out = !name.ends_with("_whole");
  scenes.emoji = emoji_options(root, options);
  return scenes;
}

}  // namespace detail

CONTRASTIVE_ONCE AnyDataset open_dataset(const std::string& name, const std::string& root, const std::string& split,
                                         const DatasetOptions& options) {
  if (name == "fashion") return read_fashion(root, split);
  if (name == "cifar10") return read_cifar10(root, split);
  if (name == "cifar100") return read_cifar100(root, split);
  if (name == "stl10") return Stl10(root, split);
  if (name == "idx") return read_idx_folder(root, split);
  if (name == "shapes")
    return Shapes(split == "test" ? options.test_size : detail::or_else(options.train_size, 5000), options.image_size,
                  options.label.empty() ? "shape" : options.label, options.seed, split);
  if (detail::is_scenes(name)) {
    require(options.label.empty() || options.label == "noun" || options.label == "phrase",
            "[scenes] the class of a scene is its main sprite's noun or phrase (\"red apple\"): there is no --label ",
            options.label);
    Scenes scenes(detail::scene_options(name, root, split, options));
    return options.label == "phrase" ? AnyDataset(ScenePhrases(std::move(scenes))) : AnyDataset(std::move(scenes));
  }
  if (detail::is_scene_objects(name)) {
    require(options.label.empty(), "[scene_objects] the class of an object is its noun: there is no --label ",
            options.label);
    return SceneObjects(detail::scene_options(name, root, split, options));
  }
  if (name == "camvid") return read_camvid(root, split);
  if (name == "ade20k") return read_ade20k(root, split);
  if (name == "coco") return read_coco(root, split, options.strict);
  if (name == "voc") return read_voc(root, split, options.strict);
  if (name == "emoji") return read_emoji(split, detail::emoji_options(root, options));
  if (name == "clipart") return root.empty() ? Clipart(split) : Clipart(split, root);
  if (name == "stamps") return root.empty() ? Stamps(split, options.language) : Stamps(split, options.language, root);
  if (name == "captions") return Captions(root, options.captions, split, options.strict);
  if (name == "phrases") return PhrasedImages(root, options.captions, split, options.strict);
  if (name == "webdataset") return WebDataset(root, split);
  if (name == "folder") return ImageFolder(detail::folder_part(root, split, detail::picture_files()));
  std::string known;
  for (const std::string& one : dataset_names()) known += (known.empty() ? "" : ", ") + one;
  fail("[data] unknown data set ", name, " (--data): expected one of ", known);
}

}  // namespace contrastive
