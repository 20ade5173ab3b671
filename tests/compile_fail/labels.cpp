// SPDX-License-Identifier: MIT
// expect: Labels: class labels are int32 or int64, one after the other in memory: a std::vector, a std::span, a std::array, a vector of Eigen, or a tensor of i32 or i64
#include "contrastive/objectives/sup_con.hpp"

using namespace contrastive;

int main() {
#if defined(FAIL)
  const std::vector<float> labels{0, 1};
#else
  const std::vector<long> labels{0, 1};
#endif
  return sup_con(Tensor::zeros({2, 3}), labels).rank();
}
