// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/compiled.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/safetensors.hpp"

namespace contrastive {

namespace detail {

static_assert(std::endian::native == std::endian::little, "files are read and written as little-endian memory");

inline bool safetensors_dtype(std::string_view text, DType& dtype) {
  constexpr std::pair<std::string_view, DType> names[] = {
      {"F32", DType::f32}, {"F64", DType::f64}, {"BF16", DType::bf16}, {"F16", DType::f16},
      {"I32", DType::i32}, {"I64", DType::i64}, {"U8", DType::u8},     {"BOOL", DType::u8}};
  for (const auto& [name, value] : names)
    if (name == text) {
      dtype = value;
      return true;
    }
  return false;
}

inline const char* safetensors_name(DType dtype) {
  constexpr const char* names[] = {"F32", "F64", "BF16", "F16", "I32", "I64", "U8"};
  return names[static_cast<int>(dtype)];
}

/// Where a tensor lies in the data part of the file: bytes [begin, end).
struct SafetensorsEntry {
  const std::string* name = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  std::uint64_t begin = 0, end = 0;
};

inline SafetensorsEntry read_entry(const std::string& name, const Json& value, std::string_view file) {
  const auto ask = [&](bool good, const char* what) {
    require(good, "[safetensors] ", file, ": tensor \"", name, "\" ", what);
  };
  const auto dtype = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
  ask(dtype != value.end() && dtype->is_string() && shape != value.end() && shape->is_array() &&
          offsets != value.end() && offsets->is_array() && offsets->size() == 2,
      "lacks dtype, shape or data_offsets");
  SafetensorsEntry entry;
  entry.name = &name;
  const std::string& type = dtype->get_ref<const std::string&>();
  require(safetensors_dtype(type, entry.dtype), "[safetensors] ", file, ": tensor \"", name, "\" has dtype ", type,
          ", which is not one of F32 F64 BF16 F16 I32 I64 U8 BOOL");
  ask(shape->size() <= Shape::max_rank, "has more than 6 dimensions");
  std::int64_t bytes = static_cast<std::int64_t>(size_of(entry.dtype)), full = bytes;
  for (const Json& one : *shape) {
    const std::int64_t size = is_whole_number(one) ? one.get<std::int64_t>() : -1;
    ask(size >= 0, "has a size that is not a whole number");
    entry.shape.push_back(size);
    ask(!__builtin_mul_overflow(bytes, size, &bytes) &&
            !__builtin_mul_overflow(full, std::max<std::int64_t>(size, 1), &full),
        "has sizes whose product overflows");
  }
  for (const Json& offset : *offsets)
    ask(is_whole_number(offset) && offset.get<std::int64_t>() >= 0, "has an offset that is not a whole number");
  entry.begin = offsets->at(0).get<std::uint64_t>();
  entry.end = offsets->at(1).get<std::uint64_t>();
  require(entry.end >= entry.begin && entry.end - entry.begin == static_cast<std::uint64_t>(bytes), "[safetensors] ",
          file, ": tensor \"", name, "\" of ", entry.shape, " ", to_string(entry.dtype), " needs ", bytes,
          " bytes, its offsets are ", entry.begin, " and ", entry.end);
  return entry;
}

}  // namespace detail

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  constexpr std::uint64_t longest_header = 16 << 20;  // room for some 100,000 tensors; bounds what a lie can cost
  require(bytes.size() >= 8, "[safetensors] ", name, ": ", bytes.size(), " bytes are too few for this format");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  require(length <= longest_header && length <= bytes.size() - 8, "[safetensors] ", name, ": the header claims ",
          length, " bytes, the file has ", bytes.size() - 8, " (truncated, or not in this format)");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<std::size_t>(length));
  require(!text.empty() && text[0] == '{', "[safetensors] ", name, ": the header is not a JSON object");
  const std::span<const std::byte> data = bytes.subspan(8 + static_cast<std::size_t>(length));

  const auto header = parse_json(text, name);
  Safetensors file;
  std::vector<detail::SafetensorsEntry> entries;
  for (const auto& [member, value] : header.items()) {
    if (member != "__metadata__") {
      entries.push_back(detail::read_entry(member, value, name));
      continue;
    }
    require(value.is_object(), "[safetensors] ", name, ": __metadata__ is not an object");
    for (const auto& [note, words] : value.items()) {
      require(words.is_string(), "[safetensors] ", name, ": metadata \"", note, "\" is not a string");
      file.metadata[note] = words.get<std::string>();
    }
  }

  // Laid end to end the tensors must cover the data exactly, as the reference implementation demands.
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t covered = 0;
  for (const detail::SafetensorsEntry& entry : entries) {
    require(entry.begin == covered, "[safetensors] ", name, ": tensor \"", *entry.name, "\" begins at byte ",
            entry.begin, " where ", covered, " was expected (overlap or gap)");
    covered = entry.end;
  }
  require(covered == data.size(), "[safetensors] ", name, ": the header describes ", covered,
          " bytes of data, the file has ", data.size());

  for (const detail::SafetensorsEntry& entry : entries) {
    Tensor tensor(entry.shape, entry.dtype);
    if (entry.end > entry.begin)
      std::memcpy(tensor.view().data, data.data() + entry.begin, static_cast<std::size_t>(entry.end - entry.begin));
    file.tensors.emplace(*entry.name, std::move(tensor));
  }
  return file;
}

CONTRASTIVE_ONCE void save_safetensors(const std::string& path, const NamedTensors& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  std::vector<const std::pair<std::string, Tensor>*> order;
  std::vector<std::string> names;
  for (const auto& entry : tensors) {
    require(entry.second.defined() && entry.first != "__metadata__", "[safetensors] ", path, ": tensor \"", entry.first,
            "\" is empty or has a reserved name");
    order.push_back(&entry);
    names.push_back(detail::as_utf8(entry.first));
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  require(twice == names.end(), "[safetensors] ", path, ": two tensors are called \"",
          twice == names.end() ? std::string() : *twice, "\"");
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });

  Json header = Json::object();
  for (const auto& [key, value] : metadata) header["__metadata__"][detail::as_utf8(key)] = detail::as_utf8(value);
  std::int64_t offset = 0;
  for (const auto* entry : order) {
    const Tensor& tensor = entry->second;
    const std::int64_t end = offset + tensor.count() * static_cast<std::int64_t>(size_of(tensor.dtype()));
    Json sizes = Json::array();
    for (int axis = 0; axis < tensor.rank(); ++axis) sizes.push_back(tensor.shape()[axis]);
    header[detail::as_utf8(entry->first)] = {{"dtype", detail::safetensors_name(tensor.dtype())},
                                             {"shape", std::move(sizes)},
                                             {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = dump_json(header);
  text.append((8 - text.size() % 8) % 8, ' ');

  AtomicFile file(path);
  const std::uint64_t length = text.size();
  file.write(&length, 8);
  file.write(text);
  for (const auto* entry : order) {
    const Tensor tensor = entry->second.to(Device::cpu);
    file.write(tensor.view().data, static_cast<std::size_t>(tensor.count()) * size_of(tensor.dtype()));
  }
  file.commit();
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
