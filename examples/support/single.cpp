// SPDX-License-Identifier: MIT
//
// The program of one method: CONTRASTIVE_METHOD is its name, defined by the build.
#include "support/run.hpp"

namespace app::methods {
extern const Program CONTRASTIVE_METHOD;
}

int main(int argc, char** argv) { return app::run_program(argc, argv, app::methods::CONTRASTIVE_METHOD); }
