// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

#include "contrastive/core/error.hpp"
#include "contrastive/io/safetensors.hpp"

#if !defined(CONTRASTIVE_GOLDEN_DIR)
#define CONTRASTIVE_GOLDEN_DIR "tests/golden"
#endif

/// Path of a file below tests/golden.
inline std::string golden_path(const std::string& name) { return CONTRASTIVE_GOLDEN_DIR "/" + name; }

/// One case of frozen numbers: tensors by name, and strings that say how they were made.
class Golden {
 public:
  explicit Golden(std::string path) : path_(std::move(path)), file_(contrastive::load_safetensors(path_)) {}

  /// Throws `contrastive::Error` naming the file when there is no such tensor.
  const contrastive::Tensor& tensor(const std::string& name) const {
    const auto found = file_.tensors.find(name);
    contrastive::require(found != file_.tensors.end(), "[golden] ", path_, " has no tensor ", name);
    return found->second;
  }
  bool has(const std::string& name) const { return file_.tensors.count(name) != 0; }

  bool has_metadata(const std::string& key) const { return file_.metadata.count(key) != 0; }
  const std::string& metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    contrastive::require(found != file_.metadata.end(), "[golden] ", path_, " has no metadata ", key);
    return found->second;
  }
  double number(const std::string& key) const { return std::stod(metadata(key)); }

 private:
  std::string path_;
  contrastive::Safetensors file_;
};

/// Reads tests/golden/`name`.
inline Golden load_golden(const std::string& name) { return Golden(golden_path(name)); }
