// SPDX-License-Identifier: MIT
#include "contrastive/objectives/distillation.hpp"

#include <cmath>

#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("distillation equals its loop, and its gradient is t times the difference of the softmaxes") {
  const std::int64_t N = 5, C = 7;
  const Tensor teacher = init::normal({N, C}, 3, Rng(1)).to(DType::f64);
  for (const double t : {0.1, 1.0, 4.0}) {
    const Tensor student = leaf(init::normal({N, C}, 1, Rng(2)), DType::f64);
    const Tensor loss = distill(student, teacher, t);
    loss.backward();
    double want = 0;
    for (std::int64_t i = 0; i < N; ++i) {
      const double *const s = student.data<double>() + i * C, *const q = teacher.data<double>() + i * C;
      double s_sum = 0, q_sum = 0;
      for (std::int64_t c = 0; c < C; ++c) s_sum += std::exp(s[c] / t), q_sum += std::exp(q[c] / t);
      for (std::int64_t c = 0; c < C; ++c) {
        want -= t * t / N * std::exp(q[c] / t) / q_sum * (s[c] / t - std::log(s_sum));
        const double slope = t / N * (std::exp(s[c] / t) / s_sum - std::exp(q[c] / t) / q_sum);
        CHECK(student.grad().data<double>()[i * C + c] == Approx(slope).margin(1e-12));
      }
    }
    CHECK(loss.item() == Approx(want).epsilon(1e-10));
  }
}

TEST_CASE("distillation of a student that is its teacher has no gradient; labels mix in where there are any") {
  const Tensor teacher = init::normal({4, 3}, 2, Rng(1)).to(DType::f64), student = leaf(teacher, DType::f64);
  distill(student, teacher, 2).backward();
  check_close(student.grad(), Tensor::zeros({4, 3}, DType::f64), 0, 1e-14);

  const std::vector<std::int64_t> labels{2, -1, 0, -1}, none{-1, -1, -1, -1};
  const Tensor other = init::normal({4, 3}, 1, Rng(2)).to(DType::f64);
  const Tensor rows = Tensor::from<std::int64_t>({0, 2}, {2}), targets = Tensor::from<std::int64_t>({2, 0}, {2});
  const double hard = mean(cross_entropy_rows(gather(other, rows), targets)).item(),
               soft = distill(other, teacher).item();
  CHECK(distill(other, teacher, labels, 0.25).item() == Approx(0.75 * hard + 0.25 * soft));
  CHECK(distill(other, teacher, none, 0.25).item() == Approx(0.25 * soft));
  const GradcheckResult result =
      gradcheck([&](const std::vector<Tensor>& x) { return distill(x[0], teacher, labels, 0.25, 0.5); }, {other});
  INFO(result.message);
  CHECK(result.ok);
  CHECK_THROWS_WITH(distill(other, teacher, labels, 2), Contains("the teacher's share must be 0 to 1, got 2"));
  CHECK_THROWS_WITH(distill(other, Tensor({4, 2}, DType::f64)), Contains("expected logits of the same (N, C)"));
}
