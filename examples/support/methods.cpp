// SPDX-License-Identifier: MIT
#include "support/methods.hpp"

#include <algorithm>
#include <string_view>

#include "method_list.hpp"  // made by CMake: CONTRASTIVE_METHODS(X) is X(name) for each

namespace app {

namespace methods {
#define CONTRASTIVE_DECLARE(name) extern const Program name;
CONTRASTIVE_METHODS(CONTRASTIVE_DECLARE)
#undef CONTRASTIVE_DECLARE
}  // namespace methods

const std::vector<const Program*>& all_methods() {
  static const std::vector<const Program*> all = [] {
#define CONTRASTIVE_ADDRESS(name) &methods::name,
    std::vector<const Program*> list{CONTRASTIVE_METHODS(CONTRASTIVE_ADDRESS)};
#undef CONTRASTIVE_ADDRESS
    std::ranges::stable_sort(list, {}, [](const Program* program) { return std::string_view(program->arxiv); });
    return list;
  }();
  return all;
}

const Program& method_named(const std::string& name) {
  std::string known;
  for (const Program* program : all_methods()) {
    if (program->recipe.method == name) return *program;
    known += (known.empty() ? "" : ", ") + program->recipe.method;
  }
  fail("[settings] unknown method ", name, ": expected one of ", known);
}

}  // namespace app
