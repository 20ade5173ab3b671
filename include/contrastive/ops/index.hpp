// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <span>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Rows of x by index, i64 or i32 of any shape: (N, ...) and (M, L) -> (M, L, ...). Gradients of a row that is taken more
/// than once add up, in the order of the index. On the CPU an index outside x throws; on another device its row is NaN
/// and gets no gradient.
inline Tensor gather(const Tensor& x, const Tensor& index) {
  require(x.rank() >= 1 && index.defined() && (index.dtype() == DType::i64 || index.dtype() == DType::i32),
          "[gather] expected rows (N, ..) and an index of i64 or i32, got ", x.shape(), " and ", index.shape(), " ",
          to_string(index.dtype()));
  check_devices("gather", {&x, &index});
  Shape shape = index.shape();
  for (int axis = 1; axis < x.rank(); ++axis) shape.push_back(x.size(axis));
  const Tensor y(shape, x.dtype(), x.device()), rows = index.to(DType::i64);
  x.kernels().gather(x.view(), rows.view(), y.view());
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.shape(), index = Saved("gather", rows)](const Tensor& dy) {
    const Tensor d = Tensor::zeros(from, dy.dtype(), dy.device());
    dy.kernels().scatter_add(dy.view(), index->view(), d.view());
    dx.add(d);
  });
}

/// y's axis i is x's axis axes[i].
inline Tensor permute(const Tensor& x, std::span<const int> axes) {
  require(static_cast<int>(axes.size()) == x.rank(), "[permute] ", axes.size(), " axes for ", x.shape());
  std::array<int, Shape::max_rank> order{}, inverse{};
  Shape shape;
  int seen = 0;
  for (int i = 0; i < x.rank(); ++i) {
    order[i] = checked_axis("permute", axes[i], x.rank());
    inverse[order[i]] = i;
    seen |= 1 << order[i];
    shape.push_back(x.size(order[i]));
  }
  require(seen == (1 << x.rank()) - 1, "[permute] each axis must be named once");
  const Tensor y(shape, x.dtype(), x.device());
  x.kernels().permute(x.view(), order, y.view());
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.shape(), inverse](const Tensor& dy) {
    const Tensor d(from, dy.dtype(), dy.device());
    dy.kernels().permute(dy.view(), inverse, d.view());
    dx.add(d);
  });
}
inline Tensor permute(const Tensor& x, std::initializer_list<int> axes) {
  return permute(x, std::span<const int>(axes.begin(), axes.size()));
}

/// Entries [begin, end) of any axis, copied.
inline Tensor narrow(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  axis = checked_axis("narrow", axis, x.rank());
  require(0 <= begin && begin <= end && end <= x.size(axis), "[narrow] [", begin, ", ", end, ") is outside axis ", axis,
          " of ", x.shape());
  Shape shape = x.shape();
  shape[axis] = end - begin;
  const Tensor y(shape, x.dtype(), x.device());
  x.kernels().extract(x.view(), y.view(), axis, begin);
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.shape(), axis, begin](const Tensor& dy) {
    const Tensor d = Tensor::zeros(from, dy.dtype(), dy.device());
    dy.kernels().place(dy.view(), d.view(), axis, begin);
    dx.add(d);
  });
}

/// A square matrix with its diagonal overwritten by a constant, through which no gradient flows.
inline Tensor mask_diagonal(const Tensor& x, double value) {
  require(x.rank() == 2 && x.size(0) == x.size(1), "[mask_diagonal] expected a square matrix, got ", x.shape());
  const std::int64_t N = x.size(0);
  // Read with rows one element longer, a matrix has its diagonal in the first column.
  const auto overwrite = [N](const Tensor& m, double with) {
    const Tensor column = Tensor::full({N, 1}, with, m.dtype(), m.device());
    if (N > 1) {
      View skewed = m.view();
      skewed.shape = Shape{N - 1, N + 1};
      m.kernels().place(column.slice(0, N - 1).view(), skewed, 1, 0);
    }
    if (N > 0) {
      View flat = m.view();
      flat.shape = Shape{N * N};
      m.kernels().place(column.slice(0, 1).reshape({1}).view(), flat, 0, N * N - 1);
    }
  };
  const Tensor y = x.detach().clone();
  overwrite(y, value);
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), overwrite](const Tensor& dy) {
    const Tensor d = dy.clone();
    overwrite(d, 0);
    dx.add(d);
  });
}

/// Joins tensors that agree on all axes but one.
inline Tensor concat(std::span<const Tensor> parts, int axis = 0) {
  require(!parts.empty(), "[concat] nothing to join");
  axis = checked_axis("concat", axis, parts[0].rank());
  Shape shape = parts[0].shape();
  shape[axis] = 0;
  bool wanted = false;
  for (const Tensor& part : parts) {
    Shape like = part.shape();
    require(like.rank == shape.rank && part.dtype() == parts[0].dtype(), "[concat] ", part.shape(), " does not join ",
            parts[0].shape());
    check_devices("concat", {&parts[0], &part});
    const std::int64_t size = like[axis];
    like[axis] = shape[axis];
    require(like == shape, "[concat] ", part.shape(), " does not join ", parts[0].shape(), " along axis ", axis);
    shape[axis] += size;
    wanted = wanted || recording({&part});
  }
  const Tensor y(shape, parts[0].dtype(), parts[0].device());
  std::int64_t offset = 0;
  for (const Tensor& part : parts) {
    y.kernels().place(part.view(), y.view(), axis, offset);
    offset += part.size(axis);
  }
  if (!wanted) return y;
  struct Source {
    Grad grad;
    Shape shape;
  };
  std::vector<Source> sources;
  for (const Tensor& part : parts) sources.push_back({Grad(part), part.shape()});
  return record(y, [sources, axis](const Tensor& dy) {
    std::int64_t offset = 0;
    for (const Source& source : sources) {
      if (source.grad) {
        const Tensor d(source.shape, dy.dtype(), dy.device());
        dy.kernels().extract(dy.view(), d.view(), axis, offset);
        source.grad.add(d);
      }
      offset += source.shape[axis];
    }
  });
}
inline Tensor concat(std::initializer_list<Tensor> parts, int axis = 0) {
  return concat(std::span<const Tensor>(parts.begin(), parts.size()), axis);
}

}  // namespace contrastive
