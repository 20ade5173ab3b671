// SPDX-License-Identifier: MIT
// expect: losses: gradients are written into matrices of float, double or bf16: Eigen's, xtensor's, or a MatrixSpan or std::vector for those of spans
#include <Eigen/Core>

#include "contrastive/objectives/clip_loss.hpp"

using namespace contrastive;

int main() {
  const Eigen::MatrixXf a = Eigen::MatrixXf::Identity(2, 2);
  Eigen::MatrixXf da(2, 2);
  similarity::Workspace work;
#if defined(FAIL)
  std::vector<float> db(4);
#else
  Eigen::MatrixXf db(2, 2);
#endif
  return clip_loss(a.rowwise().normalized(), a, 0.0, da, db, work).loss > 1;
}
