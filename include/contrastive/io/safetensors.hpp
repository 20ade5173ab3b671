// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/file.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// What a `.safetensors` file holds: tensors by name, and free text by name (`__metadata__`).
/// Format: https://github.com/huggingface/safetensors (8 bytes of header length, JSON header, raw little-endian data).
struct Safetensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Reads a whole file's bytes; `name` is the file's, for messages. BOOL becomes u8. Throws one sentence on whatever
/// is not a complete, gapless file: lying lengths, overlapping or missing bytes, dtypes without a C++ type here.
Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

/// Reads a file; every message names it.
inline Safetensors load_safetensors(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return parse_safetensors(bytes, path);
}

/// Writes tensors (any device) and notes, atomically. The same content gives the same bytes. Wider dtypes lie first,
/// so that each tensor is aligned to its own size; within a dtype the given order stays.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/io/safetensors_parts.hpp"  // IWYU pragma: export
#endif
