// SPDX-License-Identifier: MIT
#include "contrastive/io/safetensors.hpp"

#include <cstring>

#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

Tensor pattern(Shape shape, DType dtype) {
  Tensor tensor(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(tensor.view().data);
  const auto size = static_cast<std::size_t>(tensor.count()) * size_of(dtype);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i * 37 + 11);
  return tensor;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.count() == 0 ||
          std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0);
}

std::vector<std::byte> file(const std::string& header, std::size_t data, std::int64_t length = -1) {
  const std::uint64_t size = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  std::string text(8, '\0');
  std::memcpy(text.data(), &size, 8);
  return to_bytes(text + header + std::string(data, 'x'));
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("safetensors keep every dtype, shape and note", "[io]") {
  const Scratch scratch;
  const std::string path = scratch / "all.safetensors";
  NamedTensors tensors;
  for (DType dtype : {DType::u8, DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64})
    tensors.emplace_back(std::string("layer.") + to_string(dtype), pattern(Shape{3, 5}, dtype));
  tensors.emplace_back("scalar", pattern(Shape{}, DType::f32));
  tensors.emplace_back("none", pattern(Shape{0, 7}, DType::f32));
  tensors.emplace_back("six", pattern(Shape{1, 2, 1, 2, 1, 2}, DType::u8));
  save_safetensors(path, tensors, {{"note", "line\n\"é\""}, {"step", "12"}});
  CHECK(scratch.files() == 1);

  const Safetensors back = load_safetensors(path);
  CHECK(back.metadata == std::map<std::string, std::string>{{"note", "line\n\"é\""}, {"step", "12"}});
  REQUIRE(back.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) CHECK(same(back.tensors.at(name), tensor));

  const auto first = read_file(path);
  save_safetensors(path, tensors, {{"note", "line\n\"é\""}, {"step", "12"}});
  CHECK(read_file(path) == first);

  CHECK_THROWS_WITH(save_safetensors(path, {{"a", tensors[0].second}, {"a", tensors[1].second}}), Contains("\"a\""));
  CHECK_THROWS_WITH(save_safetensors(path, {{"a", Tensor()}}), Contains("empty"));
  CHECK(read_file(path) == first);  // a failed save leaves the old file

  for (std::size_t size = 0; size < first.size(); size += size < 700 ? 1 : 13)  // cut anywhere
    CHECK_THROWS_WITH(parse_safetensors({first.data(), size}, "cut.st"), Contains("cut.st"));
}

TEST_CASE("safetensors that lie are refused by name", "[io]") {
  const auto refuse = [](const std::vector<std::byte>& bytes, const std::string& because) {
    CHECK_THROWS_WITH(parse_safetensors(bytes, "bad.st"), Contains("bad.st") && Contains(because));
  };
  CHECK_NOTHROW(parse_safetensors(file(one("F32", "[2,2]", "[0,16]"), 16), "good.st"));
  CHECK(parse_safetensors(file(one("BOOL", "[2]", "[0,2]"), 2), "b").tensors.at("w").dtype() == DType::u8);
  refuse({}, "too few");
  refuse(to_bytes("\x89PNG\r\n\x1a\n and so on"), "not in this format");
  refuse(file("{}", 0, 3), "claims 3 bytes");
  refuse(file("{}", 0, INT64_MAX), "claims");
  refuse(file("[]", 0), "not a JSON object");
  refuse(file("{", 0), "[json]");
  refuse(file(one("F32", "[2,2]", "[0,16]"), 15), "describes 16 bytes");
  refuse(file(one("F32", "[2,2]", "[0,16]"), 17), "describes 16 bytes");
  refuse(file(one("F32", "[2,2]", "[4,20]"), 20), "overlap or gap");
  refuse(file(one("F32", "[2,2]", "[16,0]"), 16), "needs 16 bytes");
  refuse(file(one("F32", "[2,2]", "[0,12]"), 12), "needs 16 bytes");
  refuse(file(one("F32", "[2,-2]", "[0,16]"), 16), "not a whole number");
  refuse(file(one("F32", "[2.5]", "[0,16]"), 16), "not a whole number");
  refuse(file(one("F32", "[4294967296,4294967296,4]", "[0,0]"), 0), "overflows");
  refuse(file(one("F32", "[0,4294967296,4294967296]", "[0,0]"), 0), "overflows");
  refuse(file(one("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4), "more than 6");
  refuse(file(one("I16", "[2]", "[0,4]"), 4), "dtype I16");
  refuse(file(R"({"w":{"dtype":"F32","shape":[1]}})", 4), "lacks");
  refuse(file(R"({"w":3})", 4), "lacks");
  refuse(file(R"({"__metadata__":{"a":1}})", 0), "not a string");
  refuse(
      file(
          R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
          6),
      "overlap or gap");
  CHECK_THROWS_WITH(load_safetensors("/nowhere/x.safetensors"), Contains("/nowhere/x.safetensors"));
}

TEST_CASE("a header of 100,000 tensors is read in no time", "[io]") {
  std::string header = "{";
  for (int i = 0; i < 100000; ++i)
    header += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  CHECK(parse_safetensors(file(header + "}", 0), "many.st").tensors.size() == 100000);  // seconds, not minutes
}

TEST_CASE("names and notes that are not UTF-8 leave a header that is", "[io]") {
  const Scratch scratch;
  const Tensor tensor = pattern(Shape{2}, DType::f32);
  save_safetensors(scratch / "latin.st", {{"caf\xe9", tensor}}, {{"th\xe9", "\xff"}});
  const Safetensors back = load_safetensors(scratch / "latin.st");
  CHECK(same(back.tensors.at("caf\xc3\xa9"), tensor));
  CHECK(back.metadata == std::map<std::string, std::string>{{"th\xc3\xa9", "\xc3\xbf"}});
  CHECK_THROWS_WITH(save_safetensors(scratch / "twice.st", {{"caf\xe9", tensor}, {"caf\xc3\xa9", tensor}}),
                    Contains("two tensors are called"));
}
