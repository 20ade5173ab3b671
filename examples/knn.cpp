// SPDX-License-Identifier: MIT
//
// Weighted nearest-neighbour accuracy of a run's encoder.
//
//   knn runs/quickstart --k 20
//   knn runs/instdisc --bank --k 200            the rows of its memory bank as training features, as its authors do

#include "contrastive/eval/bank_knn.hpp"

#include "support/trained.hpp"

namespace {

using namespace contrastive;

KnnResult bank_score(const app::Trained& trained, const KnnOptions& votes) {
  const app::Sets sets = app::labelled_sets(trained);
  std::vector<std::int64_t> labels(sets.bank.size());
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = sets.bank.label(i);
  const FeatureSet test = encode_set(sets.test, trained.view(), trained.composition.embed);
  return bank_knn(*trained.composition.bank, labels, test.features, test.labels, votes);
}

}  // namespace

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Weighted kNN accuracy on the features of an encoder",
      [](CLI::App& cli, app::CompanionOptions& options) {
        cli.add_option("--k", options.k, "neighbours")->capture_default_str()->transform(app::within(1, 1000000));
        cli.add_option("--temperature", options.temperature, "of the votes")
            ->capture_default_str()
            ->transform(app::within(1e-4, 1e4));
        cli.add_flag("--bank", options.bank,
                     "the rows of the run's memory bank against embeddings of the test part (InstDisc)")
            ->excludes("--data");  // its rows are of the run's own pictures
      },
      [](const app::Trained& trained, const app::CompanionOptions& options) {
        if (options.bank && !trained.composition.bank) {
          std::fprintf(stderr, "[knn] --bank expected a run of instdisc, with one bank, got one of %s\n",
                       trained.settings.method.c_str());
          return 2;
        }
        const KnnOptions votes{.k = options.k, .temperature = options.temperature};
        const auto result = [&] {
          if (options.bank) return bank_score(trained, votes);
          const auto [train, test] = app::labelled_features(trained);
          return knn(train.features, train.labels, test.features, test.labels, votes);
        }();
        std::printf("kNN%s (k %lld, temperature %g): top-1 %.2f %%, top-5 %.2f %%\n",
                    options.bank ? " on the memory bank" : "", static_cast<long long>(options.k), options.temperature,
                    100 * result.top1, 100 * result.top5);
        return 0;
      });
}
