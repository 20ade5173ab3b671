// SPDX-License-Identifier: MIT
#include "contrastive/interop/eigen.hpp"

#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("a tensor seen through Eigen shares its memory", "[interop]") {
  Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, Shape{2, 3});
  auto view = as_eigen<float>(x);
  CHECK(view.rows() == 2);
  CHECK(view.cols() == 3);
  CHECK(view(1, 0) == 4);
  view(1, 0) = 40;
  CHECK(x.data<float>()[3] == 40);
  CHECK(view.data() == x.data<float>());
  CHECK(as_eigen<float>(x.slice(1, 2))(0, 2) == 6);

  const Tensor cube = Tensor::zeros(Shape{2, 3, 4}, DType::f64);
  CHECK(as_eigen<double>(cube).rows() == 6);
  CHECK(as_eigen_vector<double>(cube).size() == 24);
  const Tensor scalar = Tensor::from<double>({7}, Shape{});
  CHECK(as_eigen<double>(scalar)(0, 0) == 7);
  CHECK_THROWS_WITH(as_eigen<double>(x), Contains("f64") && Contains("f32"));
}

TEST_CASE("a row-major Eigen matrix is borrowed, a column-major one is copied", "[interop]") {
  RowMajorMatrix<double> rows(2, 3);
  rows << 1, 2, 3, 4, 5, 6;
  const Tensor x = borrow_eigen(rows);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.dtype() == DType::f64);
  CHECK(x.data<double>() == rows.data());
  x.data<double>()[5] = 60;
  CHECK(rows(1, 2) == 60);

  Eigen::MatrixXd columns = rows;
  const Tensor y = copy_eigen(columns);
  for (int i = 0; i < 6; ++i) CHECK(y.data<double>()[i] == x.data<double>()[i]);
  y.data<double>()[0] = -1;
  CHECK(columns(0, 0) == 1);
  CHECK(copy_eigen(columns.transpose() * 2.0).data<double>()[1] == 8);

  float raw[4] = {1, 2, 3, 4};
  const Tensor z = borrow_eigen(Eigen::Map<RowMajorMatrix<float>>(raw, 2, 2));
  CHECK(z.data<float>() == raw);
}
