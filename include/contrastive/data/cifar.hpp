// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

namespace detail {

/// Appends the records of one CIFAR binary file: `label_bytes` labels, of which the last counts, then 32 x 32 red,
/// green and blue planes.
inline void append_cifar(std::span<const std::uint8_t> file, std::string_view name, std::size_t label_bytes,
                         int class_count, ArrayDataset& set) {
  constexpr std::size_t picture = 3 * 32 * 32;
  const std::size_t record = label_bytes + picture;
  require(!file.empty() && file.size() % record == 0, "[cifar] ", name, ": ", file.size(),
          " bytes are not a whole number of records of ", record, " bytes");
  const std::size_t count = file.size() / record, first = set.pixels.size();
  set.pixels.resize(first + count * picture);
  set.labels.reserve(set.labels.size() + count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* from = file.data() + i * record;
    const int label = from[label_bytes - 1];
    require(label < class_count, "[cifar] ", name, ": record ", i, " has label ", label, ", expected less than ",
            class_count);
    set.labels.push_back(label);
    interleave(from + label_bytes, 32, 32, 3, set.pixels.data() + first + i * picture);
  }
}

inline std::vector<std::string> numbered_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

inline ArrayDataset read_cifar(const char* title, const std::string& root, const char* folder, const std::string& split,
                               const std::vector<std::string>& files, std::size_t label_bytes,
                               const std::vector<std::string>& names, const char* names_file) {
  require_folder(title, root);
  const fs::path place = is_folder(fs::path(root) / folder) ? fs::path(root) / folder : fs::path(root);
  ArrayDataset set{.title = std::string(title) + " " + split, .height = 32, .width = 32, .channels = 3};
  for (const std::string& file : files) {
    const fs::path path = place / file;
    require(is_file(path), "[", title, "] ", path.string(),
            ": no such file (the binary version is expected in --root)");
    append_cifar(bytes_of(read_file(path.string())), path.string(), label_bytes, static_cast<int>(names.size()), set);
  }
  std::vector<std::string> read = read_names(place / names_file);
  set.classes = read.size() == names.size() ? std::move(read) : names;
  return set;
}

}  // namespace detail

/// CIFAR-10 in its binary version (Krizhevsky 2009): data_batch_1.bin to data_batch_5.bin, test_batch.bin, in `root`
/// or its cifar-10-batches-bin. `split` is "train" or "test".
inline ArrayDataset read_cifar10(const std::string& root, const std::string& split) {
  require(split == "train" || split == "test", "[cifar10] split is train or test, got ", split);
  std::vector<std::string> files = {"test_batch.bin"};
  if (split == "train") {
    files.clear();
    for (int i = 1; i <= 5; ++i) files.push_back("data_batch_" + std::to_string(i) + ".bin");
  }
  return detail::read_cifar("cifar10", root, "cifar-10-batches-bin", split, files, 1,
                            {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
                            "batches.meta.txt");
}

/// CIFAR-100 in its binary version with the 100 fine classes: train.bin, test.bin, in `root` or its
/// cifar-100-binary; names from fine_label_names.txt.
inline ArrayDataset read_cifar100(const std::string& root, const std::string& split) {
  require(split == "train" || split == "test", "[cifar100] split is train or test, got ", split);
  return detail::read_cifar("cifar100", root, "cifar-100-binary", split, {split + ".bin"}, 2,
                            detail::numbered_names(100), "fine_label_names.txt");
}

}  // namespace contrastive
