// SPDX-License-Identifier: MIT
//
// How well texts find their images in the test part of a set, and images their texts.
//
//   retrieve runs/clip
//   retrieve runs/clip --data captions --root DIR --captions FILE --all-texts

#include "support/image_text.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

int run(const ImageTextModel& model, const app::Settings& settings, const app::CompanionOptions& options) {
  const AnyDataset test = app::open_sets(settings).test;
  require(test.defined(), "[retrieve] ", settings.data, " has no test part");
  const PairedRows rows = encode_pairs(model, test, options.all_texts);
  std::printf("retrieval on %s: %lld images, %zu texts\n", test.name().c_str(),
              static_cast<long long>(rows.images.size(0)), rows.captions.size());
  app::print_retrieval(retrieval(rows), static_cast<std::size_t>(rows.images.size(0)));
  std::printf("  images %s, precision %s, of equal scores the lower index, %s\n", model.preparation.c_str(),
              model.precision.c_str(),
              options.all_texts ? "all texts of an image, any of them counts" : "the first text of each image");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return app::image_text_main(
      argc, argv, "Retrieval of images by texts and of texts by images",
      [](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_flag("--all-texts", options.all_texts, "all texts of an image instead of the first");
      },
      run);
}
