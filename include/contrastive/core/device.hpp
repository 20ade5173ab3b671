// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace contrastive {

/// Where a tensor lives. A process drives one CUDA device (its rank chooses which).
enum class Device : std::uint8_t { cpu, cuda };
inline constexpr int device_count = 2;

constexpr const char* to_string(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

}  // namespace contrastive
