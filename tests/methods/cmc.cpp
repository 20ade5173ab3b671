// SPDX-License-Identifier: MIT

// CMC: what its encoders see, its losses across views, the order of scores and banks, resuming,
// and what its negatives keep it from.

#include <cstring>

#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/cmc.hpp"
#include "kernels/support.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

auto split(std::vector<int> channels) {
  return SplitChannels(
      std::move(channels),
      [](int c, Rng r) {
        return ConvNet(c, {8, 16}, r);
      },
      Rng(seeded(4)));
}

/// `Attraction` of the channels of a picture, side by side in a row.
struct ChannelAttraction {
  Tensor operator()(const Embeddings& z) const {
    const std::int64_t D = z.online[0].size(1) / 2;
    return mean(sum(normalize(narrow(z.online[0], 1, 0, D)) * normalize(narrow(z.online[0], 1, D, 2 * D)), 1)) * -1.0;
  }
};

}  // namespace

TEST_CASE("the two encoders of CMC see disjoint channels") {
  const auto encoder = split({1, 2});
  CHECK(encoder.features() == 32);
  const Tensor x = init::normal({2, 8, 8, 3}, 1, Rng(1));
  const SplitLinear head(encoder.widths(), 4, Rng(2));
  const NoGrad no_grad;
  const Eval eval;
  const Tensor before = head(encoder(x));  // (2, 8)
  CHECK(before.shape() == Shape{2, 8});
  for (std::int64_t changed = 0; changed < 3; ++changed) {
    const Tensor y = x.clone();
    for (std::int64_t i = changed; i < y.count(); i += 3) y.data<float>()[i] += 1;
    const Tensor after = head(encoder(y));
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t view = 0; view < 2; ++view) {
        const float* a = before.data<float>() + n * 8 + view * 4;
        const bool same = std::equal(a, a + 4, after.data<float>() + n * 8 + view * 4);
        CHECK(same == ((changed == 0) != (view == 0)));
      }
  }
  CHECK_THROWS_WITH(encoder(Tensor({2, 8, 8, 4})), Contains("expected (N, H, W, 3), got (2, 8, 8, 4)"));
}

TEST_CASE("CMC's objective is the two cross-view losses, and a same-view one is another number") {
  const std::int64_t n = 60, D = 8, N = 5;
  const std::vector<std::int64_t> pictures{3, 9, 27, 41, 59};
  const Tensor z = init::normal({N, 2 * D}, 1, Rng(3));
  const Tensor l = normalize(narrow(z, 1, 0, D)), ab = normalize(narrow(z, 1, D, 2 * D));
  for (const bool softmax : {false, true}) {
    CrossViewNce objective(2, n, D, Rng(7));
    objective.negatives = 20;
    objective.softmax = softmax;
    // A bank that has met its own view knows that answer, and not the other's.
    for (std::size_t v = 0; v < 2; ++v) objective.banks[v].update(pictures, v == 0 ? l : ab);
    std::vector<MemoryBank> banks{clone(objective.banks[0]), clone(objective.banks[1])};
    const Tensor sampled = banks[0].draw(pictures, 20, Rng(7) / 0);
    const auto score = [&](const Tensor& f, MemoryBank bank) {
      bank.Z = Buffer(Tensor::zeros({}, DType::f64));
      return (softmax ? sampled_softmax(f, bank, sampled) : nce(f, bank, sampled)).item();
    };
    const double crossed = score(l, banks[1]) + score(ab, banks[0]), same = score(l, banks[0]) + score(ab, banks[1]);
    CHECK(objective(one_view(z, pictures)).item() == Approx(crossed).epsilon(1e-6));
    INFO("crossed " << crossed << ", same " << same);
    CHECK(std::abs(same - crossed) > 1);
    for (std::size_t v = 0; v < 2; ++v) {
      banks[v].update(pictures, v == 0 ? l : ab);
      CHECK(std::memcmp(banks[v].rows.data<float>(), objective.banks[v].rows.data<float>(),
                        static_cast<std::size_t>(n * D) * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("of three views the core graph has four terms, the full graph six; each starts at ln(K + 1) + 1") {
  const std::int64_t n = 100, D = 8, K = 50;
  const Tensor z = init::normal({4, 3 * D}, 1, Rng(1));
  const double one = std::log(K + 1.0) + K * std::log(1 + 1.0 / K);
  for (const auto& [graph, terms] : {std::pair{ViewGraph::core, 4}, {ViewGraph::full, 6}}) {
    CrossViewNce objective(3, n, D, Rng(7));
    objective.negatives = K;
    objective.graph = graph;
    for (MemoryBank& bank : objective.banks) bank.rows = Buffer(Tensor::zeros({n, D}));
    CHECK(static_cast<int>(objective.pairs().size()) == terms);
    CHECK(objective(one_view(z, {1, 2, 3, 4})).item() == Approx(terms * one).epsilon(1e-5));
  }
}

TEST_CASE("CMC's objective has the bits of one draw, all scores, then all updates written out") {
  const std::int64_t n = 60, K = 20, D = 8;
  using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;  // view, bank
  struct Graph {
    std::size_t views;
    ViewGraph graph;
    Pairs pairs;
  };
  const std::vector<Graph> graphs{{2, ViewGraph::full, {{0, 1}, {1, 0}}},
                                  {3, ViewGraph::core, {{0, 1}, {0, 2}, {1, 0}, {2, 0}}},
                                  {3, ViewGraph::full, {{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}}}};
  const std::vector<std::vector<std::int64_t>> batches{{3, 9, 27, 41}, {9, 0, 3, 12}, {27, 9, 1, 9}};
  for (const auto& [V, graph, pairs] : graphs)
    for (const bool softmax : {false, true}) {
      INFO(V << " views, " << pairs.size() << " pairs, " << (softmax ? "softmax" : "NCE"));
      CrossViewNce objective(V, n, D, Rng(7));
      objective.negatives = K;
      objective.softmax = softmax;
      objective.graph = graph;
      objective.temperature = 0.1;
      objective.momentum = 0.4;
      std::vector<MemoryBank> banks;
      for (const MemoryBank& bank : objective.banks) banks.push_back(clone(bank));
      std::vector<Tensor> Z;
      for (std::size_t p = 0; p < pairs.size(); ++p) Z.push_back(Tensor::zeros({}, DType::f64));
      for (std::size_t step = 0; step < batches.size(); ++step) {
        INFO("step " << step);
        const std::int64_t width = static_cast<std::int64_t>(V) * D;
        const Tensor raw = init::normal({4, width}, 1, Rng(step));
        const Tensor ours = leaf(raw, DType::f32), theirs = leaf(raw, DType::f32);
        Embeddings z = batch_of({ours}, {}, {.step = static_cast<std::int64_t>(step)});
        z.sample = batches[step];
        const Tensor loss = objective(z);
        loss.backward();

        const Tensor sampled = banks[0].draw(batches[step], K, Rng(7) / step);
        std::vector<Tensor> f;
        for (std::int64_t v = 0; v < static_cast<std::int64_t>(V); ++v)
          f.push_back(normalize(narrow(theirs, 1, v * D, (v + 1) * D)));
        Tensor want;
        for (std::size_t p = 0; p < pairs.size(); ++p) {
          MemoryBank scored = banks[pairs[p].second];
          scored.Z = Buffer(Z[p]);
          const Tensor& view = f[pairs[p].first];
          const Tensor one =
              softmax ? sampled_softmax(view, scored, sampled, 0.1) : nce(view, scored, sampled, {.temperature = 0.1});
          want = p == 0 ? one : want + one;
        }
        want.backward();
        for (std::size_t v = 0; v < V; ++v) banks[v].update(batches[step], f[v].detach(), 0.4);
        CHECK(same_bits(loss, want));
        CHECK(same_bits(ours.grad(), theirs.grad()));
        for (std::size_t v = 0; v < V; ++v) CHECK(same_bits(objective.banks[v].rows, banks[v].rows));
        for (std::size_t p = 0; p < pairs.size(); ++p) CHECK(same_bits(objective.Z[p], Z[p]));
      }
    }
}

TEST_CASE("CMC resumes to the bit, and its loss falls on shapes", "[learns]") {
  const auto core = [] {
    return cmc(split({1, 1, 1}), cmc_ycbcr(12),
               {.pictures = 256, .negatives = 64, .graph = ViewGraph::core, .dimension = 32}, Rng(seeded(5)));
  };
  check_resumes(core);
  for (const bool softmax : {false, true}) {
    const auto make = [&] {
      return cmc(split({1, 2}), cmc(12),
                 {.pictures = 256, .negatives = 64, .softmax = softmax, .temperature = 0.1, .dimension = 32},
                 Rng(seeded(5)));
    };
    check_resumes(make);
    auto method = make();
    const std::vector<double> losses = train_steps(method, 0, 160, 0.1);
    check_below(join("CMC, ", softmax ? "softmax" : "nce", ": loss of the last epoch less the first's"),
                epoch_of(losses, 19) - epoch_of(losses, 0), 0);
  }
  CHECK_THROWS_WITH(cmc(split({1, 2}), cmc(12), {.pictures = 100}, Rng(seeded(5))),
                    Contains("16384 negatives cannot be drawn from a data set of 100 pictures"));
}

TEST_CASE("CMC collapses without its negatives, and not with them", "[learns]") {
  const SplitChannels split(
      {1, 2},
      [](int channels, Rng rng) {
        return ConvNet(channels, {8, 16, 32}, rng);
      },
      Rng(seeded(5)));
  const CmcConfig config{.pictures = 512, .negatives = 256, .temperature = 0.2, .dimension = 32};
  collapses_without_negatives("CMC", cmc(split, cmc(12), config, Rng(seeded(5))), 3, ChannelAttraction{}, 100);
}
