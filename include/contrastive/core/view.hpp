// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/device.hpp"
#include "contrastive/core/dtype.hpp"
#include "contrastive/core/shape.hpp"

namespace contrastive {

/// A plain, non-owning description of contiguous row-major memory: what kernels take, by value.
struct View {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  Device device = Device::cpu;

  template <class T>
  CONTRASTIVE_HD T* as() const {
    return static_cast<T*>(data);
  }
  CONTRASTIVE_HD std::int64_t count() const { return shape.count(); }
};

}  // namespace contrastive
