// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "support/run.hpp"

namespace app {

/// `run_program`, and at the end of a run that went well, `at_end` with its folder.
int run_program_then(int argc, char** argv, const Program& program,
                     const std::function<void(const std::string& out)>& at_end);

}  // namespace app
