// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

/// Modules are values: a struct with `Tensor operator()(const Tensor&) const` and
///
///     template <class F> void members(F&& f) { f("weight", weight); f("conv1", conv1); }
///
/// which names its parameters, buffers and submodules (single ones or ranges, whose elements are named 0, 1, ...). The names
/// of a submodule named "" are those of the module itself.
/// Everything else here follows from that: what is not named is not trained, saved, moved or copied. Copies of a module
/// share their tensors; `clone` gives it its own.
namespace contrastive {

/// A trained tensor.
struct Parameter : Tensor {
  Parameter() = default;
  explicit Parameter(const Tensor& values) : Tensor(values.detach()) { set_requires_grad(true); }
};

/// State that is saved but not trained.
struct Buffer : Tensor {
  Buffer() = default;
  explicit Buffer(const Tensor& values) : Tensor(values.detach()) {}
};

namespace detail {

struct NameVisitor {
  template <class T>
  void operator()(std::string_view, T&) const {}
};

template <class M>
concept HasMembers = requires(M& m, NameVisitor v) {
  m.members(v);
};

/// The class that defines a member function.
template <class C, class R, class... A>
std::type_identity<C> definer_of(R (C::*)(A...));

/// False for a class that inherits `members` and adds something which that cannot name.
template <class M>
constexpr bool names_what_it_adds() {
  if constexpr (requires { definer_of(&M::template members<NameVisitor&>); }) {
    using Definer = typename decltype(definer_of(&M::template members<NameVisitor&>))::type;
    return sizeof(M) == sizeof(Definer) || std::is_trivially_copyable_v<M>;
  }
  return true;
}

template <class T>
inline constexpr bool is_leaf = std::derived_from<T, Parameter> || std::derived_from<T, Buffer>;

/// What is done with each tensor of a tree. It is one type for all uses, so that `members` of a module is compiled once.
struct Leaves {
  virtual void operator()(const std::string& path, Parameter& leaf) const = 0;
  virtual void operator()(const std::string& path, Buffer& leaf) const = 0;

 protected:
  ~Leaves() = default;
};

template <class F>
struct LeavesBy final : Leaves {
  F& f;
  explicit LeavesBy(F& f) : f(f) {}
  void operator()(const std::string& path, Parameter& leaf) const override { f(path, leaf); }
  void operator()(const std::string& path, Buffer& leaf) const override { f(path, leaf); }
};

template <class T>
void walk(T& node, const std::string& path, const Leaves& f) {
  if constexpr (is_leaf<T>) {
    if (node.defined()) f(path, node);
  } else if constexpr (HasMembers<T>) {
    static_assert(names_what_it_adds<T>(),
                  "Module: a class that inherits `members` and adds members of its own needs its own `members`, which "
                  "calls the base's (docs/guides/add-an-encoder.md)");
    node.members([&](std::string_view name, auto& child) {
      walk(child, name.empty() ? path : path.empty() ? std::string(name) : path + "." + std::string(name), f);
    });
  } else {
    static_assert(
        requires {
          node.begin();
          node.end();
        },
        "Module: a member is a Parameter, a Buffer, a module with `members`, or a range of modules "
        "(docs/guides/add-an-encoder.md)");
    int index = 0;
    for (auto& child : node)
      walk(child, path.empty() ? std::to_string(index++) : path + "." + std::to_string(index++), f);
  }
}

/// f(path, leaf) for each Parameter and Buffer of the tree.
template <class T, class F>
void each_leaf(T& node, F&& f) {
  walk(node, "", LeavesBy<std::remove_reference_t<F>>(f));
}

/// f(node) for each module of type Wanted in the tree.
template <class Wanted, class T, class F>
void walk_modules(T& node, F&& f) {
  if constexpr (std::is_same_v<T, Wanted>) {
    f(node);
  } else if constexpr (is_leaf<T>) {
  } else if constexpr (HasMembers<T>) {
    node.members([&](std::string_view, auto& child) { walk_modules<Wanted>(child, f); });
  } else {
    for (auto& child : node) walk_modules<Wanted>(child, f);
  }
}

}  // namespace detail

template <class M>
concept Module = detail::HasMembers<M> && requires(const M& m, const Tensor& x) {
  { m(x) } -> std::convertible_to<Tensor>;
};

/// f(name, Parameter&) for each trained tensor, names joined by dots, in the order of `members`.
template <class M, class F>
void each_parameter(M& module, F&& f) {
  detail::each_leaf(module, [&](const std::string& name, auto& leaf) {
    if constexpr (std::derived_from<std::remove_cvref_t<decltype(leaf)>, Parameter>) f(name, leaf);
  });
}

/// f(name, Buffer&) for each untrained tensor.
template <class M, class F>
void each_buffer(M& module, F&& f) {
  detail::each_leaf(module, [&](const std::string& name, auto& leaf) {
    if constexpr (std::derived_from<std::remove_cvref_t<decltype(leaf)>, Buffer>) f(name, leaf);
  });
}

/// f(name, Tensor&) for parameters and buffers alike: what a checkpoint holds.
template <class M, class F>
void each_state(M& module, F&& f) {
  detail::each_leaf(module, [&](const std::string& name, Tensor& leaf) { f(name, leaf); });
}

/// The same as a list; the handles share the module's memory.
template <class M>
std::vector<std::pair<std::string, Tensor>> handles(M& module) {
  std::vector<std::pair<std::string, Tensor>> all;
  each_state(module, [&](const std::string& name, Tensor& leaf) { all.emplace_back(name, leaf); });
  return all;
}

/// f(module) for each submodule of type Wanted, as in `each_module<BatchNorm>(net, ...)`.
template <class Wanted, class M, class F>
void each_module(M& module, F&& f) {
  detail::walk_modules<Wanted>(module, f);
}

/// A copy with tensors of its own.
template <class M>
M clone(const M& module) {
  M copy = module;
  detail::each_leaf(copy, [](const std::string&, auto& leaf) {
    using Leaf = std::remove_cvref_t<decltype(leaf)>;
    const bool wanted = leaf.requires_grad();
    leaf = Leaf(leaf.detach().clone());
    leaf.set_requires_grad(wanted);
  });
  return copy;
}

/// Turns gradients of all parameters on or off.
template <class M>
void set_trainable(M& module, bool on) {
  each_parameter(module, [on](const std::string&, Parameter& p) { p.set_requires_grad(on); });
}

template <class M>
void clear_gradients(M& module) {
  each_parameter(module, [](const std::string&, Parameter& p) { p.clear_grad(); });
}

template <class M>
std::int64_t parameter_count(M& module) {
  std::int64_t total = 0;
  each_parameter(module, [&](const std::string&, Parameter& p) { total += p.count(); });
  return total;
}

/// Moves floating tensors to a device and a dtype (f32, or f64 for checks). Counters stay on the host.
template <class M>
void move_to(M& module, Device device, DType dtype = DType::f32) {
  detail::each_leaf(module, [&](const std::string&, auto& leaf) {
    using Leaf = std::remove_cvref_t<decltype(leaf)>;
    if (!is_float(leaf.dtype())) return;
    const bool wanted = leaf.requires_grad();
    leaf = Leaf(leaf.detach().to(dtype).to(device));
    leaf.set_requires_grad(wanted);
  });
}

/// Does nothing: the predictor of methods without one.
struct Identity {
  Tensor operator()(const Tensor& x) const { return x; }
  template <class F>
  void members(F&&) {}
};

}  // namespace contrastive
