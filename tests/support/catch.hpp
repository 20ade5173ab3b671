// SPDX-License-Identifier: MIT
#pragma once

// One name for Catch2 2.13 (Debian 12) and 3.x (Debian 13, Ubuntu 24.04).

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;  // 2.x brings it itself

inline auto Contains(const std::string& part) { return Catch::Matchers::ContainsSubstring(part); }
#else
#include <catch2/catch.hpp>

inline auto Contains(const std::string& part) { return Catch::Matchers::Contains(part); }
#endif
