// SPDX-License-Identifier: MIT

// A run on another device is the run on the CPU, bit for bit, where both have the same kernels; what is read on the
// host without having been brought there crashes. The losses that the CPU computes by an engine of its own are dense
// elsewhere and agree to rounding.

#include <cstring>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/wave_window.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/data/voices.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/encoders/wave_encoder.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/cpc.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/objectives/dense.hpp"
#include "contrastive/train/trainer.hpp"
#include "io/support.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/far_device.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

Settings tiny(const std::string& device, const std::string& optimizer) {
  Settings s;
  s.method = "test";
  s.data = "shapes";
  s.device = device;
  s.optimizer = optimizer;
  s.image_size = 8;
  s.batch = 16;
  s.lr = 0.05;
  s.clip = 1;
  s.exclude_norm_and_bias = true;
  s.seed = seeded(0);
  return s;
}

AnyAugment views() { return simclr_cifar(8); }
ImageEncoder encoder(Rng rng) { return ConvNet(3, {8, 8}, rng); }
AnyDataset shapes(const char* split) { return Shapes(48, 8, "shape", seeded(0), split); }

struct Data {
  AnyDataset train = shapes("train"), test = shapes("test");
  AnyAugment view = center_view(8, 8, {}, 3);
};

/// Trains an epoch, then another one from the checkpoint in new hands.
template <class Make>
void train(const std::string& out, Settings s, Make&& make, const Data& data) {
  for (s.epochs = 1; s.epochs <= 2; ++s.epochs) {
    auto method = make();
    Trainer trainer(method, s, data.train, data.test, data.view, out);
    each_parameter(method, [&](const std::string&, Parameter& p) { REQUIRE(p.device() == device_of(s)); });
    REQUIRE(trainer.resume() == (s.epochs == 2));
    const TrainResult result = trainer.run();
    CHECK(std::isfinite(result.loss));
    CHECK(result.effective_rank > 1);
  }
}

/// The largest difference, relative to the larger of 1 and the value. Columns of the metrics have NaN in empty cells.
template <class T>
double furthest(std::span<const T> want, std::span<const T> got, bool of_metrics = false) {
  REQUIRE(want.size() == got.size());
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double x = static_cast<double>(want[i]), y = static_cast<double>(got[i]);
    if (of_metrics && std::isnan(x) && std::isnan(y)) continue;
    worst = larger(worst, std::abs(x - y) / std::max(1.0, std::abs(x)));
  }
  return worst;
}

template <class T>
void check_bits(std::span<const T> want, std::span<const T> got) {
  REQUIRE(want.size() == got.size());
  CHECK(std::memcmp(want.data(), got.data(), want.size_bytes()) == 0);
}

/// Two runs in their folders; `allowed` 0 asks for the same bits.
void check_same(const std::string& what, const std::string& near, const std::string& far, double allowed) {
  double worst = 0;
  const Safetensors want = load_safetensors(checkpoint_path(near)), got = load_safetensors(checkpoint_path(far));
  REQUIRE(want.tensors.size() == got.tensors.size());
  for (const auto& [name, tensor] : want.tensors) {
    INFO(name);
    const Tensor other = got.tensors.at(name);
    REQUIRE(other.shape() == tensor.shape());
    REQUIRE(other.dtype() == tensor.dtype());
    if (tensor.dtype() == DType::i64)
      check_bits<std::int64_t>(tensor.span<std::int64_t>(), other.span<std::int64_t>());
    else if (allowed == 0)
      check_bits<float>(tensor.span<float>(), other.span<float>());
    else
      worst = larger(worst, furthest<float>(tensor.span<float>(), other.span<float>()));
  }
  const MetricsTable a = load_metrics(near + "/metrics.csv"), b = load_metrics(far + "/metrics.csv");
  for (const std::string column : {"loss", "spread", "effective_rank", "knn_top1"}) {
    if (allowed > 0 && column == "knn_top1") continue;  // a vote may go the other way
    INFO(column);
    if (allowed == 0)
      check_bits<double>(*a.find(column), *b.find(column));
    else
      worst = larger(worst, furthest<double>(*a.find(column), *b.find(column), true));
  }
  if (allowed > 0) check_below("another device, " + what + ": furthest", worst, allowed);
}

template <class Make>
void compare(const std::string& what, Settings s, Make&& make, double allowed = 0, const Data& data = {}) {
  const Scratch near, far;
  train(near.str(), s, make, data);
  s.device = to_string(Device::cuda);
  const far_device::Installed installed;
  train(far.str(), s, make, data);
  check_same(what, near.str(), far.str(), allowed);

  // What was trained there goes on here.
  auto method = make();
  s.device = to_string(Device::cpu);
  s.epochs = 3;
  Trainer here(method, s, data.train, {}, data.view, far.str());
  REQUIRE(here.resume());
  CHECK(std::isfinite(here.run().loss));
}

struct DenseNtXent {
  Tensor operator()(const Embeddings& z) const { return dense::nt_xent(z.online[0], z.online[1], 0.5); }
};

struct DenseQueue : QueueInfoNce {
  Tensor operator()(const Embeddings& z) {
    const Tensor keys = normalize(z.target.at(1));
    const Tensor loss = dense::info_nce(normalize(z.online[0]), keys, queue.snapshot(), temperature);
    queue.enqueue(keys);
    return loss;
  }
};

Mlp head() { return Mlp(8, {{.out = 8}, {.out = 8, .norm = false, .relu = false}}, Rng(seeded(3))); }

}  // namespace

TEST_CASE("a run on another device: SimCLR by SGD, in chunks by LARS", "[device]") {
  const auto make = [] {
    return Method(encoder(Rng(seeded(1))), head(), Identity{}, DenseNtXent{}, views(), Shared{});
  };
  compare("SimCLR by SGD", tiny("cpu", "sgd"), make);
  Settings chunks = tiny("cpu", "lars");
  chunks.accumulate = 2;
  compare("SimCLR in chunks by LARS", chunks, make);
}

TEST_CASE("a run on another device: MoCo's queue and momentum encoder by AdamW", "[device]") {
  compare("MoCo by AdamW", tiny("cpu", "adamw"), [] {
    return Method(encoder(Rng(seeded(1))), head(), Identity{}, DenseQueue{{0.2, Queue(64, 8, Rng(seeded(2)))}}, views(),
                  Momentum{.momentum = 0.9, .update = MomentumUpdate::before_keys});
  });
}

TEST_CASE("a run on another device: the recipes, whose losses have two forms", "[device][learns]") {
  compare(
      "SimCLR", tiny("cpu", "sgd"),
      [] { return simclr(encoder(Rng(seeded(1))), views(), {.dimension = 8}, Rng(seeded(2))); }, 1e-3);
  compare(
      "MoCo", tiny("cpu", "sgd"),
      [] { return moco_v2(encoder(Rng(seeded(1))), views(), {.queue = 64, .dimension = 8}, Rng(seeded(2))); }, 1e-3);
}

TEST_CASE("a run on another device: BYOL, in bf16", "[device]") {
  Settings s = tiny("cpu", "sgd");
  s.precision = "bf16";
  compare("BYOL in bf16", s, [] {
    return byol([](Rng rng) { return encoder(rng); }, views(), {.hidden = 16, .dimension = 8}, Rng(seeded(2)));
  });
}

TEST_CASE("a run on another device: CPC of sound, with drawn negatives and with all", "[device][learns]") {
  const Data voices{Voices(48, 4, 0, "train", 1000), Voices(16, 4, 0, "test", 1000), WaveWindow{800, false}};
  for (const std::int64_t negatives : {4, 0})
    compare(
        "CPC of sound", tiny("cpu", "adam"),
        [=] {
          return cpc<GruContext>(WaveEncoder(1, 8, {{10, 5, 3}, {8, 4, 2}}, Rng(seeded(1))), WaveWindow{800, true},
                                 {.steps = 2, .skip = 0, .negatives = negatives, .context = 6, .columns = 1},
                                 Rng(seeded(1)));
        },
        negatives > 0 ? 0 : 1e-3, voices);
}

TEST_CASE("operations say that their tensors are on two devices", "[device]") {
  const far_device::Installed installed;
  const Tensor here = Tensor::full({4, 2, 2, 2}, 1), there = here.to(Device::cuda);
  CHECK_THROWS_WITH(conv2d(here, there, {}), Contains("[conv2d] devices differ: cpu and cuda"));
  CHECK_THROWS_WITH(concat({there, here}), Contains("[concat] devices differ: cuda and cpu"));
  CHECK_THROWS_WITH(here + there, Contains("[add] devices differ"));
  const Tensor rows = here.reshape({4, 8}), far_rows = rows.to(Device::cuda);
  CHECK_THROWS_WITH(nt_xent(rows, far_rows, 0.5), Contains("[nt_xent] devices differ"));
  CHECK_THROWS_WITH(info_nce(rows, rows, far_rows, 0.5), Contains("got a tensor on cuda"));
  CHECK_THROWS_WITH(gather(there, Tensor::zeros({1}, DType::i64)), Contains("[gather] devices differ"));
  CHECK_THROWS_WITH(there.data<float>(), Contains("call to(Device::cpu)"));
  Queue queue(4, 2, Rng(0));
  CHECK_THROWS_WITH(queue.enqueue(Tensor::zeros({2, 2}).to(Device::cuda)), Contains("[queue] devices differ"));
}
