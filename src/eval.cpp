// SPDX-License-Identifier: MIT

// What the evaluations take from Eigen, compiled once for all programs that link `contrastive::compiled`. Under a name of
// its own: a program's Eigen may be compiled for other instructions, and of two functions of one name one is kept.
#define Eigen contrastive_eigen
#define EIGEN_DONT_PARALLELIZE
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/eval/linear_algebra_parts.hpp"
