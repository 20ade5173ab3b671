// SPDX-License-Identifier: MIT
// expect: losses: expected matrices of float, double or bf16: Eigen's (an expression too), xtensor's (an expression is stored in an array first), or MatrixSpan(span, rows, columns); tensors go with tensors
#include <vector>

#include "contrastive/objectives/clip_loss.hpp"

using namespace contrastive;

int main() {
  std::vector<float> rows{1, 0, 0, 1};
#if defined(FAIL)
  const std::vector<float>& a = rows;
#else
  const MatrixSpan a{std::span<float>(rows), 2, 2};
#endif
  return clip_loss(a, a, 0.0).loss > 1;
}
