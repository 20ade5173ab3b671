// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/io/safetensors.hpp"
#include "contrastive/nn/module.hpp"

/// Weights in files. A convolution's weight is (O, k, k, I) in memory and torchvision's (O, I, k, k) in files.
namespace contrastive {

namespace detail {

inline Tensor reordered(const Tensor& x, std::array<int, Shape::max_rank> axes) {
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) shape.push_back(x.size(axes[i]));
  const Tensor y(shape, x.dtype(), x.device());
  x.kernels().permute(x.view(), axes, y.view());
  return y;
}
inline Tensor to_file_layout(const Tensor& x) { return x.rank() == 4 ? reordered(x, {0, 3, 1, 2}) : x; }
inline Tensor from_file_layout(const Tensor& x) { return x.rank() == 4 ? reordered(x, {0, 2, 3, 1}) : x; }

}  // namespace detail

/// Tensors by name, as files hold them.
inline NamedTensors state_of(const std::vector<std::pair<std::string, Tensor>>& tensors,
                             const std::string& prefix = "") {
  NamedTensors state;
  for (const auto& [name, tensor] : tensors)
    state.emplace_back(prefix + name, detail::to_file_layout(tensor.detach().to(Device::cpu)));
  return state;
}
/// Parameters and buffers of a module.
template <class M>
requires detail::HasMembers<M> NamedTensors state_of(M& module, const std::string& prefix = "") {
  return state_of(handles(module), prefix);
}

struct LoadReport {
  std::vector<std::string> missing;     // in the module, not in the file
  std::vector<std::string> unexpected;  // in the file, not in the module
  std::vector<std::string> mismatched;  // "name: (64, 3, 7, 7) in the file, (64, 3, 3, 3) in the module"
  bool ok() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};

/// "missing a, b; unexpected c; ...", at most five names each.
inline std::string to_string(const LoadReport& report) {
  std::string text;
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    text += (text.empty() ? "" : "; ") + std::string(what) + " ";
    for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i ? ", " : "") + names[i];
    if (names.size() > 5) text += join(" and ", names.size() - 5, " more");
  };
  list("missing", report.missing);
  list("unexpected", report.unexpected);
  list("of another shape:", report.mismatched);
  return text;
}

/// Copies the file's tensors whose names start with `prefix` into those of `state`, cast to their dtypes. Nothing is
/// copied when a shape differs; the report lists every difference. Counters (`num_batches_tracked`) may be absent.
inline LoadReport load_state(const std::vector<std::pair<std::string, Tensor>>& state,
                             const std::map<std::string, Tensor>& tensors, const std::string& prefix = "") {
  LoadReport report;
  std::set<std::string> used;
  std::vector<std::pair<Tensor, Tensor>> copies;
  for (const auto& [name, tensor] : state) {
    const auto found = tensors.find(prefix + name);
    if (found == tensors.end()) {
      if (!name.ends_with("num_batches_tracked")) report.missing.push_back(name);
      continue;
    }
    used.insert(found->first);
    const Tensor given = detail::from_file_layout(found->second);
    if (given.shape() != tensor.shape())
      report.mismatched.push_back(join(name, " ", given.shape(), " in the file, ", tensor.shape(), " wanted"));
    else
      copies.emplace_back(tensor, given);
  }
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix) && !used.contains(name)) report.unexpected.push_back(name.substr(prefix.size()));
  if (report.mismatched.empty())
    for (const auto& [to, from] : copies) to.copy_from(from.to(to.dtype()));
  return report;
}
/// The same into a module.
template <class M>
requires detail::HasMembers<M> LoadReport load_state(M& module, const std::map<std::string, Tensor>& tensors,
                                                     const std::string& prefix = "") {
  return load_state(handles(module), tensors, prefix);
}

namespace detail {

/// What stands before the names of `state` in a file, as in "module.encoder_q.conv1.weight", where at least half of them
/// are there; several where the file holds several such networks.
inline std::vector<std::string> name_prefixes(const std::vector<std::pair<std::string, Tensor>>& state,
                                              const std::map<std::string, Tensor>& tensors) {
  std::set<std::string> wanted;
  for (const auto& [name, tensor] : state) wanted.insert(name);
  std::map<std::string, std::size_t> found;  // names behind each prefix
  for (const auto& [name, tensor] : tensors)
    for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1))
      if (wanted.contains(name.substr(dot + 1))) ++found[name.substr(0, dot + 1)];
  std::vector<std::string> prefixes;
  for (const auto& [prefix, count] : found)
    if (2 * count >= wanted.size()) prefixes.push_back(prefix);
  return prefixes;
}

}  // namespace detail

/// Published weights into an encoder: torchvision's, timm's and DINO's `.safetensors` load by name, where a classifier
/// (`fc.`, `head.`) is left out. With `strip_prefix` only the tensors whose names begin with it are read, without it:
/// "module." of PyTorch's parallel training, "module.encoder_q." of MoCo, "backbone.". Throws `[load] FILE: ...` listing
/// what does not fit, and naming a prefix that would make it fit.
template <class M>
void load_weights(M& module, const std::string& path, const std::string& strip_prefix = "") {
  const Safetensors file = load_safetensors(path);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : file.tensors) {
    if (!name.starts_with(strip_prefix)) continue;
    const std::string rest = name.substr(strip_prefix.size());
    if (!rest.starts_with("fc.") && !rest.starts_with("head.")) tensors.emplace(rest, tensor);
  }
  const LoadReport report = load_state(module, tensors);
  if (report.ok()) return;
  std::string advice;
  for (const std::string& prefix : detail::name_prefixes(handles(module), file.tensors))
    if (prefix != strip_prefix) advice += (advice.empty() ? "" : ", ") + ('"' + prefix + '"');
  if (!advice.empty())
    advice = "; its names begin with " + advice + ", which load_weights(net, file, strip_prefix) takes off";
  fail("[load] ", path, ": the weights", strip_prefix.empty() ? "" : " behind \"" + strip_prefix + '"',
       " do not fit this network: ", to_string(report), advice);
}

template <class M>
void save_weights(M& module, const std::string& path) {
  save_safetensors(path, state_of(module));
}

}  // namespace contrastive
