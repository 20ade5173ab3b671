// SPDX-License-Identifier: MIT

// The code of README.md (losses alone) and of docs/guides/write-a-loss-kernel.md.

#include <Eigen/Core>

#include "contrastive/objectives/clip_loss.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

namespace {

/// InfoNCE with an additive margin (Yang et al. 2019, arXiv:1902.08564, eq. 4): a pair must win by `margin`.
///
///     L = - 1/N sum_i log( e^(s (x_i . y_i - m)) / (e^(s (x_i . y_i - m)) + sum_{j != i} e^(s x_i . y_j)) )
template <class C>
similarity::Value margin_loss(similarity::Engine<C>& engine, const similarity::Matrix& x, const similarity::Matrix& y,
                              double scale, double margin, const similarity::MutableMatrix& dx,
                              const similarity::MutableMatrix& dy) {
  using namespace similarity;
  const std::int64_t N = x.rows;
  engine.open("margin_loss", x, y, scale, Sides::rows, RowLength::normalize,
              {.count = 1});  // offset 0: without the pairs
  engine.sums();
  std::vector<double> weight(N, 1.0 / static_cast<double>(N)), all(N), pair(N);
  Value value;
  for (std::int64_t i = 0; i < N; ++i) {
    const double positive = engine.t(i, i) - scale * margin / std::log(2.0);  // in log2, as all of the engine
    const double others = engine.row_lse()[i];
    all[i] = log2_add(others, positive);
    value.loss += weight[i] * softplus2(others - positive);
    pair[i] = -weight[i] * std::exp2(others - all[i]);  // p - 1 of the pair
  }
  engine.gradient(weight.data(), nullptr, all.data(), nullptr);
  for (std::int64_t i = 0; i < N; ++i) {
    engine.write_dx(i, pair[i], i, nullptr, scale, dx, i);
    engine.write_dy(i, pair[i], i, nullptr, scale, dy, i);
  }
  return value;
}

}  // namespace

TEST_CASE("the losses alone, as in the README") {
  Eigen::MatrixXf a = Eigen::MatrixXf::Random(64, 16), b = Eigen::MatrixXf::Random(64, 16);
  a.rowwise().normalize();
  b.rowwise().normalize();
  auto r = contrastive::clip_loss(a, b, std::log(10.0));
  CHECK(r.loss > std::log(64.0) - 3);
  CHECK(r.da.rows() == 64);
  const double before = r.loss;
  a -= 5 * r.da;
  b -= 5 * r.db;
  CHECK(contrastive::clip_loss(a.rowwise().normalized(), b.rowwise().normalized(), std::log(10.0)).loss < before);
}

TEST_CASE("a loss of one's own on the engine, as in the guide") {
  const std::int64_t N = 21, D = 9;
  const Tensor x = init::normal({N, D}, 1, Rng(1)).to(DType::f64), y = init::normal({N, D}, 1, Rng(2)).to(DType::f64);
  const Tensor dx({N, D}, DType::f64), dy({N, D}, DType::f64);
  similarity::Engine<double> engine;
  const double scale = 8, margin = 0.3;
  const auto value = margin_loss(engine, similarity::borrow_rows(x), similarity::borrow_rows(y), scale, margin,
                                 similarity::borrow_rows_to_write(dx), similarity::borrow_rows_to_write(dy));
  // The same, dense: the margin comes off the diagonal.
  const Tensor u = leaf(x, DType::f64), v = leaf(y, DType::f64);
  const Tensor cosines = matmul(normalize(u), normalize(v), false, true);
  const Tensor shift = mask_diagonal(Tensor::zeros({N, N}, DType::f64), 1) * margin;
  const Tensor dense = dense::diagonal_cross_entropy((cosines - shift) * scale);
  dense.backward();
  CHECK(value.loss == Approx(dense.item()).epsilon(1e-12));
  check_close(dx, u.grad(), 1e-10, 1e-12);
  check_close(dy, v.grad(), 1e-10, 1e-12);
}
