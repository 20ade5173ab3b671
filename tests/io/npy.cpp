// SPDX-License-Identifier: MIT
#include "contrastive/io/npy.hpp"

#include <cstring>

#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {
std::vector<std::byte> npy(const std::string& header, const std::string& data, int version = 1) {
  std::string text("\x93NUMPY", 6);
  text += static_cast<char>(version);
  text += '\0';
  const auto size = static_cast<std::uint32_t>(header.size());
  text.append(reinterpret_cast<const char*>(&size), version == 1 ? 2 : 4);
  return to_bytes(text + header + data);
}
}  // namespace

TEST_CASE("npy keeps every dtype that NumPy has", "[io]") {
  const Scratch scratch;
  for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::i32, DType::i64, DType::u8})
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{0, 4}, Shape{2, 1, 3, 2}}) {
      Tensor x(shape, dtype);
      const auto size = static_cast<std::size_t>(x.count()) * size_of(dtype);
      for (std::size_t i = 0; i < size; ++i)
        static_cast<unsigned char*>(x.view().data)[i] = static_cast<unsigned char>(i * 7);
      save_npy(scratch / "x.npy", x);
      const Tensor y = load_npy(scratch / "x.npy");
      CHECK(y.shape() == shape);
      CHECK(y.dtype() == dtype);
      CHECK((size == 0 || std::memcmp(x.view().data, y.view().data, size) == 0));
    }
  CHECK_THROWS_WITH(save_npy(scratch / "b.npy", Tensor(Shape{1}, DType::bf16)), Contains("bf16"));
}

TEST_CASE("npy from NumPy: versions, order, spacing", "[io]") {
  const std::string data("\1\2\3\4\5\6", 6);
  const char* text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }   \n";
  for (int version : {1, 2, 3}) CHECK(parse_npy(npy(text, data, version), "x").data<std::uint8_t>()[4] == 5);
  // Column-major (2, 3): columns are (1 2), (3 4), (5 6).
  const Tensor x = parse_npy(npy("{'shape': (2, 3), 'fortran_order': True, 'descr': '|u1'}", data), "x");
  const std::uint8_t expected[] = {1, 3, 5, 2, 4, 6};
  for (int i = 0; i < 6; ++i) CHECK(x.data<std::uint8_t>()[i] == expected[i]);
}

TEST_CASE("npy that lies is refused by name", "[io]") {
  const auto refuse = [](const std::vector<std::byte>& bytes, const std::string& because) {
    CHECK_THROWS_WITH(parse_npy(bytes, "bad.npy"), Contains("bad.npy") && Contains(because));
  };
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
  CHECK_NOTHROW(parse_npy(npy(good, "ab"), "good.npy"));
  refuse({}, "not a .npy");
  refuse(to_bytes("PK\x03\x04 an npz, say"), "not a .npy");
  refuse(npy(good, "ab", 4), "version 4");
  refuse(npy(good, "a"), "needs 2 bytes");
  refuse(npy(good, "abc"), "needs 2 bytes");
  refuse(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "abcd"), ">f4");
  refuse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "abcd"), "structured");
  refuse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }", "ab"), "whole numbers");
  refuse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }", "ab"), "overflows");
  refuse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""), "overflows");
  refuse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }", "a"), "6 dimensions");
  refuse(npy("{'descr': '|u1', 'fortran_order': False}", "a"), "shape");
  refuse(npy("{'descr': '|u1', 'descr': '|u1'", "a"), "twice");
  refuse(npy("{'descr': '|u1", "a"), "without an end");
  refuse(npy("{'evil': 1}", "a"), "unknown key");
  const auto whole = npy(good, "ab");
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_WITH(parse_npy({whole.data(), size}, "cut.npy"), Contains("cut.npy"));
}
