// SPDX-License-Identifier: MIT
//
// Classifies the test part of a set by words alone.
//
//   zero_shot runs/clip --data cifar10 --root DIR --templates cifar
//   zero_shot clip/open_clip_model.safetensors --data folder --root pictures/ --templates imagenet80
//   zero_shot runs/clip --data folder --root pictures/ --classes names.txt --templates imagenet80 --confusions out.png

#include <algorithm>
#include <cmath>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"

#include "support/image_text.hpp"
#include "support/trained.hpp"

namespace {

using namespace contrastive;

/// The names of --classes, in the order of the labels, or the set's own.
std::vector<std::string> names_for(const AnyDataset& set, const std::string& classes) {
  const std::vector<std::string> own = set.class_names();
  if (classes.empty()) return own;
  const std::vector<std::string> names = load_class_names(classes);
  require(names.size() == own.size(), "[classes] ", classes, " has ", names.size(), " names, ", set.name(), " has ",
          own.size(), " classes");
  for (std::size_t i = 0; i < names.size(); ++i)
    if (const auto same = std::ranges::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]);
        same != names.begin() + static_cast<std::ptrdiff_t>(i))
      std::fprintf(stderr, "classes %td and %zu are both called %s: the first is always taken\n", same - names.begin(),
                   i, names[i].c_str());
  return names;
}

int run(const ImageTextModel& model, const app::Settings& settings, const app::CompanionOptions& options) {
  const AnyDataset test = app::open_sets(settings).test;
  require(test.defined() && test.has_labels(), "[zero_shot] ", settings.data, " has no test part with labels to score");
  const std::vector<std::string> names = names_for(test, options.classes);
  const std::vector<std::string> templates = load_templates(options.templates);
  const Tensor classifier = zero_shot_classifier(model, names, templates);
  const FeatureSet images = encode_images(model, test);
  const ZeroShotResult result = zero_shot(images.features, classifier, images.labels);
  std::printf("zero-shot on %s: %zu images, %zu classes\n", test.name().c_str(), images.labels.size(), names.size());
  std::printf("  top-1 %.2f %%", 100 * result.top1);
  if (std::isfinite(result.top5)) std::printf(", top-5 %.2f %%", 100 * result.top5);
  std::printf(", mean per-class recall %.2f %%; chance %.2f %%\n", 100 * result.mean_per_class_recall,
              100.0 / static_cast<double>(names.size()));
  if (const std::string wrong = app::most_confused(result, names); !wrong.empty())
    std::printf("  most often taken for others: %s\n", wrong.c_str());
  std::printf("  templates %s (%zu), images %s, precision %s, of equal scores the first class\n",
              options.templates.c_str(), templates.size(), model.preparation.c_str(), model.precision.c_str());
  if (!options.picture.empty()) write_file(options.picture, encode_png(app::confusion_picture(result)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return app::image_text_main(
      argc, argv, "Classifies images by words alone (zero-shot)",
      [](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option(
            "--classes", options.classes,
            "names in the order of the labels: imagenet, cifar10, ... or a file with one a line; default: the "
            "set's own");
        cli.add_option("--templates", options.templates,
                       "imagenet80, imagenet7, cifar, simple, ... or a file with one a line, {} for the name")
            ->capture_default_str();
        cli.add_option("--confusions", options.picture, "PNG file: which class is taken for which");
      },
      run);
}
