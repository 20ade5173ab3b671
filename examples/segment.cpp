// SPDX-License-Identifier: MIT
//
// Gives each pixel of an image a word of any list, by a run that learned to (lseg, group_vit), or by the patches of a run of
// clip that did not.
//
//   segment runs/lseg --picture photo.jpg --labels "dog,cat,background" --out found.png
//   segment runs/clip --proxy runs/dino --picture photo.jpg --labels "dog,cat" --out found.png
//   segment runs/clip --proxy runs/dino                   scores on the scenes of the run

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/draw.hpp"
#include "support/dense_clip.hpp"
#include "support/one_picture.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

int run(const app::Trained& trained, const app::CompanionOptions& options, const std::string& proxy) {
  auto segment = trained.composition.segment;
  if (!segment) {
    const app::DenseClip dense = app::dense_clip_of(trained, options.run, proxy);
    if (options.picture.empty()) {
      app::evaluate_dense_clip(dense, trained);
      return 0;
    }
    segment = [dense](const Tensor& images, const std::vector<std::string>& list) {
      return dense.segment(images, list);
    };
  } else {
    require(proxy.empty(), "[settings] --proxy is for runs of clip, got one of ", trained.settings.method);
  }
  require(!options.picture.empty() && !options.classes.empty() && !options.out.empty(),
          "[settings] a picture's words need --picture, --labels and --out");
  const std::vector<std::string> words = app::words_of("--labels", options.classes);
  const Tensor image = app::seen_through(trained.view(), read_image(options.picture));
  const Tensor found = segment(image, words);

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
  std::string proxy;
  return app::companion_main(
      argc, argv, "Gives each pixel of an image a word",
      [&proxy](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option("--picture", options.picture, "JPEG, PNG or BMP file; none: scores of a run of clip");
        cli.add_option("--labels", options.classes, "words, joined by commas");
        cli.add_option("--out", options.out, "PNG file: the middle of the image with its words");
        cli.add_option("--proxy", proxy,
                       "of runs of clip: a run (dino) whose patches say which of CLIP's values to average");
      },
      [&proxy](const app::Trained& trained, const app::CompanionOptions& options) {
        return run(trained, options, proxy);
      });
}
