// SPDX-License-Identifier: MIT
//
// Accuracy of a linear classifier on the frozen features of a run's encoder, with all labels and with ten a class.
//
//   linear_probe runs/quickstart
//   linear_probe runs/clip --data cifar10 --root DIR --C 0.316      # the probe of the CLIP paper

#include "support/trained.hpp"

int main(int argc, char** argv) {
  double C = 0;
  return app::companion_main(
      argc, argv, "Linear probe on the features of an encoder",
      [&](CLI::App& cli, app::CompanionOptions&) {
        cli.add_option("--C", C,
                       "scikit-learn's C, on features as they are (0.316: the CLIP paper's probe); default: "
                       "standardised features with an L2 of 1e-3")
            ->transform(app::within(1e-4, 1e4));
      },
      [&](const app::Trained& trained, const app::CompanionOptions&) {
        using namespace contrastive;
        const auto [train, test] = app::labelled_features(trained);
        if (C > 0) {
          const auto N = static_cast<double>(train.features.size(0));
          const LinearProbeResult probe =
              linear_probe(train.features, train.labels, test.features, test.labels,
                           {.l2 = 1 / (C * N), .standardise = false, .max_iterations = 1000});
          std::printf("linear probe (features as they are, C = %g): %.2f %% (%.2f %% of what it was fitted on)%s\n", C,
                      100 * probe.top1, 100 * probe.train_top1,
                      probe.fit.converged ? "" : "; not converged in 1,000 iterations");
          return 0;
        }
        const double all = linear_probe(train.features, train.labels, test.features, test.labels).top1;
        const FewLabelResult few = few_labels(train.features, train.labels, test.features, test.labels);
        std::printf("linear probe: %.2f %%; ten labels a class: %.2f +- %.2f %% over %zu draws\n", 100 * all,
                    100 * few.top1, 100 * few.deviation, few.draws.size());
        return 0;
      });
}
