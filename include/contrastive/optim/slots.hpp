// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/optim/parameter_groups.hpp"

namespace contrastive::detail {

/// What every optimiser keeps: the groups, the parameters in one list, and a table of hyper-parameters on their device
/// with one row a parameter, sent over once a step. T-typed rows: `Hyper` is SgdHyper or AdamHyper.
template <template <class> class Hyper>
class Slots {
 public:
  struct Slot {
    Tensor parameter;
    std::string name;
    std::size_t group = 0;
  };

  Slots(const char* op, std::vector<ParameterGroup> groups) : groups(std::move(groups)) {
    for (std::size_t i = 0; i < this->groups.size(); ++i) {
      const ParameterGroup& group = this->groups[i];
      require(group.names.size() == group.parameters.size(), "[", op, "] ", group.names.size(), " names for ",
              group.parameters.size(), " parameters");
      for (std::size_t j = 0; j < group.parameters.size(); ++j)
        list.push_back({group.parameters[j], group.names[j], i});
    }
    require(!list.empty(), "[", op, "] no parameter that requires a gradient");
    for (const Slot& slot : list) {
      require(slot.parameter.dtype() == dtype() && slot.parameter.device() == device(), "[", op,
              "] parameters share one dtype and device: ", slot.name, " is ", to_string(slot.parameter.dtype()), " on ",
              to_string(slot.parameter.device()), ", ", list[0].name, " ", to_string(dtype()), " on ",
              to_string(device()));
      for (const Slot& other : list)
        require(&other == &slot || other.name != slot.name, "[", op, "] two parameters are named ", slot.name);
    }
    require(dtype() == DType::f32 || dtype() == DType::f64, "[", op, "] parameters are f32 or f64, got ",
            to_string(dtype()));
    const Shape shape{static_cast<std::int64_t>(list.size()), fields};
    host_ = Tensor(shape, dtype());
    device_ = device() == Device::cpu ? host_ : Tensor(shape, dtype(), device());
  }

  DType dtype() const { return list[0].parameter.dtype(); }
  Device device() const { return list[0].parameter.device(); }

  /// Calls `fill(i, group, row)` for each parameter and sends the rows to the device.
  template <class F>
  void upload(F&& fill) {
    const auto write = [&](auto* rows) {
      for (std::size_t i = 0; i < list.size(); ++i) fill(i, groups[list[i].group], rows[i]);
    };
    if (dtype() == DType::f32)
      write(reinterpret_cast<Hyper<float>*>(host_.data<float>()));
    else
      write(reinterpret_cast<Hyper<double>*>(host_.data<double>()));
    if (device() != Device::cpu) device_.copy_from(host_);
  }

  View hyper(std::size_t i) const {
    const auto row = static_cast<std::int64_t>(i);
    return device_.slice(row, row + 1).view();
  }

  /// The gradient of a parameter in its dtype; empty where `backward` did not reach it or it was frozen.
  Tensor gradient(std::size_t i) const {
    const Tensor grad = list[i].parameter.grad();
    if (!grad.defined()) return {};
    require(grad.shape() == list[i].parameter.shape(), "[optimizer] the gradient of ", list[i].name, " is ",
            grad.shape(), ", expected ", list[i].parameter.shape());
    return grad.to(dtype());
  }

  std::vector<Tensor> zeros() const {
    std::vector<Tensor> state;
    for (const Slot& slot : list) state.push_back(Tensor::zeros(slot.parameter.shape(), dtype(), device()));
    return state;
  }

  void clear_grad() const {
    for (const Slot& slot : list) slot.parameter.clear_grad();
  }

  std::vector<ParameterGroup> groups;
  std::vector<Slot> list;

 private:
  static constexpr std::int64_t fields = sizeof(Hyper<float>) / sizeof(float);
  Tensor host_, device_;  // (parameters, fields)
};

}  // namespace contrastive::detail
