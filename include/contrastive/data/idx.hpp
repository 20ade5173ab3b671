// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/cifar.hpp"
#include "contrastive/data/exif.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/gzip.hpp"

namespace contrastive {

/// One IDX array of bytes (LeCun's MNIST format): big-endian sizes, then the values, outermost first.
struct IdxArray {
  std::vector<std::size_t> sizes;
  std::vector<std::uint8_t> values;
};

/// Reads an IDX file held in memory, plain or gzip. Throws `Error` naming the file when the element type is not
/// unsigned byte or the sizes do not fit the length.
inline IdxArray parse_idx(std::span<const std::uint8_t> file, std::string_view name) {
  std::vector<std::uint8_t> unpacked;
  if (detail::is_gzip(file)) {
    unpacked = detail::gunzip(file, name);
    file = unpacked;
  }
  require(file.size() >= 4 && file[0] == 0 && file[1] == 0, "[idx] ", name, ": not an IDX file");
  require(file[2] == 0x08, "[idx] ", name, ": expected unsigned bytes (type 8), got type ", int{file[2]});
  const std::size_t rank = file[3];
  require(rank >= 1 && rank <= 4, "[idx] ", name, ": expected 1 to 4 dimensions, got ", rank);
  const std::size_t header = 4 + 4 * rank;
  require(file.size() >= header, "[idx] ", name, ": the file is truncated");
  IdxArray array;
  std::size_t count = 1;
  std::string shape;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::size_t size = detail::big_endian(file.data() + 4 + 4 * axis, 4);
    array.sizes.push_back(size);
    shape += (axis ? " x " : "") + std::to_string(size);
    // More than the file holds is wrong whatever follows, unless a later size is zero; stopping here keeps the
    // product from overflowing.
    count = count > file.size() ? count : count * size;
  }
  require(count == file.size() - header, "[idx] ", name, ": the header says ", shape, ", but ", file.size() - header,
          " bytes follow it");
  array.values.assign(file.begin() + static_cast<std::ptrdiff_t>(header), file.end());
  return array;
}

/// Pictures (N, H, W) or (N, H, W, C) and, unless `labels_path` is empty, one label each.
inline ArrayDataset read_idx(const std::string& images_path, const std::string& labels_path,
                             std::string title = "idx") {
  IdxArray images = parse_idx(detail::bytes_of(read_file(images_path)), images_path);
  const std::size_t rank = images.sizes.size();
  require(rank == 3 || rank == 4, "[idx] ", images_path, ": pictures have 3 or 4 dimensions, got ", rank);
  const std::size_t C = rank == 4 ? images.sizes[3] : 1;
  require(C == 1 || C == 3, "[idx] ", images_path, ": expected 1 or 3 channels, got ", C);
  require(images.sizes[0] > 0 && images.sizes[1] > 0 && images.sizes[2] > 0, "[idx] ", images_path,
          ": holds no pictures");
  ArrayDataset set{.title = std::move(title),
                   .height = static_cast<int>(images.sizes[1]),
                   .width = static_cast<int>(images.sizes[2]),
                   .channels = static_cast<int>(C),
                   .pixels = std::move(images.values)};
  if (labels_path.empty()) return set;
  const IdxArray labels = parse_idx(detail::bytes_of(read_file(labels_path)), labels_path);
  require(labels.sizes.size() == 1, "[idx] ", labels_path, ": labels have 1 dimension, got ", labels.sizes.size());
  require(labels.sizes[0] == images.sizes[0], "[idx] ", labels_path, ": ", labels.sizes[0], " labels for the ",
          images.sizes[0], " pictures of ", images_path);
  set.labels.assign(labels.values.begin(), labels.values.end());
  set.classes = detail::numbered_names(1 + *std::max_element(set.labels.begin(), set.labels.end()));
  return set;
}

/// A folder with MNIST's file names, plain or gzip: train-images-idx3-ubyte, t10k-images-idx3-ubyte and the labels
/// beside them. Without a labels file the pictures have none. `split` is "train" or "test".
inline ArrayDataset read_idx_folder(const std::string& root, const std::string& split, const char* title = "idx") {
  require(split == "train" || split == "test", "[", title, "] split is train or test, got ", split);
  detail::require_folder(title, root);
  const auto find = [&](const std::string& middle) -> std::string {
    for (const char* prefix : {split == "train" ? "train" : "t10k", split.c_str()})
      for (const char* dash : {"-", "."})
        for (const char* suffix : {"", ".gz"}) {
          const std::string rank = middle == "images" ? "idx3" : "idx1";
          const auto path =
              detail::fs::path(root) / (std::string(prefix) + "-" + middle + dash + rank + "-ubyte" + suffix);
          if (detail::is_file(path)) return path.string();
        }
    return {};
  };
  const std::string images = find("images");
  require(!images.empty(), "[", title, "] ", root, ": no ", split == "train" ? "train" : "t10k",
          "-images-idx3-ubyte[.gz] in this folder (--root)");
  return read_idx(images, find("labels"), std::string(title) + " " + split);
}

/// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 grey pictures, 28 x 28, ten kinds of clothes. An
/// empty `root` looks where Debian's dataset-fashion-mnist puts it.
inline ArrayDataset read_fashion(std::string root, const std::string& split) {
  if (root.empty()) {
    root = "/usr/share/datasets/fashion-mnist";
    require(detail::is_folder(root), "[fashion] ", root,
            ": no such folder: install the package dataset-fashion-mnist, or name the folder with --root");
  }
  ArrayDataset set = read_idx_folder(root, split, "fashion");
  const std::vector<std::string> names = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                          "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};
  if (!set.classes.empty() && set.classes.size() <= names.size()) set.classes = names;
  return set;
}

}  // namespace contrastive
