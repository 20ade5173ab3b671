// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "contrastive/io/json.hpp"
#include "contrastive/weights/model_facts.hpp"

namespace contrastive::detail {

/// An object of a configuration file. Members that are absent or null give nothing; those of another kind throw.
class ConfigObject {
 public:
  ConfigObject(const Json& node, std::string_view file) : node_(&node), where_(file) {
    require(node.is_object(), "[weights] ", where_, " is not a JSON object");
  }

  bool has(const char* name) const { return find(name) != nullptr; }
  bool is_list(const char* name) const { return has(name) && find(name)->is_array(); }
  bool is_object(const char* name) const { return has(name) && find(name)->is_object(); }
  std::optional<ConfigObject> object(const char* name) const {
    const Json* value = find(name);
    if (!value) return {};
    ask(value->is_object(), name, "an object");
    return ConfigObject(*value, where_ + ", " + name);
  }
  std::optional<std::string> text(const char* name) const {
    const Json* value = find(name);
    if (!value) return {};
    ask(value->is_string(), name, "a text");
    return value->get<std::string>();
  }
  /// A size: 1 to 2^30, `least` may be 0.
  std::optional<std::int64_t> whole(const char* name, std::int64_t least = 1) const {
    const Json* value = find(name);
    if (!value) return {};
    ask(is_whole_number(*value) && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= 1 << 30, name,
        "a whole number in range");
    return value->get<std::int64_t>();
  }
  std::optional<double> number(const char* name) const {
    const Json* value = find(name);
    if (!value) return {};
    ask(value->is_number() && std::isfinite(value->get<double>()), name, "a number");
    return value->get<double>();
  }
  std::optional<bool> flag(const char* name) const {
    const Json* value = find(name);
    if (!value) return {};
    ask(value->is_boolean(), name, "true or false");
    return value->get<bool>();
  }
  std::optional<std::array<double, 3>> three_numbers(const char* name, bool above_0) const {
    const Json* value = find(name);
    if (!value) return {};
    bool good = value->is_array() && value->size() == 3;
    std::array<double, 3> numbers{};
    for (std::size_t i = 0; good && i < 3; ++i) {
      good = (*value)[i].is_number();
      if (good) numbers[i] = (*value)[i].get<double>();
      good = good && std::isfinite(numbers[i]) && (!above_0 || numbers[i] > 0);
    }
    ask(good, name, above_0 ? "three numbers above 0" : "three numbers");
    return numbers;
  }
  /// A value of an enumeration by our name for it.
  template <class E>
  std::optional<E> word(const char* name) const {
    const std::optional<std::string> given = text(name);
    if (!given) return {};
    const std::optional<E> value = value_of_word<E>(*given);
    require(value.has_value(), "[weights] ", where_, ": ", name, " is ", *given, ", expected ", list_of_words<E>());
    return value;
  }
  /// For what a model may be and ours is not.
  void refuse(bool unavailable, const char* name) const {
    const Json* value = find(name);
    require(!unavailable, "[weights] ", where_, ": a model with ", name, " = ",
            value ? dump_json(*value) : "its default", " is not available");
  }
  const std::string& where() const { return where_; }

 private:
  const Json* find(const char* name) const {
    const auto at = node_->find(name);
    return at == node_->end() || at->is_null() ? nullptr : &*at;
  }
  void ask(bool good, const char* name, const char* kind) const {
    require(good, "[weights] ", where_, ": ", name, " is not ", kind);
  }

  const Json* node_;
  std::string where_;
};

}  // namespace contrastive::detail
