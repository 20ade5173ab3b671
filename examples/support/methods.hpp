// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "support/run.hpp"

namespace app {

/// The programs of examples/ that train a method, in the order of their papers.
const std::vector<const Program*>& all_methods();

/// Throws for a name that is none of them.
const Program& method_named(const std::string& name);

}  // namespace app
