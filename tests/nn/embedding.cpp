// SPDX-License-Identifier: MIT
#include "contrastive/nn/embedding.hpp"

#include <cstring>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// Ids below V, each taken several times where there are more of them.
Tensor some_ids(Shape shape, std::int64_t V, DType dtype = DType::i64) {
  const Tensor ids(shape, DType::i64);
  Stream stream(Rng(3) / "ids");
  for (std::int64_t& id : ids.span<std::int64_t>()) id = static_cast<std::int64_t>(stream.uniform(0, double(V)));
  return ids.to(dtype);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0;
}

}  // namespace

TEST_CASE("an embedding looks rows up by ids of any shape, and adds their gradients up") {
  const std::int64_t V = 11, D = 5;
  for (const Shape& shape : {Shape{4, 13}, Shape{52}, Shape{1, 1}, Shape{0, 3}, Shape{}, Shape{2, 3, 4}})
    for (DType of_ids : {DType::i32, DType::i64})
      for (DType dtype : {DType::f32, DType::bf16}) {
        INFO(to_string(shape) << " " << to_string(of_ids) << " " << to_string(dtype));
        const Embedding table(V, D, Rng(1));
        const Tensor ids = some_ids(shape, V, of_ids), wide = ids.to(DType::i64);
        const Tensor y = dtype == DType::f32 ? table(ids) : table(ids, dtype);
        Shape with_rows = shape;
        with_rows.push_back(D);
        REQUIRE(y.shape() == with_rows);
        REQUIRE(y.dtype() == dtype);
        const Tensor dy = init::normal(with_rows, 1, Rng(2)).to(dtype);
        y.backward(dy);
        REQUIRE(table.weight.grad().dtype() == DType::f32);
        const Tensor rounded = table.weight.to(dtype).to(DType::f32), values = y.to(DType::f32);
        const Tensor pull = dy.to(DType::f32);
        std::vector<double> want(static_cast<std::size_t>(V * D));
        for (std::int64_t i = 0; i < ids.count(); ++i)
          for (std::int64_t d = 0; d < D; ++d) {
            const std::int64_t at = wide.data<std::int64_t>()[i] * D + d;
            REQUIRE(values.data<float>()[i * D + d] == rounded.data<float>()[at]);
            want[static_cast<std::size_t>(at)] += pull.data<float>()[i * D + d];
          }
        // The summands of bf16 are added in f32, so nothing more is lost than in f32.
        for (std::int64_t i = 0; i < V * D; ++i)
          REQUIRE(table.weight.grad().data<float>()[i] == Approx(want[static_cast<std::size_t>(i)]).margin(2e-6));
      }
}

TEST_CASE("an embedding's gradient equals differences") {
  const Tensor ids = some_ids({2, 6}, 4, DType::i32);
  const auto result = gradcheck(
      [&](const auto& in) {
        Embedding table;
        static_cast<Tensor&>(table.weight) = in[0];
        return square(table(ids));
      },
      {init::normal({4, 3}, 1, Rng(4)).to(DType::f64)});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("an embedding has the same bits for any number of threads") {
  const Tensor ids = some_ids({37, 101}, 9), dy = init::normal({37, 101, 33}, 1, Rng(5));
  const auto gradient = [&](int count) {
    set_threads(count);
    const Embedding table(9, 33, Rng(1));
    table(ids).backward(dy);
    set_threads(0);
    return table.weight.grad();
  };
  const Tensor one = gradient(1);
  CHECK(same_bits(one, gradient(2)));
  CHECK(same_bits(one, gradient(7)));
}

TEST_CASE("an embedding starts normal and names its weight; an id that it lacks is one sentence") {
  Embedding table(400, 30, Rng(6), 0.02), unit(400, 30, Rng(6));
  std::vector<std::string> names;
  each_parameter(table, [&](const std::string& name, Parameter&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"weight"});
  CHECK(std::sqrt(mean(square(table.weight)).item()) == Approx(0.02).epsilon(0.03));
  CHECK(std::abs(mean(table.weight).item()) < 0.001);
  CHECK(std::sqrt(mean(square(unit.weight)).item()) == Approx(1).epsilon(0.03));
  CHECK_THROWS_WITH(table(Tensor::full({2, 3}, 400, DType::i32)), "[gather] index 400 is outside 400 rows");
  CHECK_THROWS_WITH(table(Tensor::full({2}, -1, DType::i64)), "[gather] index -1 is outside 400 rows");
  CHECK_THROWS_WITH(table(Tensor({2, 3})), Contains("[gather] expected rows (N, ..) and an index of i64 or i32"));
}
