// SPDX-License-Identifier: MIT
//
// Accuracy of a linear classifier on the frozen features of a run's encoder, with all labels and with ten a class.
//
//   linear_probe runs/quickstart

#include "support/trained.hpp"

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Linear probe on the features of an encoder", [](CLI::App&, app::CompanionOptions&) {},
      [](const app::Trained& trained, const app::CompanionOptions&) {
        using namespace contrastive;
        const auto [train, test] = app::labelled_features(trained);
        const double all = linear_probe(train.features, train.labels, test.features, test.labels).top1;
        const FewLabelResult few = few_labels(train.features, train.labels, test.features, test.labels);
        std::printf("linear probe: %.2f %%; ten labels a class: %.2f +- %.2f %% over %zu draws\n", 100 * all,
                    100 * few.top1, 100 * few.deviation, few.draws.size());
        return 0;
      });
}
