// SPDX-License-Identifier: MIT
#include "support/methods.hpp"

namespace app {

const std::vector<const Program*>& all_methods() {
  using namespace methods;
  static const std::vector<const Program*> all{&moco_v2, &simclr, &byol, &simsiam};
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
