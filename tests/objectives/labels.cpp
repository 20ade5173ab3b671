// SPDX-License-Identifier: MIT

// Labels of either width from whatever holds them, and matrices that are not evaluated yet.

#include <array>
#include <limits>

#include <Eigen/Core>

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/distillation.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("labels of int32 and int64, of any owner, give one loss") {
  const Tensor z = init::normal({6, 4}, 1, Rng(1));
  const Eigen::MatrixXf m = Eigen::Map<const Eigen::Matrix<float, 6, 4, Eigen::RowMajor>>(z.data<float>());
  const std::vector<std::int32_t> narrow{3, 3, 8, 1, 3, 1};
  const double want = sup_con(z, narrow).item();
  const std::vector<std::int64_t> wide(narrow.begin(), narrow.end());
  const std::vector<long long> other(narrow.begin(), narrow.end());
  const std::array<std::int32_t, 6> array{3, 3, 8, 1, 3, 1};
  Eigen::VectorXi vector(6);
  vector << 3, 3, 8, 1, 3, 1;
  // Only which are equal counts, up to both ends.
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                         high = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> far{low, low, 0, high, low, high};
  const std::vector<std::int64_t> apart{std::int64_t{1} << 32, std::int64_t{1} << 32, 1, 0, std::int64_t{1} << 32, 0};
  CHECK(sup_con(z, wide).item() == want);
  CHECK(sup_con(z, other).item() == want);
  CHECK(sup_con(z, array).item() == want);
  CHECK(sup_con(z, vector).item() == want);
  CHECK(sup_con(z, far).item() == want);
  CHECK(sup_con(z, apart).item() == want);
  CHECK(sup_con(z, std::span<const std::int32_t>(narrow)).item() == want);
  CHECK(sup_con(z, Tensor::from<std::int64_t>(wide, {6})).item() == want);
  CHECK(sup_con(z, Tensor::from<std::int32_t>(narrow, {6})).item() == want);
  CHECK(sup_con(m, wide).loss == Approx(want));
  CHECK(sup_con(m, narrow).loss == Approx(want));
  CHECK_THROWS_WITH(sup_con(z, Tensor::zeros({6})), Contains("[labels] expected i32 or i64, got f32"));

  const std::vector<std::int32_t> classes{1, -1, 0, 3, 2, 1};
  const std::vector<std::int64_t> wide_classes(classes.begin(), classes.end());
  CHECK(labelled_cross_entropy(z, classes).item() == labelled_cross_entropy(z, wide_classes).item());
  CHECK(distill(z, z, classes, 0.3).item() == distill(z, z, wide_classes, 0.3).item());

  const Tensor unit = normalize(z);
  const MatrixSpan<float> rows{unit.span<float>(), 6, 4};
  const double masked = clip_loss(rows, rows, 1.0, {.ids = narrow}).loss;
  CHECK(clip_loss(rows, rows, 1.0, {.ids = wide}).loss == masked);
  CHECK(clip_loss(rows, rows, 1.0, {.ids = apart}).loss == masked);
  CHECK(clip_loss(rows, rows, 1.0).loss != masked);
}

TEST_CASE("expressions of Eigen are evaluated, and their gradients are plain matrices") {
  const Eigen::MatrixXf a = Eigen::MatrixXf::Random(9, 5), b = Eigen::MatrixXf::Random(9, 5);
  const Eigen::MatrixXf u = a.rowwise().normalized(), v = b.rowwise().normalized();
  const auto want = clip_loss(u, v, 1.0);
  const auto got = clip_loss(a.rowwise().normalized(), b.rowwise().normalized(), 1.0);
  static_assert(std::is_same_v<decltype(got.da), Eigen::MatrixXf>);
  CHECK(got.loss == want.loss);
  CHECK(got.da == want.da);
  CHECK(got.db == want.db);
  CHECK(siglip_loss(a.rowwise().normalized(), v, 1.0, -1.0).loss == siglip_loss(u, v, 1.0, -1.0).loss);
  CHECK(info_nce(a * 2, b, 0.1).loss == Approx(info_nce(a, b, 0.1).loss));
  CHECK(nt_xent(a, (b * 2).transpose().transpose(), 0.1).loss == Approx(nt_xent(a, b, 0.1).loss));
  CHECK(decoupled_info_nce(a + a, b, 0.1).loss == Approx(decoupled_info_nce(a, b, 0.1).loss));
  const std::vector<int> labels{0, 1, 2, 0, 1, 2, 0, 1, 2};
  CHECK(sup_con(a.cwiseProduct(b), labels).loss == sup_con(Eigen::MatrixXf(a.cwiseProduct(b)), labels).loss);
  Eigen::MatrixXf da(9, 5), db(9, 5);
  similarity::Workspace work;
  CHECK(clip_loss(a.rowwise().normalized(), v, 1.0, da, db, work).loss == want.loss);
  CHECK(da == want.da);
}
