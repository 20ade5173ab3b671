// SPDX-License-Identifier: MIT

// What the trainer says of a collapse, on short runs with and without what keeps a method from it.

#include <unistd.h>

#include <algorithm>
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

/// The trainer's lines of a collapse, in `epochs` of 8 steps of 64 pictures.
template <class M>
std::vector<std::string> said(M method, double lr, std::int64_t epochs, double warmup_epochs = 0) {
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
  const Scratch out;
  const std::string text = written(
      [&] { Trainer(method, s, Shapes(512, 12, "shape", 0, "train"), {}, center_view(12, 12, {}), out.str()).run(); });
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 9, "collapse:") == 0) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("the trainer says that embeddings have gone to one point: SimSiam without its predictor") {
  const auto run = [](const auto& predictor, std::int64_t epochs, double warmup_epochs = 0) {
    const Mlp projector(32, {{.out = 32, .bias = false}, {.out = 64, .norm = false, .relu = false}}, Rng(5));
    return said(Method(tiny_encoder(Rng(5)), projector, predictor, SimsiamCosine{}, simclr_cifar(12), StopGradient{}),
                0.2, epochs, warmup_epochs);
  };
  const SimsiamConfig config{.dimension = 64, .bottleneck = 16};
  CHECK(run(simsiam(tiny_encoder(Rng(5)), simclr_cifar(12), config, Rng(5)).predictor, 14).empty());
  const std::vector<std::string> lines = run(Identity{}, 14);
  REQUIRE(lines.size() == 2);  // from step 100 on, which is in the epoch 13
  CHECK_THAT(lines[0], Contains("collapse: the embeddings of epoch 13 are nearly the same everywhere (spread "));
  CHECK_THAT(lines[1], Contains("of epoch 14"));
  CHECK(run(Identity{}, 14, 14).size() == 1);  // from the end of the warm-up on
}

TEST_CASE("the trainer says that embeddings have collapsed: SimSiam without its stop-gradient") {
  const auto whole = simsiam(tiny_encoder(Rng(7)), simclr_cifar(12),
                             {.dimension = 64, .bottleneck = 16, .projector_layers = 2}, Rng(7));
  const Method changed(whole.online.encoder, whole.online.projector, whole.predictor,
                       without_guards::CosineWithGradient{}, simclr_cifar(12), without_guards::KeepGradient{});
  // Both from the same start: copies share their tensors.
  const auto with = said(clone(whole), 0.5, 14), without = said(clone(changed), 0.5, 14);
  CHECK(with.empty());
  REQUIRE_FALSE(without.empty());
  // To one point or to one line, as the seed has it.
  CHECK_THAT(without.back(), Contains("collapse: the embeddings of epoch 14 are nearly "));
}

TEST_CASE("the trainer says that embeddings have gone to one line: SimCLR without its negatives") {
  const auto whole = simclr(tiny_encoder(Rng(5)), simclr_cifar(12), {.dimension = 32}, Rng(5));
  Method changed(whole.online.encoder, whole.online.projector, Identity{}, without_guards::Attraction{},
                 simclr_cifar(12), Shared{});
  changed.views_together = true;
  // It ends in a line or in a point, as the last bits have it: deterministic mode has the same for any number of threads.
  const Deterministic mode;
  // Both from the same start: copies share their tensors.
  const auto with = said(clone(whole), 0.3, 25), without = said(clone(changed), 0.3, 25);
  CHECK(with.empty());
  REQUIRE_FALSE(without.empty());
  CHECK_THAT(without.back(),
             Contains("collapse: the embeddings of epoch 25 are nearly on one line (effective rank 1."));
}

TEST_CASE("the trainer says that outputs are the same for all pictures: SwAV without Sinkhorn") {
  const SwavConfig config{.hidden = 64, .dimension = 32, .prototypes = 30, .freeze_epochs = 0};
  const auto whole = swav(tiny_encoder(Rng(5)), simclr_cifar(12), config, Rng(5));
  Method changed(whole.online.encoder, whole.online.projector, Identity{},
                 without_guards::PlainCodes{config, whole.objective.prototypes}, simclr_cifar(12), Shared{});
  changed.views_together = true;
  const auto with = said(clone(whole), 0.2, 15), without = said(clone(changed), 0.2, 15);
  CHECK(with.empty());
  REQUIRE_FALSE(without.empty());
  CHECK_THAT(without.back(), Contains("collapse: the outputs of epoch 15 are the same for all pictures (information "));
}

TEST_CASE("the trainer says which way outputs went: DINO without centring to one, without sharpening to all alike") {
  const auto run = [](TeacherTemperature temperature, double center_momentum) {
    return said(without_guards::dino_with(temperature, center_momentum), 0.05, 15);
  };
  CHECK(run({}, 0.9).empty());
  const auto one = run({}, 1), even = run({.start = 0.1, .end = 0.1}, 0.9);
  REQUIRE_FALSE(one.empty());
  REQUIRE_FALSE(even.empty());
  const std::string same = "collapse: the outputs of epoch 15 are the same for all pictures (information ";
  CHECK_THAT(one.back(), Contains(same) && Contains("entropy of a row 0.00"));
  CHECK_THAT(even.back(), Contains(same) && Contains("entropy of a row 0.99"));
}
