// SPDX-License-Identifier: MIT
//
// Gives each pixel of an image a word of any list, by a run that learned to (lseg, group_vit).
//
//   segment runs/lseg --picture photo.jpg --labels "dog,cat,background" --out found.png

#include <algorithm>
#include <cstdio>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/draw.hpp"
#include "support/one_picture.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

int run(const app::Trained& trained, const app::CompanionOptions& options) {
  require(trained.composition.segment != nullptr,
          "[settings] this needs a run that gives pixels words (lseg, group_vit), got one of ",
          trained.settings.method);
  const std::vector<std::string> words = app::words_of("--labels", options.classes);
  const Tensor image = app::seen_through(trained.view(), read_image(options.picture));
  const Tensor found = trained.composition.segment(image, words);

  const int factor = std::max(1, 512 / static_cast<int>(image.size(1)));
  const Image seen = pictures_of(trained.view().views().at(0), image)[0];
  write_file(options.out, encode_png(labelled_image(seen, found.span<std::int64_t>(), words, factor)));
  for (std::size_t w = 0; w < words.size(); ++w) {
    const auto count = std::ranges::count(found.span<std::int64_t>(), static_cast<std::int64_t>(w));
    std::printf("  %-24s %6.1f %%\n", words[w].c_str(),
                100.0 * static_cast<double>(count) / static_cast<double>(found.count()));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Gives each pixel of an image a word",
      [](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option("--picture", options.picture, "JPEG, PNG or BMP file")->required();
        cli.add_option("--labels", options.classes, "words, joined by commas")->required();
        cli.add_option("--out", options.out, "PNG file: the middle of the image with its words")->required();
      },
      run);
}
