// SPDX-License-Identifier: MIT
//
// The program of one method: CONTRASTIVE_METHOD is its name, defined by the build. It says of support/run.hpp what it needs,
// because it is compiled once for each method.
namespace app {
struct Program;
int run_program(int argc, char** argv, const Program& program);
namespace methods {
extern const Program CONTRASTIVE_METHOD;
}
}  // namespace app

int main(int argc, char** argv) { return app::run_program(argc, argv, app::methods::CONTRASTIVE_METHOD); }
