// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "contrastive/augment/square.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/search/update_index.hpp"

namespace search_test {

using namespace contrastive;
namespace fs = std::filesystem;

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "contrastive-search-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }
  std::string operator/(const std::string& inner) const { return (path / inner).string(); }
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A picture of one colour as a PNG file.
inline void write_picture(const std::string& path, int red, int green, int blue) {
  fs::create_directories(fs::path(path).parent_path());
  Image image(12, 16, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i % 3 == 0 ? red : i % 3 == 1 ? green : blue);
  write_file(path, encode_png(image));
}

/// A model whose row of an image is its mean colour, and of a text the colour that it names; `calls` counts images.
struct ColourModel {
  std::shared_ptr<std::size_t> calls = std::make_shared<std::size_t>(0);

  NamedModel named(std::uint64_t hash = 1) const {
    const auto unit = [](Tensor rows) {
      for (std::int64_t n = 0; n < rows.size(0); ++n) {
        float* const row = rows.data<float>() + 4 * n;
        float length = 0;
        for (int i = 0; i < 4; ++i) length += row[i] * row[i];
        for (int i = 0; i < 4; ++i) row[i] /= std::sqrt(length);
      }
      return rows;
    };
    const auto count = calls;
    ImageTextModel model{Square(8, ResizeMode::squash, Filter::bicubic, Normalize{{0, 0, 0}, {1, 1, 1}}), "8 x 8",
                         [unit, count](const Tensor& images) {
                           const std::int64_t N = images.size(0);
                           *count += static_cast<std::size_t>(N);
                           Tensor rows = Tensor::zeros({N, 4});
                           for (std::int64_t n = 0; n < N; ++n) {
                             for (int p = 0; p < 64; ++p)
                               for (int c = 0; c < 3; ++c)
                                 rows.data<float>()[4 * n + c] += images.data<float>()[(64 * n + p) * 3 + c] / 64;
                             rows.data<float>()[4 * n + 3] = 0.1f;
                           }
                           return unit(rows);
                         },
                         [unit](const std::vector<std::string>& texts) {
                           Tensor rows = Tensor::zeros({static_cast<std::int64_t>(texts.size()), 4});
                           for (std::size_t n = 0; n < texts.size(); ++n) {
                             float* const row = rows.data<float>() + 4 * n;
                             row[0] = texts[n].find("red") != std::string::npos;
                             row[1] = texts[n].find("green") != std::string::npos;
                             row[2] = texts[n].find("blue") != std::string::npos;
                             row[3] = 0.3f;
                           }
                           return unit(rows);
                         }};
    return {std::move(model), {hash, 0}, "colours"};
  }
};

struct Update {
  UpdateResult result;
  std::vector<std::string> complaints;
};

/// One update of the folder's index, stopped after `batches` batches if that is not negative.
inline Update update(const Folder& folder, const NamedModel& model, int batches = -1, UpdateOptions options = {}) {
  Update done;
  int seen = 0;
  UpdateWatch watch;
  watch.complain = [&](const std::string& text) { done.complaints.push_back(text); };
  watch.stop = [&] { return batches >= 0 && ++seen >= batches; };
  if (options.batch == 32) options.batch = 4;
  done.result = IndexUpdate(folder / "images", folder / "index", model, options, watch).run({"nothing", "something"});
  return done;
}

}  // namespace search_test
