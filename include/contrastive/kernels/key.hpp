// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <type_traits>

#include "contrastive/core/shape.hpp"

/// Bytes that name a library's primitive or plan in a cache.
namespace contrastive::detail {

template <class Part>
void add_to_key(std::string& key, const Part& part) {
  static_assert(std::has_unique_object_representations_v<Part> || std::is_floating_point_v<Part>,
                "bytes between members would make each call's key a new one");
  key.append(reinterpret_cast<const char*>(&part), sizeof part);
}
inline void add_to_key(std::string& key, const Shape& shape) {
  add_to_key(key, shape.rank);
  for (int axis = 0; axis < shape.rank; ++axis) add_to_key(key, shape[axis]);
}

template <class... Parts>
std::string key_of(const Parts&... parts) {
  std::string key;
  (add_to_key(key, parts), ...);
  return key;
}

}  // namespace contrastive::detail
