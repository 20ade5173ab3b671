// SPDX-License-Identifier: MIT

// Contrastive predictive coding: the grid, what a context may know, the loss, what is learned, and
// what its negatives keep it from.

#include "contrastive/methods/cpc.hpp"

#include <cmath>

#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/patch_encoder.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "kernels/support.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

/// Rows [0, row) of the contexts agree; `row` itself does not.
template <class Context>
void check_causal(const Context& context) {
  const NoGrad no_grad;
  const Tensor z = init::normal({2, 6, 5, 8}, 1, Rng(3));
  const Tensor before = context(z);
  for (std::int64_t row = 0; row < 6; ++row) {
    const Tensor moved = z.clone();
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t i = row * 40; i < 240; ++i) moved.data<float>()[n * 240 + i] += 1;
    const Tensor after = context(moved);
    const std::int64_t C = before.size(3);
    for (std::int64_t n = 0; n < 2; ++n) {
      const float *a = before.data<float>() + n * 30 * C, *b = after.data<float>() + n * 30 * C;
      CHECK(std::equal(a, a + row * 5 * C, b));
      for (std::int64_t s = 0; s < 5; ++s)
        CHECK_FALSE(std::equal(a + (row * 5 + s) * C, a + (row * 5 + s + 1) * C, b + (row * 5 + s) * C));
    }
  }
}

/// `Attraction` of what follows in a picture: the first step of CPC without the rows it is told apart from.
struct FutureAttraction {
  ContextPrediction prediction;
  Tensor operator()(const Embeddings& z) const {
    const std::int64_t N = z.online[0].size(0), C = prediction.W[0].size(0), D = prediction.W[0].size(1);
    const std::int64_t R = std::llround(std::sqrt(static_cast<double>(z.online[0].size(1) / (C + D))));
    const std::int64_t ahead = 1 + prediction.skip, rows = N * (R - ahead) * R;
    const Tensor grid = z.online[0].reshape({N, R, R, D + C});
    const Tensor context = narrow(narrow(grid, 3, D, D + C), 1, 0, R - ahead).reshape({rows, C});
    const Tensor future = narrow(narrow(grid, 3, 0, D), 1, ahead, R).reshape({rows, D});
    return mean(sum(normalize(matmul(context, prediction.W[0])) * normalize(future), 1)) * -1.0;
  }
  template <class F>
  void members(F&& f) {
    f("prediction", prediction);
  }
};

}  // namespace

TEST_CASE("CPC's loss equals the oracle over all positions and Greedy InfoMax over drawn ones") {
  for (const bool drawn : {false, true}) {
    const Golden g = load_golden(drawn ? "cpc_infonce_sampled.safetensors" : "cpc_infonce_full.safetensors");
    for (const DType dtype : {DType::f64, DType::f32}) {
      const double close = dtype == DType::f64 ? 1e-10 : 1e-5;
      const int nhwc[] = {0, 2, 3, 1};
      const Tensor z = leaf(permute(g.tensor("z"), nhwc).to(dtype)), c = leaf(permute(g.tensor("c"), nhwc).to(dtype));
      const Tensor W = leaf(g.tensor("W").to(dtype));
      const std::vector<Tensor> weights{W.slice(0, 1).reshape({6, 6}), W.slice(1, 2).reshape({6, 6})};
      std::vector<Tensor> negatives;
      if (drawn) negatives = {g.tensor("negatives_1"), g.tensor("negatives_2")};
      const Tensor loss = cpc_loss(z, c, weights, 1, negatives);
      loss.backward();
      CHECK(largest_difference(loss, g.tensor("loss")) < close * g.tensor("loss").item());
      CHECK(largest_difference(z.grad(), permute(g.tensor("grad_z"), nhwc)) < close);
      CHECK(largest_difference(c.grad(), permute(g.tensor("grad_c"), nhwc)) < close);
      CHECK(largest_difference(W.grad(), g.tensor("grad_W")) < close);
    }
  }
}

TEST_CASE("patches overlap by half and lie row by row") {
  Tensor x({2, 8, 8, 2});
  for (std::int64_t i = 0; i < x.count(); ++i) x.data<float>()[i] = static_cast<float>(i);
  const Tensor p = patches(x, {4, 2});
  CHECK(p.shape() == Shape{2 * 9, 4, 4, 2});
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t s = 0; s < 3; ++s)
        for (std::int64_t y = 0; y < 4; ++y)
          for (std::int64_t i = 0; i < 8; ++i)
            CHECK(p.data<float>()[((n * 9 + r * 3 + s) * 4 + y) * 8 + i] ==
                  x.data<float>()[(n * 8 + r * 2 + y) * 16 + s * 4 + i]);
  CHECK_THROWS_WITH(patches(Tensor({1, 30, 30, 1}), {16, 8}),
                    Contains("squares of 16 pixels every 8 do not divide a side of 30"));
  CHECK((PatchGrid{16, 8}.along(64)) == 7);
  CHECK((PatchGrid{8, 4}.along(32)) == 7);
  for (const auto& [size, count] : {std::pair{64, 7}, {32, 7}, {28, 6}})
    CHECK(half_overlapping(size, count).along(size) == count);
  CHECK(half_overlapping(64, 7).patch == 16);
  CHECK_THROWS_WITH(half_overlapping(28, 7), Contains("a side of 28 does not make 7 patches that overlap by half"));
}

TEST_CASE("a context has seen its own row and those above, and nothing below") {
  check_causal(PixelCnn(8, 6, Rng(1)));
  check_causal(GruContext(8, 6, Rng(2)));
}

TEST_CASE("a PixelCNN's context looks sideways, a GRU's stays in its column") {
  const NoGrad no_grad;
  const Tensor z = init::normal({1, 4, 5, 8}, 1, Rng(3));
  const Tensor moved = z.clone();
  moved.data<float>()[(0 * 5 + 2) * 8] += 1;  // row 0, column 2
  const auto changed = [&](const auto& context, std::int64_t row, std::int64_t column) {
    const Tensor a = context(z), b = context(moved);
    const std::int64_t at = (row * 5 + column) * a.size(3);
    return !std::equal(a.data<float>() + at, a.data<float>() + at + a.size(3), b.data<float>() + at);
  };
  const PixelCnn pixels(8, 6, Rng(1));
  const GruContext gru(8, 6, Rng(2));
  CHECK(changed(pixels, 0, 4));
  CHECK(changed(pixels, 2, 0));
  CHECK(changed(gru, 3, 2));
  CHECK_FALSE(changed(gru, 3, 1));
}

TEST_CASE("the gated layers and the GRU have true gradients") {
  PixelCnn pixels(3, 2, Rng(1), 2);
  move_to(pixels, Device::cpu, DType::f64);
  GruContext gru(3, 2, Rng(2));
  move_to(gru, Device::cpu, DType::f64);
  const Tensor z = init::normal({2, 3, 3, 3}, 1, Rng(3)).to(DType::f64);
  const Tensor vertical = pixels.layers[0].vertical.weight.detach().clone(), ih = gru.gru.weight_ih.detach().clone(),
               hh = gru.gru.weight_hh.detach().clone();
  const GradcheckResult a = gradcheck(
      [&](const std::vector<Tensor>& x) {
        static_cast<Tensor&>(pixels.layers[0].vertical.weight) = x[1];
        return pixels(x[0]);
      },
      {z, vertical});
  INFO(a.message);
  CHECK(a.ok);
  const GradcheckResult b = gradcheck(
      [&](const std::vector<Tensor>& x) {
        static_cast<Tensor&>(gru.gru.weight_ih) = x[1];
        static_cast<Tensor&>(gru.gru.weight_hh) = x[2];
        return gru(x[0]);
      },
      {z, ih, hh});
  INFO(b.message);
  CHECK(b.ok);
}

TEST_CASE("the patch encoder is three stages of a ResNet-50 without norm, pooled for evaluation") {
  auto encoder = cpc_encoder(Rng(1));
  CHECK(encoder.features() == 1024);
  int buffers = 0, blocks = 0;
  each_buffer(encoder, [&](const std::string&, Buffer&) { ++buffers; });
  CHECK(buffers == 0);
  for (const auto& block : encoder.net.blocks) blocks += block.convs.size() == 3;
  CHECK(blocks == 13);
  auto small = cpc_encoder_small(Rng(1));
  const NoGrad no_grad;
  const Tensor x = init::normal({2, 32, 32, 1}, 1, Rng(2)), z = small.grid(x), pooled = small(x);
  CHECK(z.shape() == Shape{2, 7, 7, 128});
  CHECK(pooled.shape() == Shape{2, 128});
  CHECK(largest_difference(pooled, mean(z.reshape({2, 49, 128}), 1)) < 1e-6);
  // A patch by itself has the features that it has in the picture.
  const Tensor corner = narrow(narrow(x, 1, 4, 12), 2, 8, 16);
  const Tensor alone = small.net(corner);
  CHECK(largest_difference(alone, narrow(narrow(z, 1, 1, 2), 2, 2, 3).reshape({2, 128})) < 1e-5);
}

namespace {

Embeddings grid_of(const Tensor& z, std::int64_t step = 0) {
  Embeddings e;
  e.online = {z};
  e.progress = {step, 100};
  return e;
}

template <class M>
std::vector<double> train_on_pictures(M& method, int steps, double lr) {
  AdamW optimizer(parameter_groups(method));
  Loader loader(Shapes(256, 32, "shape", seeded(0), "train"), method.augment,
                {.batch = 16, .seed = seeded(3), .threads = 0});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    loader.start(step / 16, step % 16);
    const Tensor loss = method.loss(loader.next()->views, {step, steps});
    losses.push_back(loss.item());
    loss.backward();
    optimizer.step(lr);
    optimizer.clear_grad();
  }
  return losses;
}

PatchEncoder<PreactResNet> tiny_patches(Rng rng) {
  return {{8, 4}, PreactResNet({.blocks = {1, 1}, .bottleneck = false, .width = 8, .stem = 3}, rng)};
}

}  // namespace

TEST_CASE("CPC starts at ln 17, or at the logarithm of all positions") {
  const std::int64_t N = 4, D = 3, C = 2;
  const Tensor z = Tensor::zeros({N, 49 * (D + C)});
  ContextPrediction objective{.W = {}, .negatives = 16};
  for (int k = 0; k < 5; ++k) objective.W.emplace_back(init::uniform({C, D}, 1, Rng(1)));
  CHECK(objective(grid_of(z)).item() == Approx(std::log(17.0)).epsilon(1e-6));
  objective.negatives = 0;
  double all = 0;  // rows 2 to 6 below, of 7, in 7 columns
  for (int k = 1; k <= 5; ++k) all += std::log(7.0 * (7 - k - 1) * N) / 5;
  CHECK(objective(grid_of(z)).item() == Approx(all).epsilon(1e-6));
  objective.skip = 2;
  CHECK_THROWS_WITH(objective(grid_of(z)), Contains("a grid of 7 rows has none that lies 5 + 2 rows below another"));
  objective.columns = 5;
  CHECK_THROWS_WITH(objective(grid_of(z)), Contains("is no grid of 5 columns with 3 features and 2 of context"));
}

TEST_CASE("what CPC draws depends on the step alone") {
  const Tensor z = init::normal({3, 16 * 8}, 1, Rng(1));
  ContextPrediction objective{.W = {}, .negatives = 4, .rng = Rng(9)};
  for (int k = 0; k < 2; ++k) objective.W.emplace_back(init::uniform({4, 4}, 1, Rng(1)));
  const double first = objective(grid_of(z, 5)).item();
  CHECK(objective(grid_of(z, 6)).item() != first);
  CHECK(objective(grid_of(z, 5)).item() == first);
}

TEST_CASE("CPC learns to predict rows of shapes, by either context; overlapping rows would be easier", "[learns]") {
  const auto make = [](auto tag, std::int64_t skip) {
    using Context = decltype(tag);
    return cpc<Context>(tiny_patches(Rng(seeded(4))), cpc(32, 36), {.steps = 2, .skip = skip, .context = 16},
                        Rng(seeded(4)));
  };
  auto pixels = make(PixelCnn{}, 1);
  auto gru = make(GruContext{}, 1);
  auto near = make(GruContext{}, 0);
  const double a = last_mean(train_on_pictures(pixels, 60, 2e-3), 10),
               b = last_mean(train_on_pictures(gru, 60, 2e-3), 10),
               c = last_mean(train_on_pictures(near, 60, 2e-3), 10);
  const double chance = std::log(17.0);
  check_below("CPC by a PixelCNN: loss less chance", a - chance, 0);
  check_below("CPC by a GRU: loss less chance", b - chance, 0);
  check_below("CPC by a GRU: loss on neighbouring rows less the loss", c - b, 0);
}

TEST_CASE("CPC collapses without its negatives, and not with them", "[learns]") {
  const PatchEncoder<PreactResNet> patches{
      {4, 4}, PreactResNet({.blocks = {1, 1}, .bottleneck = false, .width = 8, .stem = 3}, Rng(seeded(5)))};
  const auto method =
      cpc<PixelCnn>(patches, cpc(12, 12), {.steps = 1, .skip = 0, .negatives = 16, .context = 16}, Rng(seeded(5)));
  collapses_without_negatives("CPC", method, 0.05, FutureAttraction{method.objective});
}
