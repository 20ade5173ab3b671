// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

namespace detail {

static_assert(std::endian::native == std::endian::little, "files are read and written as little-endian memory");

constexpr std::pair<std::string_view, DType> npy_dtypes[] = {
    {"<f4", DType::f32}, {"<f8", DType::f64}, {"<f2", DType::f16}, {"<i4", DType::i32},
    {"<i8", DType::i64}, {"|u1", DType::u8},  {"|b1", DType::u8}};

/// Reads the Python dictionary at the head of a `.npy` file: three known keys, each once, in any order.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, std::string_view name) : text_(text), name_(name) { read(); }

  DType dtype = DType::f32;
  bool fortran_order = false;
  Shape shape;

 private:
  [[noreturn]] void stop(const char* what) const { fail("[npy] ", name_, ": ", what, " in the header"); }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(std::string_view part) {
    skip_space();
    if (text_.substr(at_, part.size()) != part) return false;
    at_ += part.size();
    return true;
  }
  void expect(std::string_view part) {
    if (!take(part)) fail("[npy] ", name_, ": expected ", part, " in the header");
  }

  std::string_view read_string() {
    expect("'");
    const std::size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) stop("a string without an end");
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }

  void read_dtype() {
    skip_space();
    if (at_ < text_.size() && text_[at_] != '\'') stop("a structured dtype");
    const std::string_view code = read_string();
    for (const auto& [known, value] : npy_dtypes)
      if (code == known) {
        dtype = value;
        return;
      }
    fail("[npy] ", name_, ": dtype ", code, " is not one of <f4 <f8 <f2 <i4 <i8 |u1 |b1");
  }

  void read_shape() {
    expect("(");
    while (!take(")")) {
      skip_space();
      std::int64_t size = 0;
      const std::size_t first = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
        if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, text_[at_] - '0', &size))
          stop("a size that overflows");
      if (at_ == first) stop("a shape that is not whole numbers");
      if (shape.rank == Shape::max_rank) stop("more than 6 dimensions");
      shape.push_back(size);
      if (!take(",")) {
        expect(")");
        return;
      }
    }
  }

  void read() {
    bool seen[3] = {};
    const auto once = [&](int key) {
      if (seen[key]) stop("a key that appears twice");
      seen[key] = true;
    };
    expect("{");
    while (!take("}")) {
      const std::string_view key = read_string();
      expect(":");
      if (key == "descr") {
        once(0);
        read_dtype();
      } else if (key == "fortran_order") {
        once(1);
        fortran_order = take("True");
        if (!fortran_order) expect("False");
      } else if (key == "shape") {
        once(2);
        read_shape();
      } else {
        stop("an unknown key");
      }
      if (!take(",")) {
        expect("}");
        break;
      }
    }
    skip_space();
    if (at_ != text_.size() || !seen[0] || !seen[1] || !seen[2]) stop("text that is no dtype, order and shape");
  }

  std::string_view text_, name_;
  std::size_t at_ = 0;
};

/// Copies column-major `from` (first index fastest) into row-major `to`.
inline void fortran_to_c(const std::byte* from, std::byte* to, const Shape& shape, std::size_t width) {
  const std::int64_t count = shape.count();
  std::int64_t index[Shape::max_rank] = {};
  for (std::int64_t flat = 0; flat < count; ++flat) {
    std::int64_t place = 0;
    for (int axis = shape.rank - 1; axis >= 0; --axis) place = place * shape[axis] + index[axis];
    std::memcpy(to + static_cast<std::size_t>(flat) * width, from + static_cast<std::size_t>(place) * width, width);
    for (int axis = shape.rank - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
  }
}

}  // namespace detail

/// Reads NumPy's array format, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html),
/// from a whole file's bytes; `name` is the file's, for messages. f4 f8 f2 i4 i8 u1 b1, little-endian; column-major
/// arrays are brought to row-major order. Throws one sentence on anything else.
inline Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(text.size() >= 10 && text.substr(0, 6) == "\x93NUMPY", "[npy] ", name, " is not a .npy file");
  const int version = static_cast<unsigned char>(text[6]);
  require(version >= 1 && version <= 3, "[npy] ", name, ": unknown format version ", version);
  const std::size_t prefix = version == 1 ? 10 : 12;
  std::uint64_t length = 0;
  require(text.size() >= prefix, "[npy] ", name, " is truncated");
  std::memcpy(&length, text.data() + 8, prefix - 8);
  require(length <= text.size() - prefix, "[npy] ", name, ": the header claims ", length, " bytes, the file has ",
          text.size() - prefix);

  const detail::NpyHeader header(text.substr(prefix, static_cast<std::size_t>(length)), name);
  const std::size_t width = size_of(header.dtype);
  std::int64_t needed = static_cast<std::int64_t>(width), full = needed;
  for (int axis = 0; axis < header.shape.rank; ++axis)
    require(!__builtin_mul_overflow(needed, header.shape[axis], &needed) &&
                !__builtin_mul_overflow(full, std::max<std::int64_t>(header.shape[axis], 1), &full),
            "[npy] ", name, ": the product of the sizes ", header.shape, " overflows");
  const std::span<const std::byte> data = bytes.subspan(prefix + static_cast<std::size_t>(length));
  require(data.size() == static_cast<std::uint64_t>(needed), "[npy] ", name, ": ", header.shape, " ",
          to_string(header.dtype), " needs ", needed, " bytes, the file has ", data.size());

  Tensor tensor(header.shape, header.dtype);
  std::byte* to = static_cast<std::byte*>(tensor.view().data);
  if (header.fortran_order && header.shape.rank > 1)
    detail::fortran_to_c(data.data(), to, header.shape, width);
  else if (!data.empty())
    std::memcpy(to, data.data(), data.size());
  return tensor;
}

inline Tensor load_npy(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return parse_npy(bytes, path);
}

/// Writes a tensor (any device) as `.npy` version 1, atomically. NumPy has no bf16: convert to f32 first.
inline void save_npy(const std::string& path, const Tensor& tensor) {
  require(tensor.defined() && tensor.dtype() != DType::bf16, "[npy] ", path,
          ": an empty or bf16 tensor has no NumPy form; convert with to(DType::f32)");
  std::string_view code;
  for (auto entry = std::rbegin(detail::npy_dtypes); entry != std::rend(detail::npy_dtypes); ++entry)
    if (entry->second == tensor.dtype()) code = entry->first;
  std::string header = join("{'descr': '", code, "', 'fortran_order': False, 'shape': (");
  for (int axis = 0; axis < tensor.rank(); ++axis)
    header += join(axis ? ", " : "", tensor.shape()[axis], tensor.rank() == 1 ? "," : "");
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // data begins at a multiple of 64
  header += '\n';

  const Tensor host = tensor.to(Device::cpu);
  const auto length = static_cast<std::uint16_t>(header.size());
  AtomicFile file(path);
  file.write(std::string_view("\x93NUMPY\x01\x00", 8));
  file.write(&length, 2);
  file.write(header);
  file.write(host.view().data, static_cast<std::size_t>(host.count()) * size_of(host.dtype()));
  file.commit();
}

}  // namespace contrastive
