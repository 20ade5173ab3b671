// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "contrastive/augment/augment.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/media/image.hpp"

/// A folder that goes away with its test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("contrastive-data-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }

  /// Writes a file, and the folders above it.
  std::string write(const std::string& name, std::span<const std::uint8_t> bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::FILE* file = std::fopen(path(name).c_str(), "wb");
    contrastive::require(file != nullptr, "cannot write ", path(name));
    if (!bytes.empty()) std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
    return path(name);
  }
  std::string write(const std::string& name, const std::string& text) const {
    return write(name, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }

 private:
  std::filesystem::path path_;
};

/// A 24-bit BMP file of one colour.
inline std::vector<std::uint8_t> bmp_file(int height, int width, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  const std::uint32_t stride = (3u * static_cast<std::uint32_t>(width) + 3u) / 4u * 4u;
  std::vector<std::uint8_t> file = {'B', 'M'};
  const auto put = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  put(54 + stride * static_cast<std::uint32_t>(height), 4), put(0, 4), put(54, 4);
  put(40, 4), put(static_cast<std::uint32_t>(width), 4), put(static_cast<std::uint32_t>(height), 4), put(1, 2),
      put(24, 2);
  for (int i = 0; i < 6; ++i) put(0, 4);
  for (int y = 0; y < height; ++y)
    for (std::uint32_t x = 0; x < stride; ++x)
      file.push_back(x >= 3u * static_cast<std::uint32_t>(width) ? 0 : x % 3 == 0 ? b : x % 3 == 1 ? g : r);
  return file;
}

/// Two views of 2 x 2: the first pixel of the picture, and what the stream drew.
struct Probe {
  std::vector<contrastive::ViewSpec> views() const { return {spec(), spec()}; }
  std::size_t globals() const { return 2; }
  void operator()(const contrastive::Image& image, contrastive::Rng rng, std::span<float* const> out,
                  std::span<contrastive::Drawn>) const {
    for (std::size_t v = 0; v < 2; ++v) {
      contrastive::Stream draw(rng / v);
      for (int i = 0; i < 12; ++i) out[v][i] = static_cast<float>(image.pixels[0] + draw.uniform());
    }
  }

 private:
  static contrastive::ViewSpec spec() { return {2, 3}; }
};
