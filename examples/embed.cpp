// SPDX-License-Identifier: MIT
//
// Images to features: one row an image, as a NumPy array.
//
//   embed runs/quickstart --out features.npy                 the run's own test set
//   embed runs/quickstart --data folder --root pictures/ --split train --out features.npy

#include "contrastive/io/npy.hpp"

#include "support/trained.hpp"

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Images to features (N, D), f32, as .npy",
      [](CLI::App& cli, app::CompanionOptions& options) {
        options.out = "features.npy";
        cli.add_option("--out", options.out, "file to write")->capture_default_str();
        cli.add_option("--split", options.split, "train or test")->capture_default_str();
      },
      [](const app::Trained& trained, const app::CompanionOptions& options) {
        using namespace contrastive;
        const Settings& s = trained.settings;
        const AnyDataset set = open_dataset(s.data, s.root, options.split,
                                            {.label = s.label, .image_size = static_cast<int>(s.image_size)});
        const FeatureSet result = encode_set(set, trained.view(), trained);
        save_npy(options.out, result.features);
        std::printf("%s: %lld features of %lld images\n", options.out.c_str(),
                    static_cast<long long>(result.features.size(1)), static_cast<long long>(result.features.size(0)));
        if (set.unreadable() > 0)
          std::fprintf(stderr, "%zu pictures could not be read and were skipped\n", set.unreadable());
        return 0;
      });
}
