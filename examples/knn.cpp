// SPDX-License-Identifier: MIT
//
// Weighted nearest-neighbour accuracy of a run's encoder.
//
//   knn runs/quickstart --k 20

#include "support/trained.hpp"

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Weighted kNN accuracy on the features of an encoder",
      [](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option("--k", options.k, "neighbours")->capture_default_str()->check(CLI::PositiveNumber);
        cli.add_option("--temperature", options.temperature, "of the votes")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
      },
      [](const app::Trained& trained, const app::CompanionOptions& options) {
        const auto [train, test] = app::labelled_features(trained);
        const auto result = contrastive::knn(train.features, train.labels, test.features, test.labels,
                                             {.k = options.k, .temperature = options.temperature});
        std::printf("kNN (k %lld, temperature %g): top-1 %.2f %%, top-5 %.2f %%\n", static_cast<long long>(options.k),
                    options.temperature, 100 * result.top1, 100 * result.top5);
        return 0;
      });
}
