// SPDX-License-Identifier: MIT

// Methods that compare with a bank of the training set's embeddings, and those of one batch beside them.

#include <cstring>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/eval/bank_knn.hpp"
#include "contrastive/methods/cmc.hpp"
#include "contrastive/methods/instdisc.hpp"
#include "contrastive/methods/invaspread.hpp"
#include "contrastive/optim/sgd.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

ConvNet tiny_encoder(Rng rng) { return ConvNet(3, {8, 16, 32}, rng); }

/// Steps [from, to) of a run over shapes; the losses. The optimiser has no memory, so a run may be taken up anywhere.
template <class M>
std::vector<double> train(M& method, int from, int to, double lr = 0.03) {
  Sgd optimizer(parameter_groups(method), {.momentum = 0});
  Loader loader(Shapes(256, 12, "shape", seeded(0), "train"), method.augment,
                {.batch = 32, .seed = seeded(3), .threads = 0});
  std::vector<double> losses;
  for (int step = from; step < to; ++step) {
    loader.start(step / 8, step % 8);
    const Tensor loss = method.loss(loader.next()->views, {step, 1000});
    losses.push_back(loss.item());
    loss.backward();
    optimizer.step(lr);
    optimizer.clear_grad();
    method.after_step({step, 1000});
  }
  return losses;
}

/// The mean over an epoch of 8 steps.
double epoch_of(const std::vector<double>& losses, std::size_t epoch) {
  double sum = 0;
  for (std::size_t i = 0; i < 8; ++i) sum += losses.at(8 * epoch + i) / 8;
  return sum;
}

template <class M>
std::vector<Tensor> state_of(M& method) {
  std::vector<Tensor> state;
  each_state(method, [&](const std::string&, Tensor& t) { state.push_back(t.clone()); });
  return state;
}

/// A run of 12 steps ends with the bits of one that is cut after 5 and taken up by a new object.
template <class Make>
void check_resumes(Make&& make) {
  auto whole = make(), first = make();
  train(whole, 0, 12);
  train(first, 0, 5);
  const std::vector<Tensor> saved = state_of(first);
  auto second = make();
  std::size_t i = 0;
  each_state(second, [&](const std::string&, Tensor& t) { t.copy_from(saved[i++]); });
  train(second, 5, 12);
  const std::vector<Tensor> want = state_of(whole), got = state_of(second);
  REQUIRE(want.size() == got.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    const auto bytes = static_cast<std::size_t>(want[k].count()) * size_of(want[k].dtype());
    CHECK(std::memcmp(want[k].view().data, got[k].view().data, bytes) == 0);
  }
}

Embeddings embeddings(std::vector<Tensor> online, std::vector<std::int64_t> pictures = {}) {
  Embeddings z;
  z.online = std::move(online);
  z.sample = std::move(pictures);
  z.progress.step = 0;
  return z;
}
Embeddings one_view(const Tensor& z, std::vector<std::int64_t> pictures) {
  return embeddings({z}, std::move(pictures));
}

}  // namespace

TEST_CASE("InstDisc starts at ln(K + 1) + 1, and at ln n with the softmax over all") {
  const std::int64_t n = 300, K = 64, D = 16;
  const Tensor z = init::normal({5, D}, 1, Rng(1));
  InstanceDiscrimination objective{MemoryBank(n, D, Rng(2)), K, 0.1, 0.5, Rng(3)};
  objective.bank.rows = Buffer(Tensor::zeros({n, D}));  // all similarities equal
  CHECK(objective(one_view(z, {0, 7, 50, 2, 299})).item() ==
        Approx(std::log(K + 1.0) + K * std::log(1 + 1.0 / K)).epsilon(1e-5));
  CHECK(std::log(K + 1.0) + K * std::log(1 + 1.0 / K) == Approx(std::log(K + 1.0) + 1).epsilon(0.01));
  CHECK(objective.bank.Z.item() == Approx(n).epsilon(1e-6));

  InstanceDiscrimination all{MemoryBank(n, D, Rng(2)), 0, 0.1};
  all.bank.rows = Buffer(Tensor::zeros({n, D}));
  CHECK(all(one_view(z, {0, 7, 50, 2, 299})).item() == Approx(std::log(300.0)).epsilon(1e-5));

  // From the random bank: the variance of the logits, 1 / (D t^2), adds half of itself.
  InstanceDiscrimination random{MemoryBank(4000, 128, Rng(2)), 0, 0.2};
  std::vector<std::int64_t> pictures(200);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::int64_t>(3 * i);
  const double start = random(one_view(init::normal({200, 128}, 1, Rng(4)), pictures)).item();
  CHECK(std::abs(start - (std::log(4000.0) + 0.5 / (128 * 0.04))) < 0.1);
}

TEST_CASE("InstDisc's Z stays what the first batch made it, and rows are drawn anew each step") {
  const Tensor z = init::normal({4, 8}, 1, Rng(1));
  InstanceDiscrimination objective{MemoryBank(50, 8, Rng(2)), 20, 0.1, 0.5, Rng(3)};
  InstanceDiscrimination other = objective;
  other.bank = clone(objective.bank);
  Embeddings batch = one_view(z, {1, 2, 3, 4});
  objective(batch);
  const double Z = objective.bank.Z.item();
  CHECK(Z > 0);
  batch.progress.step = 1;
  objective(batch);
  CHECK(objective.bank.Z.item() == Z);
  other(batch);
  CHECK(other.bank.Z.item() != Z);
}

TEST_CASE("a bank row that moves before it is scored gives the answer away") {
  const std::int64_t n = 256, D = 32;
  const Tensor z = init::normal({32, D}, 1, Rng(1)), f = normalize(z);
  std::vector<std::int64_t> pictures(32);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::int64_t>(5 * i);
  for (const std::int64_t negatives : {64, 0}) {
    InstanceDiscrimination objective{MemoryBank(n, D, Rng(2)), negatives, 0.1, 0.5, Rng(3)};
    MemoryBank leaky = clone(objective.bank);
    const double fair = objective(one_view(z, pictures)).item();
    leaky.update(pictures, f);
    const double leaked = negatives == 0
                              ? bank_softmax(f, leaky, pictures, 0.1).item()
                              : nce(f, leaky, leaky.draw(pictures, negatives, Rng(3)), {.temperature = 0.1}).item();
    CHECK(fair > 4);
    CHECK(leaked < 0.5 * fair);
  }
}

TEST_CASE("of a picture twice in a batch the last one moves its row, from where the row was") {
  const std::int64_t D = 8;
  const std::vector<std::int64_t> twice{2, 1, 2}, once{2, 1};
  const Tensor f = normalize(init::normal({3, D}, 1, Rng(1)));
  for (const DType dtype : {DType::f32, DType::f64}) {
    MemoryBank bank(4, D, Rng(2));
    bank.rows = Buffer(bank.rows.to(dtype));
    MemoryBank last = clone(bank), first = clone(bank);
    const Tensor still = bank.rows.slice(3, 4).clone();
    bank.update(twice, f);
    last.update(once, concat({f.slice(2, 3), f.slice(1, 2)}));
    first.update(once, f.slice(0, 2));
    const auto same = [](const Tensor& a, const Tensor& b) {
      const auto bytes = static_cast<std::size_t>(a.count()) * size_of(a.dtype());
      return std::memcmp(a.view().data, b.view().data, bytes) == 0;
    };
    CHECK(same(bank.rows, last.rows));
    CHECK_FALSE(same(bank.rows, first.rows));
    CHECK(same(bank.rows.slice(3, 4), still));
    CHECK_THROWS_WITH(bank.update(std::vector<std::int64_t>{0, 4, 1}, f), Contains("picture 4 is outside 4 rows"));
    CHECK(same(bank.rows, last.rows));  // and none has moved
  }
}

TEST_CASE("InstDisc resumes to the bit, and its loss falls on shapes", "[learns]") {
  for (const std::int64_t negatives : {64, 0}) {
    const auto make = [&] {
      return instdisc(tiny_encoder(Rng(seeded(5))), instdisc_cifar(12),
                      {.pictures = 256, .negatives = negatives, .temperature = 0.2, .dimension = 32}, Rng(seeded(5)));
    };
    check_resumes(make);
    // Once every row has been visited: before, the bank is noise and the features are not.
    auto method = make();
    const std::vector<double> losses = train(method, 0, 120, 0.02);
    check_below(join("InstDisc, ", negatives, " negatives: loss of the last epoch less the second's"),
                epoch_of(losses, 14) - epoch_of(losses, 1), 0);
  }
}

TEST_CASE("InstDisc names a bank that does not fit its data set") {
  const auto make = [](InstDiscConfig config) { return instdisc(tiny_encoder(Rng(1)), instdisc(12), config, Rng(1)); };
  CHECK_THROWS_WITH(make({.pictures = 1000}),
                    Contains("4096 negatives cannot be drawn from a data set of 1000 pictures"));
  CHECK_THROWS_WITH(make({}), Contains("needs the number of pictures"));
  InstanceDiscrimination objective{MemoryBank(50, 8, Rng(2)), 20};
  CHECK_THROWS_WITH(objective(one_view(Tensor::full({2, 8}, 1), {3, 50})),
                    Contains("picture 50 has no row in a bank of 50"));
}

TEST_CASE("kNN on the bank takes its rows for training features and leaves them alone") {
  MemoryBank bank(30, 6, Rng(1));
  std::vector<std::int64_t> labels(30), pictures(30);
  Tensor f({30, 6}), test({3, 6});
  for (std::int64_t i = 0; i < 30; ++i) {
    labels[i] = i % 3;
    pictures[i] = i;
    for (std::int64_t d = 0; d < 6; ++d) f.data<float>()[i * 6 + d] = d == i % 3 ? 1 : 0.1f;
  }
  for (std::int64_t i = 0; i < 18; ++i) test.data<float>()[i] = i / 6 == i % 6 ? 1 : 0;
  const std::vector<std::int64_t> test_labels{0, 1, 2};
  bank.update(pictures, normalize(f), 0.1);
  const Tensor before = bank.rows.clone();
  const KnnResult result = bank_knn(bank, labels, test, test_labels, {.k = 10});
  CHECK(result.top1 == 1);
  CHECK(std::memcmp(before.data<float>(), bank.rows.data<float>(), 180 * sizeof(float)) == 0);
  labels.pop_back();
  CHECK_THROWS_WITH(bank_knn(bank, labels, test, test_labels), Contains("29 labels for a bank of 30 rows"));
}

TEST_CASE("InvaSpread starts where its paper's batch does, and falls on shapes", "[learns]") {
  // Equal similarities, N pictures: ln(2N - 1) for the pair, and 2N - 2 times -ln(1 - 1 / (2N - 1)).
  const Tensor z = Tensor::full({128, 8}, 1);
  const double start = std::log(255.0) - 254 * std::log(1 - 1 / 255.0);
  CHECK(start == Approx(6.54).margin(0.005));
  CHECK(InvariantSpread{}(embeddings({z, z})).item() == Approx(start).epsilon(1e-5));

  const auto make = [] {
    return invaspread(tiny_encoder(Rng(seeded(5))), invaspread(12), {.dimension = 32}, Rng(seeded(5)));
  };
  CHECK(make().views_together);
  check_resumes(make);
  auto method = make();
  const std::vector<double> losses = train(method, 0, 80, 0.03);
  check_below("InvaSpread: loss of the last epoch less the first's", epoch_of(losses, 9) - epoch_of(losses, 0), 0);
  CHECK_THROWS_WITH(InvariantSpread{}(embeddings({z})), Contains("expected two views, got 1"));
}

namespace {

auto split(std::vector<int> channels) {
  return SplitChannels(
      std::move(channels),
      [](int c, Rng r) {
        return ConvNet(c, {8, 16}, r);
      },
      Rng(seeded(4)));
}

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
    const std::vector<double> losses = train(method, 0, 160, 0.1);
    check_below(join("CMC, ", softmax ? "softmax" : "nce", ": loss of the last epoch less the first's"),
                epoch_of(losses, 19) - epoch_of(losses, 0), 0);
  }
  CHECK_THROWS_WITH(cmc(split({1, 2}), cmc(12), {.pictures = 100}, Rng(seeded(5))),
                    Contains("16384 negatives cannot be drawn from a data set of 100 pictures"));
}
