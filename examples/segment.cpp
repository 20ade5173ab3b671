// SPDX-License-Identifier: MIT
//
// Gives each pixel of an image a word of any list, by a run that learned to (lseg, group_vit).
//
//   segment runs/lseg --picture photo.jpg --labels "dog,cat,background" --out found.png

#include <algorithm>
#include <cstdio>
#include <vector>

#include "contrastive/data/decode.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/draw.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string word = list.substr(begin, end - begin);
    word.erase(0, word.find_first_not_of(' '));
    word.erase(word.find_last_not_of(' ') + 1);
    require(!word.empty(), "[settings] --labels has an empty word: ", list);
    require(std::ranges::find(words, word) == words.end(), "[settings] --labels names ", word, " twice");
    words.push_back(word);
    begin = end + 1;
  }
  return words;
}

int run(const app::Trained& trained, const app::CompanionOptions& options) {
  require(trained.composition.segment != nullptr,
          "[settings] this needs a run that gives pixels words (lseg, group_vit), got one of ",
          trained.settings.method);
  const std::vector<std::string> words = words_of(options.classes);
  const AnyAugment& view = trained.view();
  Sample sample;
  sample.image = read_image(options.picture);
  sample.full = {sample.image.height, sample.image.width};
  const Tensor image(view.views().at(0).shape(1));
  void* const out[] = {image.view().data};
  view(sample, Rng(0), out, {});
  const Tensor found = trained.composition.segment(image, words);

  // The same view without normalisation, to draw on.
  const int side = static_cast<int>(image.size(1));
  const Tensor plain(image.shape());
  OneView(Compose(CenterCrop{side, side}))(sample.image, Rng(0), std::vector<float*>{plain.data<float>()}, {});
  Image shown(side, side, 3);
  for (std::size_t i = 0; i < shown.pixels.size(); ++i)
    shown.pixels[i] = static_cast<std::uint8_t>(255 * plain.data<float>()[i] + 0.5f);
  write_file(options.out,
             encode_png(labelled_image(shown, found.span<std::int64_t>(), words, std::max(1, 512 / side))));
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
