// SPDX-License-Identifier: MIT

// What the trainer says of a collapse, on short runs with and without what keeps a method from it.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/train/trainer.hpp"
#include "io/support.hpp"
#include "kernels/support.hpp"
#include "methods/on_shapes.hpp"
#include "methods/without_guards.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

/// What `f` writes to stderr.
template <class F>
std::string written(F&& f) {
  std::FILE* const file = std::tmpfile();
  std::fflush(stderr);
  const int before = ::dup(2);
  ::dup2(::fileno(file), 2);
  f();
  std::fflush(stderr);
  ::dup2(before, 2);
  ::close(before);
  std::string text(static_cast<std::size_t>(std::ftell(file)), 0);
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

struct Said {
  std::vector<std::string> lines;  // of a collapse
  // What metrics.csv has of the epochs from step 100 on.
  std::vector<double> spread, rank, information;
};

/// What the trainer says in `epochs` of 8 steps of 64 pictures.
template <class M>
Said said(M method, double lr, std::int64_t epochs, double warmup_epochs = 0) {
  Settings s;
  s.method = "test";
  s.batch = 64;
  s.lr = lr * 256 / 64;
  s.weight_decay = 1e-3;
  s.schedule = "constant";
  s.epochs = epochs;
  s.warmup_epochs = warmup_epochs;
  s.warmup_lr = lr;
  s.threads = 1;
  s.seed = seeded(0);
  const Scratch out;
  const std::string text = written([&] {
    Trainer(method, s, Shapes(512, 12, "shape", seeded(0), "train"), {}, center_view(12, 12, {}), out.str()).run();
  });
  Said said;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 9, "collapse:") == 0) said.lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const MetricsTable metrics = load_metrics(out.str() + "/metrics.csv");
  const std::vector<double>& step = *metrics.find("step");
  for (const auto& [name, column] :
       {std::pair("spread", &said.spread), {"effective_rank", &said.rank}, {"information", &said.information}}) {
    const std::vector<double>& values = *metrics.find(name);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (step[i] >= 100 && !std::isnan(values[i])) column->push_back(values[i]);
  }
  return said;
}

bool any_of_outputs(const Said& said) {
  return std::ranges::any_of(said.lines, [](const std::string& line) { return line.find("outputs") != line.npos; });
}

/// No epoch from step 100 on has anything to complain of: of its embeddings, or of its outputs where there are such.
void check_silent(const std::string& what, const Said& said) {
  if (said.information.empty()) {
    check_above(what + ": spread", std::ranges::min(said.spread), CollapseWatch::low_spread);
    check_above(what + ": rank", std::ranges::min(said.rank), CollapseWatch::low_rank);
    CHECK(said.lines.empty());
  } else {
    check_above(what + ": information", std::ranges::min(said.information), OutputWatch::low_information);
    CHECK_FALSE(any_of_outputs(said));
  }
}

}  // namespace

TEST_CASE("the trainer says that embeddings have gone to one point: SimSiam without its predictor", "[learns]") {
  const auto run = [](const auto& predictor, std::int64_t epochs, double warmup_epochs = 0) {
    const Mlp projector(32, {{.out = 32, .bias = false}, {.out = 64, .norm = false, .relu = false}}, Rng(seeded(5)));
    return said(
        Method(tiny_encoder(Rng(seeded(5))), projector, predictor, SimsiamCosine{}, simclr_cifar(12), StopGradient{}),
        0.1, epochs, warmup_epochs);
  };
  const SimsiamConfig config{.dimension = 64, .bottleneck = 16};
  check_silent("watch: SimSiam's hidden-only head",
               run(simsiam(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5))).predictor, 14));
  const Said point = run(Identity{}, 14);
  check_below("watch: SimSiam without its predictor: spread", std::ranges::max(point.spread),
              CollapseWatch::low_spread);
  REQUIRE(point.lines.size() == 2);  // from step 100 on, which is in the epoch 13
  CHECK_THAT(point.lines[0], Contains("collapse: the embeddings of epoch 13 are nearly the same everywhere (spread "));
  CHECK_THAT(point.lines[1], Contains("of epoch 14"));
  CHECK(run(Identity{}, 14, 14).lines.size() == 1);  // from the end of the warm-up on
}

// Behind a layer of one unit all embeddings are multiples of one row.
TEST_CASE("the trainer says that embeddings have gone to one line: SimCLR with one unit in its head", "[learns]") {
  const auto run = [](std::int64_t units) {
    const Mlp head(32,
                   {{.out = units, .norm = false, .relu = false},
                    {.out = 32, .bias = false, .relu = false, .norm_options = {.offset = false}}},
                   Rng(seeded(5)));
    Method method(tiny_encoder(Rng(seeded(5))), head, Identity{}, NtXent{0.5}, simclr_cifar(12), Shared{});
    method.views_together = true;
    return said(method, 0.1, 14);
  };
  check_silent("watch: SimCLR", run(32));
  const Said line = run(1);
  check_below("watch: SimCLR with one unit in its head: rank", std::ranges::max(line.rank), CollapseWatch::low_rank);
  check_above("watch: SimCLR with one unit in its head: spread", std::ranges::min(line.spread),
              CollapseWatch::low_spread);
  REQUIRE(line.lines.size() == 2);
  CHECK_THAT(line.lines.back(),
             Contains("collapse: the embeddings of epoch 14 are nearly on one line (effective rank 1"));
}

TEST_CASE("the trainer says that outputs are the same for all pictures: SwAV without Sinkhorn", "[learns]") {
  const SwavConfig config{.hidden = 64, .dimension = 32, .prototypes = 30, .freeze_epochs = 0};
  const auto whole = swav(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5)));
  Method changed(whole.online.encoder, whole.online.projector, Identity{},
                 without_guards::PlainCodes{config, whole.objective.prototypes}, simclr_cifar(12), Shared{});
  changed.views_together = true;
  const Said with = said(clone(whole), 0.2, 15), without = said(clone(changed), 0.2, 15);
  check_silent("watch: SwAV", with);
  check_below("watch: SwAV without Sinkhorn: information", without.information.back(), OutputWatch::low_information);
  REQUIRE_FALSE(without.lines.empty());
  CHECK_THAT(without.lines.back(),
             Contains("collapse: the outputs of epoch 15 are the same for all pictures (information "));
}

TEST_CASE("the trainer says which way outputs went: DINO without centring to one, without sharpening to all alike",
          "[learns]") {
  const auto run = [](TeacherTemperature temperature, double center_momentum) {
    return said(without_guards::dino_with(temperature, center_momentum), 0.05, 15);
  };
  check_silent("watch: DINO", run({}, 0.9));
  const Said one = run({}, 1), even = run({.start = 0.1, .end = 0.1}, 0.9);
  check_below("watch: DINO without centring: information", one.information.back(), OutputWatch::low_information);
  check_below("watch: DINO without sharpening: information", even.information.back(), OutputWatch::low_information);
  REQUIRE_FALSE(one.lines.empty());
  REQUIRE_FALSE(even.lines.empty());
  const std::string same = "collapse: the outputs of epoch 15 are the same for all pictures (information ";
  const auto entropy_of_a_row = [](const std::string& line) {
    const std::string words = "entropy of a row ";
    return std::stod(line.substr(line.find(words) + words.size()));
  };
  CHECK_THAT(one.lines.back(), Contains(same));
  CHECK_THAT(even.lines.back(), Contains(same));
  check_below("watch: DINO without centring: entropy of a row", entropy_of_a_row(one.lines.back()), 0.1);
  check_above("watch: DINO without sharpening: entropy of a row", entropy_of_a_row(even.lines.back()), 0.9);
}
