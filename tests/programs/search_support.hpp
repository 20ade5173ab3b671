// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"

namespace programs {

/// A small model that has learned next to nothing, trained once for all tests: what is found is checked in tests/search.
inline const std::string& searching_model() {
  static const Folder folder;
  static const std::string path = [] {
    const std::string out = folder / "run";
    const Outcome trained = run(program("clip") +
                                " --data shapes --image-size 16 --batch 64 --epochs 1 --samples 256 --dimension 32 "
                                "--text-width 32 --text-layers 1 --text-heads 2 --context-length 32 --knn-every 0 "
                                "--no-evaluation --out " +
                                out);
    INFO(trained.text);
    REQUIRE(trained.status == 0);
    return out;
  }();
  return path;
}

inline void write_picture(const std::string& path, int red, int green, int blue) {
  fs::create_directories(fs::path(path).parent_path());
  contrastive::Image image(24, 32, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>((i % 3 == 0 ? red : i % 3 == 1 ? green : blue) + i / 3 % 32);
  contrastive::write_file(path, contrastive::encode_png(image));
}

/// Pictures of about one colour, all different, in four folders below photos/.
inline void write_pictures(const Folder& folder, int count) {
  for (int i = 0; i < count; ++i)
    write_picture(folder / ("photos/" + std::to_string(i % 4) + "/" + std::to_string(i) + ".png"), i * 37 % 220,
                  i * 101 % 220, i * 5 % 220);
}

}  // namespace programs
