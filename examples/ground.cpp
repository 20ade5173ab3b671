// SPDX-License-Identifier: MIT
//
// Finds the boxes of any phrases in an image, by a run that learned to (glip, vild).
//
//   ground runs/glip --picture photo.jpg --phrases "red apple,small dog" --out boxes.png

#include <algorithm>
#include <cstdio>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/png.hpp"
#include "support/detection.hpp"
#include "support/one_picture.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

struct Asked {
  std::string phrases;
  std::int64_t most = 1;
  double least = 0;
  bool json = false;
};

/// The best boxes of each phrase, phrase after phrase, in pixels of the picture.
std::vector<Detection> found_in(const Image& picture, const app::BoxFinder& finder,
                                const std::vector<std::string>& phrases, const Asked& asked) {
  const Tensor image = app::seen_through(finder.view, picture);
  const ImageSize view{static_cast<int>(image.size(1)), static_cast<int>(image.size(2))},
      full{picture.height, picture.width};
  std::vector<Detection> all = finder.find(image, phrases).at(0), kept;
  std::ranges::stable_sort(all, [](const Detection& a, const Detection& b) { return a.score > b.score; });
  for (int p = 0; p < std::ssize(phrases); ++p) {
    std::int64_t count = 0;
    for (const Detection& one : all)
      if (one.box.label == p && one.score >= asked.least && count < asked.most) {
        kept.push_back({cut(app::scaled(one.box, view, full), full), one.score});
        ++count;
      }
  }
  return kept;
}

void print(const std::vector<Detection>& found, const std::vector<std::string>& phrases, bool json) {
  Json list = Json::array();
  for (const Detection& one : found) {
    const Box& box = one.box;
    const std::string& phrase = phrases[static_cast<std::size_t>(box.label)];
    if (json)
      list.push_back({{"index", box.label},
                      {"phrase", phrase},
                      {"score", one.score},
                      {"box", {box.left, box.top, box.right, box.bottom}}});
    else
      std::printf("%4d  %-24s %6.3f  %7.1f %7.1f %7.1f %7.1f\n", box.label, phrase.c_str(), one.score,
                  static_cast<double>(box.left), static_cast<double>(box.top), static_cast<double>(box.right),
                  static_cast<double>(box.bottom));
  }
  if (json) std::printf("%s\n", dump_json(list, 2).c_str());
}

int run(const app::Trained& trained, const app::CompanionOptions& options, const Asked& asked) {
  require(trained.composition.boxes.has_value(),
          "[settings] this needs a run that finds boxes by words (glip, vild), got one of ", trained.settings.method);
  const std::vector<std::string> phrases = app::words_of("--phrases", asked.phrases);
  const Image picture = read_image(options.picture);
  const std::vector<Detection> found = found_in(picture, *trained.composition.boxes, phrases, asked);
  if (!options.out.empty()) {
    std::vector<Box> boxes;
    for (const Detection& one : found) boxes.push_back(one.box);
    write_file(options.out, encode_png(app::with_boxes(picture, boxes, phrases, 512)));
  }
  print(found, phrases, asked.json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  return app::companion_main(
      argc, argv, "Finds the boxes of phrases in an image",
      [&](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option("--picture", options.picture, "JPEG, PNG or BMP file")->required();
        cli.add_option("--phrases", asked.phrases, "phrases, joined by commas")->required();
        cli.add_option("--out", options.out, "PNG file: the image with its boxes and their phrases");
        cli.add_option("--most", asked.most, "boxes of a phrase, the best ones")->transform(app::within(1, 100));
        cli.add_option("--least", asked.least, "score that a box must have")->transform(app::within(0.0, 1.0));
        cli.add_flag("--json", asked.json, "print JSON");
      },
      [&](const app::Trained& trained, const app::CompanionOptions& options) { return run(trained, options, asked); });
}
