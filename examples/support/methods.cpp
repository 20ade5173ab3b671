// SPDX-License-Identifier: MIT
#include "support/methods.hpp"

namespace app {

const std::vector<const Program*>& all_methods() {
  using namespace methods;
  static const std::vector<const Program*> all{&instdisc, &cpc,     &invaspread, &cmc,   &moco_v1, &moco_v2,
                                               &simclr,   &sup_con, &byol,       &swav,  &simsiam, &barlow_twins,
                                               &moco_v3,  &dino,    &mae,        &nnclr, &vicreg,  &dcl};
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
