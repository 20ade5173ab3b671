// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/formula_weights.hpp"

/// Networks with the weights of `formula_weights.hpp`, and how close two lists of numbers are.
namespace contrastive {

/// |a - b| / |b|
inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double off = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    off += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(off / size);
}

inline std::vector<double> values(const Tensor& x, std::int64_t stride = 1) {
  const Tensor wide = x.detach().to(DType::f64);
  std::vector<double> out;
  for (std::int64_t i = 0; i < wide.count(); i += stride) out.push_back(wide.data<double>()[i]);
  return out;
}

/// |x|
inline double norm_of(const Tensor& x) {
  double square = 0;
  for (const double v : values(x)) square += v * v;
  return std::sqrt(square);
}

template <class Net>
Net formula_network(Net net) {
  std::map<std::string, Tensor> weights;
  each_state(net, [&](const std::string& name, Tensor& tensor) {
    if (is_float(tensor.dtype()))
      weights[name] = formula::weight(detail::to_file_layout(tensor.detach()).shape(), name);
  });
  REQUIRE(load_state(net, weights).ok());
  return net;
}

}  // namespace contrastive
