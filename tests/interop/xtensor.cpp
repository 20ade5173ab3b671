// SPDX-License-Identifier: MIT
#if __has_include(<xtensor/xadapt.hpp>) || __has_include(<xtensor/containers/xadapt.hpp>)
#include "contrastive/interop/xtensor.hpp"

#include "support/catch.hpp"

#if __has_include(<xtensor/xarray.hpp>)
#include <xtensor/xarray.hpp>
#else
#include <xtensor/containers/xarray.hpp>
#endif

using namespace contrastive;

TEST_CASE("a tensor seen through xtensor shares its memory", "[interop]") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, Shape{2, 2, 2});
  auto view = as_xtensor<float>(x);
  CHECK(view.dimension() == 3);
  CHECK(view(1, 0, 1) == 6);
  view(1, 0, 1) = 60;
  CHECK(x.data<float>()[5] == 60);
  CHECK_THROWS_WITH(as_xtensor<std::int64_t>(x), Contains("i64") && Contains("f32"));
}

TEST_CASE("an xtensor array is borrowed or copied", "[interop]") {
  xt::xarray<double> rows{{1, 2, 3}, {4, 5, 6}};
  const Tensor x = borrow_xtensor(rows);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.data<double>() == rows.data());
  x.data<double>()[4] = 50;
  CHECK(rows(1, 1) == 50);

  xt::xarray<double, xt::layout_type::column_major> columns = rows;
  CHECK_THROWS_WITH(borrow_xtensor(columns), Contains("[borrow_xtensor]") && Contains("row-major"));
  const Tensor y = copy_xtensor(columns);
  for (int i = 0; i < 6; ++i) CHECK(y.data<double>()[i] == x.data<double>()[i]);
  CHECK(copy_xtensor(rows * 2.0).data<double>()[5] == 12);
}
#endif
