// SPDX-License-Identifier: MIT
#include "contrastive/methods/mae.hpp"

#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_weights.hpp"
#include "support/golden.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

auto tiny_mae(int size, double ratio, Rng rng) {
  ViTConfig config = mae_vit({.image_size = size, .patch = 4});
  config.width = 64, config.depth = 3, config.heads = 4;
  return mae(ViT(config, rng / "encoder"), mae_views(size, 4, 3, Normalize{}),
             {.mask_ratio = ratio, .width = 48, .depth = 2, .heads = 3}, rng);
}

}  // namespace

TEST_CASE("MAE's masking, patches and loss equal the official code") {
  const Golden g = load_golden("mae.safetensors");
  const PatchMask mask = random_masking(g.tensor("noise"), 0.75);
  CHECK(mask.kept == 4);
  CHECK(largest_error(mask.restore.to(DType::f64), g.tensor("ids_restore").to(DType::f64)) == 0);
  CHECK(largest_error(hidden(mask, DType::f64), g.tensor("mask")) == 0);
  CHECK(largest_error(take_seen(g.tensor("tokens"), mask), g.tensor("tokens_kept")) == 0);
  const Tensor pictures = permute(g.tensor("images"), {0, 2, 3, 1});
  CHECK(largest_error(patchify(pictures, 4), g.tensor("patches")) == 0);
  CHECK(largest_error(unpatchify(patchify(pictures, 4), 4, 4), pictures) == 0);
  for (bool normalised : {false, true})
    for (DType dtype : {DType::f64, DType::f32}) {
      Tensor prediction = g.tensor("pred").to(dtype).clone();
      prediction.set_requires_grad(true);
      const Tensor loss = masked_reconstruction(prediction, pictures.to(dtype), hidden(mask, dtype), 4, normalised);
      loss.backward();
      const double close = dtype == DType::f64 ? 1e-10 : 1e-5;
      CHECK(largest_error(loss, g.tensor(normalised ? "loss_norm_pix" : "loss")) < close);
      CHECK(largest_error(prediction.grad(), g.tensor(normalised ? "grad_pred_norm_pix" : "grad_pred")) < close);
    }
  for (const auto& [L, ratio, kept] :
       {std::tuple(16, 0.75, 4), {196, 0.75, 49}, {100, 0.9, 9}, {10, 0.7, 3}, {50, 0.8, 9}, {64, 0.6, 25}})
    CHECK(random_masking(Tensor::zeros({1, L}), ratio).kept == kept);
}

TEST_CASE("the whole of MAE, encoder and decoder, equals the official network in loss, prediction and gradients") {
  // timm's PatchEmbed and Block as models_mae.py puts them together, in float64; weights by formula.
  const Golden g = load_golden("models/mae_tiny.safetensors");
  for (const DType dtype : {DType::f64, DType::f32}) {
    ViTConfig config = mae_vit({.image_size = 16, .patch = 4});
    config.width = 32, config.depth = 2, config.heads = 4;
    auto method =
        mae(ViT(config, Rng(0)), mae_views(16, 4, 3, Normalize{}), {.width = 24, .depth = 1, .heads = 2}, Rng(0));
    const auto as_formula = [&](auto& module) {
      std::map<std::string, Tensor> weights;
      each_state(module, [&](const std::string& name, Tensor& tensor) {
        weights[name] = formula::weight(detail::to_file_layout(tensor.detach()).shape(), name);
      });
      REQUIRE(load_state(module, weights).ok());
      move_to(module, Device::cpu, dtype);
    };
    as_formula(method.online.encoder);
    as_formula(method.online.projector);
    const Tensor pictures = permute(formula::fill({2, 3, 16, 16}, "alpha:input", 0, 4), {0, 2, 3, 1}).to(dtype);
    const PatchMask mask = random_masking(formula::fill({2, 16}, "alpha:noise", 0.5, 1).to(DType::f64), 0.75);
    const Tensor prediction = method.online.projector.predict(method.encoder(), pictures, mask);
    const Tensor loss = masked_reconstruction(prediction, pictures, hidden(mask, dtype), 4, true);
    loss.backward();
    const double close = dtype == DType::f64 ? 1e-10 : 2e-5;
    CHECK(largest_error(hidden(mask, DType::f64), g.tensor("mask")) == 0);
    CHECK(largest_error(prediction, g.tensor("pred")) < close);
    CHECK(largest_error(loss, g.tensor("loss")) < close);
    int compared = 0;
    const auto compare = [&](const std::string& name, Parameter& p) {
      if (!g.has("grad." + name)) return;
      INFO(to_string(dtype) << " " << name);
      CHECK(largest_error(p.grad(), g.tensor("grad." + name)) < close);
      ++compared;
    };
    each_parameter(method.online.encoder, compare);
    each_parameter(method.online.projector, compare);
    CHECK(compared == 6);
  }
}

TEST_CASE("hidden patches come back as the mask token, seen ones in their places; the gradient goes both ways") {
  const Tensor noise = Tensor::from<double>({0.5, 0.1, 0.9, 0.3, 0.2, 0.4, 0.8, 0.6}, {2, 4});
  const PatchMask mask = random_masking(noise, 0.5);
  const Tensor seen = Tensor::from<double>({1, 2, 3, 4}, {2, 2, 1}), token = Tensor::from<double>({-7}, {1, 1, 1});
  const Tensor want = Tensor::from<double>({-7, 1, -7, 2, 3, 4, -7, -7}, {2, 4, 1});
  CHECK(largest_error(restore_patches(seen, token, mask), want) == 0);
  CHECK(gradcheck([&](const auto& in) { return restore_patches(in[0], in[1], mask); }, {seen, token}).ok);
  CHECK(gradcheck([&](const auto& in) { return take_seen(in[0], mask); }, {want}).ok);
}

TEST_CASE("what MAE cannot do is said in one sentence") {
  CHECK_THROWS_WITH(random_masking(Tensor({2, 4}), 0.9),
                    "[random_masking] a ratio of 0.9 of 4 patches leaves 0 to see");
  CHECK_THROWS_WITH(mae_views(30, 4), "[mae] a patch of 4 pixels does not divide a picture of 30");
  CHECK_THROWS_WITH(mae(make_encoder("small", {}, Rng(0)), mae_views(32, 4), MaeConfig::small(), Rng(0)),
                    "[encoder] this needs a vision transformer (--encoder vit_micro, vit_tiny, ...)");
}

TEST_CASE("the noise depends on the picture's stream alone and is the same in bf16") {
  const auto views = mae_views(16, 4, 3, Normalize{});
  const Shapes set(8, 16);
  std::vector<Image> images;
  std::vector<std::int64_t> sample;
  for (std::size_t i = 0; i < 8; ++i) images.push_back(set.image(i)), sample.push_back(static_cast<std::int64_t>(i));
  const Views together = make_views(views, std::span<const Image>(images), sample, Rng(1));
  const Views last = make_views(views, std::span<const Image>(images).subspan(7),
                                std::span<const std::int64_t>(sample).subspan(7), Rng(1));
  const Tensor noise = mask_noise(together.view[1]);
  CHECK(largest_error(mask_noise(last.view[1]), noise.slice(7, 8)) == 0);
  CHECK(largest_error(mask_noise(together.view[1].to(DType::bf16)), noise) == 0);
  double total = 0;
  for (double value : noise.span<double>()) total += value / static_cast<double>(noise.count());
  CHECK(total == Approx(0.5).margin(0.1));
}

TEST_CASE("MAE's names; what is hidden is not seen by the encoder") {
  auto method = tiny_mae(16, 0.75, Rng(2));
  std::vector<std::string> names;
  each_parameter(method.online.projector, [&](const std::string& name, Parameter&) { names.push_back(name); });
  CHECK(names[0] == "decoder_embed.weight");
  CHECK(names[2] == "mask_token");
  CHECK(names[3] == "decoder_pos_embed");
  CHECK(names[4] == "decoder_blocks.0.norm1.weight");
  CHECK(names.back() == "decoder_pred.bias");

  const NoGrad no_grad;
  const Tensor noise = init::uniform({1, 16}, 1, Rng(3)), pictures = init::normal({1, 16, 16, 3}, 1, Rng(4));
  const PatchMask mask = random_masking(noise, 0.75);
  const Tensor before = method.online.projector.predict(method.encoder(), pictures, mask);
  const Tensor patches = patchify(pictures, 4).clone();
  for (std::int64_t i = 0; i < 16; ++i)
    if (mask.restore.data<std::int64_t>()[i] >= mask.kept)
      for (std::int64_t c = 0; c < 48; ++c) patches.data<float>()[i * 48 + c] = 100;
  const Tensor after = method.online.projector.predict(method.encoder(), unpatchify(patches, 4, 4), mask);
  CHECK(largest_error(after, before) == 0);

  const MaePictures shown = mae_pictures(method, pictures, noise);
  const Tensor original = patchify(pictures, 4), masked = patchify(shown.masked, 4),
               made = patchify(shown.reconstruction, 4);
  for (std::int64_t i = 0; i < 16; ++i) {
    const bool hides = mask.restore.data<std::int64_t>()[i] >= mask.kept;
    for (std::int64_t c = 0; c < 48; ++c) {
      const std::int64_t at = i * 48 + c;
      CHECK((masked.data<float>()[at] == original.data<float>()[at]) == !hides);
      CHECK((made.data<float>()[at] == original.data<float>()[at]) == !hides);
    }
  }
}

TEST_CASE("MAE starts where its last layer does, and learns to paint what it does not see; in bf16 as well",
          "[learns]") {
  for (DType precision : {DType::f32, DType::bf16}) {
    auto method = tiny_mae(16, 0.5, Rng(seeded(5)));
    method.precision = precision;
    AdamW optimizer(parameter_groups(method.online, {.weight_decay = 0.05, .exclude_norm_and_bias = true}),
                    {.beta2 = 0.95});
    Loader loader(Shapes(512, 16, "shape", seeded(0), "train"), method.augment,
                  {.batch = 64, .seed = seeded(3), .threads = 1});
    const std::string what = join("MAE in ", to_string(precision));
    {
      const NoGrad no_grad;
      loader.start(0);
      const Views views = loader.next()->views;
      double start = 0;  // of four initialisations
      for (std::uint64_t i = 0; i < 4; ++i) {
        auto other = tiny_mae(16, 0.5, Rng(seeded(5)) / i);
        other.precision = precision;
        start += other.loss(views, {.step = 0, .steps = 1}).item() / 4;
      }
      check_below(what + ": first loss over the expected one, less 1", std::abs(start / (1 + 2 * 48. / (48 + 48)) - 1),
                  0.2);
    }
    double last = 0;
    int step = 0;
    const int steps = 160;
    for (int epoch = 0; step < steps; ++epoch)
      for (loader.start(epoch); auto batch = loader.next(); ++step) {
        if (step == steps) break;
        const Tensor loss = method.loss(batch->views, {.step = step, .steps = steps});
        if (step >= steps - 8) last += loss.item() / 8;
        loss.backward();
        optimizer.step(2e-3);
        optimizer.clear_grad();
        method.after_step({.step = step, .steps = steps});
      }
    check_below(what + ": loss", last, 1);  // the mean of each patch and nothing else
  }
}
