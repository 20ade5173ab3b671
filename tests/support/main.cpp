// SPDX-License-Identifier: MIT

#define CATCH_CONFIG_RUNNER  // Catch2 2.x: this file holds its implementation
#include "support/catch.hpp"

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
