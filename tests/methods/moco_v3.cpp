// SPDX-License-Identifier: MIT

// MoCo v3: frozen model, views, heads, first loss, one batch, and what its negatives keep it from.

#include "contrastive/methods/moco_v3.hpp"
#include "contrastive/objectives/negative_cosine.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

/// `Attraction` towards the keys of another branch, which get no gradient.
struct KeyAttraction {
  Tensor operator()(const Embeddings& z) const {
    return simsiam_loss(z.online[0], z.target[1], z.online[1], z.target[0]);
  }
};

}  // namespace

TEST_CASE("MoCo v3's frozen model: the momentum encoder moves before the keys, 2 t times both directions") {
  const Golden g = load_golden("moco_v3.safetensors");
  auto method = moco_v3(TanhBody{}, no_augment(), {.temperature = 0.2, .hidden = 8, .dimension = 4}, Rng(1));
  move_to(method, Device::cpu, DType::f64);
  const auto their = [](const std::string& name) {  // ours "projector.0.weight", theirs "fc.0.weight"
    return name.starts_with("projector.") ? "fc." + name.substr(10) : name.substr(std::string("encoder.").size());
  };
  const auto each = [&](auto& module, const std::string& prefix, auto&& f) {
    each_parameter(module, [&](const std::string& name, Parameter& p) {
      INFO(name);
      f(g.tensor(prefix + their(name)), p);
    });
  };
  each(method.online, "model.base.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each(method.target, "model.momentum.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each_parameter(method.predictor,
                 [&](const std::string& name, Parameter& p) { p.copy_from(g.tensor("model.predictor." + name)); });
  Views views;
  views.view = {g.tensor("model.x1"), g.tensor("model.x2")};
  views.globals = 2;
  const Tensor loss = method.loss(views, {.step = 0, .steps = 70});
  loss.backward();
  check_near(loss, g.tensor("model.loss"), 1e-10);
  each(method.online, "model.grad.base.", [](const Tensor& want, Parameter& p) { check_near(p.grad(), want, 1e-10); });
  each(method.target, "model.momentum_after.", [](const Tensor& want, Parameter& p) { check_near(p, want, 1e-10); });
  each_parameter(method.predictor, [&](const std::string& name, Parameter& p) {
    check_near(p.grad(), g.tensor("model.grad.predictor." + name), 1e-10);
  });
  const auto momentum = g.tensor("schedule.momentum").span<double>(), epoch = g.tensor("schedule.epoch").span<double>();
  const Momentum rule{.momentum = 0.99, .to_one = true};
  for (std::size_t i = 0; i < momentum.size(); ++i)
    CHECK(rule.at({.step = static_cast<std::int64_t>(std::lround(epoch[i] * 7)), .steps = 70}) ==
          Approx(momentum[i]).epsilon(1e-12));
  for (const double t : {1.0, 0.2}) {
    const std::string at = t == 1 ? "_t1" : "_t0.2";
    Tensor q = g.tensor("q" + at).clone();
    q.set_requires_grad(true);
    const Tensor one = info_nce(q, g.tensor("k" + at), t) * (2 * t);
    one.backward();
    check_near(one, g.tensor("loss" + at), 1e-10);
    check_near(q.grad(), g.tensor("grad_q" + at), 1e-10);
  }
}

TEST_CASE("MoCo v3's views: BYOL's strengths, Pillow's blur, the flip last, crops from 0.2 or for ViTs 0.08") {
  const auto views = moco_v3();
  for (const MocoV3View* view : {&views.first, &views.second}) {
    CHECK(view->crop_step().area.low == 0.2);
    CHECK(view->crop_step().filter == Filter::bilinear);
    const auto& jitter = view->step<RandomApply<ColorJitter>>();
    CHECK(jitter.p == 0.8);
    CHECK(jitter.step.saturation == 0.2);
    CHECK_FALSE(jitter.step.additive);
    CHECK(view->step<RandomFlip>().p == 0.5);
  }
  CHECK(views.first.step<RandomApply<PillowBlur>>().p == 1.0);
  CHECK(views.first.step<RandomSolarize>().p == 0.0);
  CHECK(views.second.step<RandomApply<PillowBlur>>().p == 0.1);
  CHECK(views.second.step<RandomSolarize>().p == 0.2);
  CHECK(moco_v3(32, 0.08).second.crop_step().area.low == 0.08);
  CHECK(moco_v3(32).views().size() == 2);
}

TEST_CASE("MoCo v3's heads for ResNets and ViTs, and its first step") {
  const auto shape = [](const Mlp& mlp) {
    std::string text;
    for (const Mlp::Layer& layer : mlp.layers) {
      text += layer.linear.bias.defined() ? "B" : "L";
      if (layer.has_norm) text += layer.norm.weight.defined() ? "N" : "n";
      if (layer.has_relu) text += "R";
    }
    return text;
  };
  const auto resnet = moco_v3(TanhBody{}, no_augment(), {.hidden = 8, .dimension = 4}, Rng(1));
  CHECK(shape(resnet.online.projector) == "LNRLn");
  CHECK(shape(resnet.predictor) == "LNRL");
  MocoV3Config config = MocoV3Config::vit();
  config.hidden = 8;
  config.dimension = 4;
  auto vit = moco_v3(TanhBody{}, no_augment(), config, Rng(1));
  CHECK(shape(vit.online.projector) == "LNRLNRLn");
  CHECK(shape(vit.predictor) == "LNRLn");
  // All keys and queries alike: 2 t ln N from each direction.
  Embeddings same;
  same.online = same.target = {Tensor::full({8, 4}, 1), Tensor::full({8, 4}, 1)};
  CHECK(SymmetricInfoNce{0.2}(same).item() == Approx(4 * 0.2 * std::log(8.0)).epsilon(1e-5));
}

TEST_CASE("MoCo v3 collapses without its negatives, and not with them", "[learns]") {
  const auto augment = simclr_cifar(12);
  const MocoV3Config config{.temperature = 0.2, .momentum = 0.9, .hidden = 64, .dimension = 32};
  const auto whole = moco_v3(tiny_encoder(Rng(seeded(5))), augment, config, Rng(seeded(5)));
  collapses_without_negatives("MoCo v3", whole, 0.5);
  // Its predictor and momentum encoder alone would hold it, as they hold BYOL.
  const auto start = clone(whole);
  Method as_byol(start.online.encoder, start.online.projector, start.predictor, KeyAttraction{}, augment,
                 Momentum{.momentum = config.momentum, .to_one = true, .update = MomentumUpdate::before_keys});
  const CollapseWatch held = watch_on_shapes(as_byol, 0.5, 150);
  check_healthy("MoCo v3 by predictor and momentum alone", held);
}

TEST_CASE("MoCo v3 lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "moco_v3", [] { return moco_v3(TanhBody{}, no_augment(), {.hidden = 16, .dimension = 8}, Rng(seeded(1))); }, 2);
}
