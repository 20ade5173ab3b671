// SPDX-License-Identifier: MIT
#include "contrastive/encoders/vit.hpp"

#include <map>

#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_weights.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

std::vector<double> values(const Tensor& x, std::int64_t stride = 1) {
  const Tensor wide = x.detach().to(DType::f64);
  std::vector<double> out;
  for (std::int64_t i = 0; i < wide.count(); i += stride) out.push_back(wide.data<double>()[i]);
  return out;
}

ViT formula_network(DType dtype = DType::f32) {
  ViT net(vit_tiny(), Rng(0));
  std::map<std::string, Tensor> weights;
  each_state(net, [&](const std::string& name, Tensor& tensor) {
    weights[name] = formula::weight(detail::to_file_layout(tensor.detach()).shape(), name);
  });
  REQUIRE(load_state(net, weights).ok());
  move_to(net, Device::cpu, dtype);
  return net;
}

Tensor formula_images(std::int64_t N, std::int64_t size, DType dtype) {
  return permute(formula::fill({N, 3, size, size}, "alpha:input", 0, 4), {0, 2, 3, 1}).to(dtype);
}

void check_gradients(const Golden& g, ViT& net, const Tensor& images, double close) {
  std::map<std::string, Tensor> grads;
  if (images.requires_grad()) grads["input"] = permute(images.grad(), {0, 3, 1, 2});
  each_parameter(net, [&](const std::string& name, Parameter& p) { grads[name] = detail::to_file_layout(p.grad()); });
  std::vector<double> norms;
  const Json order = parse_json(g.metadata("grad_norms_order"), "order");
  for (const Json& name : order) {
    double square = 0;
    for (double v : values(grads.at(name.get<std::string>()))) square += v * v;
    norms.push_back(std::sqrt(square));
  }
  CHECK(largest_error(norms, values(g.tensor("grad_norms"))) < close);
  const Json strides = parse_json(g.metadata("strides"), "strides");
  std::map<std::string, std::int64_t> step{{"grad/cls_token", 1}};
  for (const auto& member : strides.items()) step[member.key()] = member.value().get<std::int64_t>();
  for (const auto& [name, stride] : step) {
    INFO(name);
    CHECK(largest_error(values(grads.at(name.substr(5)), stride), values(g.tensor(name))) < close);
  }
}

void check_against_timm(const std::string& file, std::int64_t N, DType dtype, double close, double close_gradient) {
  const Golden g = load_golden("models/" + file + ".safetensors");
  ViT net = formula_network(dtype);
  Tensor images = formula_images(N, 224, dtype);
  images.set_requires_grad(true);
  const auto near = [&](const char* name, const Tensor& got) {
    INFO(file << " " << to_string(dtype) << " " << name);
    CHECK(largest_error(values(got), values(g.tensor(name))) < close);
  };
  {
    const NoGrad no_grad;
    const Tensor tokens = net.with_class(net.patches(images));
    near("tokens_in_cls", ViT::class_row(tokens));
    near("tokens_in_patch0", narrow(tokens, 1, 1, 2));
    near("tokens_in_mean", mean(tokens, 1));
    std::vector<Tensor> rows;
    const Tensor last = net.through_blocks(tokens, [&](std::size_t, const Tensor& x) {
      rows.push_back(ViT::class_row(x).reshape({N, 1, 192}));
    });
    near("cls_after_block", concat(rows, 1));
    near("patch_mean", mean(narrow(net.norm(last), 1, 1, 197), 1));
  }
  const Tensor cls = net(images);
  near("cls", cls);
  sum(cls * formula::fill({N, 192}, "alpha:loss_weight", 0, 2).to(dtype)).backward();
  check_gradients(g, net, images, close_gradient);
}

std::map<std::string, std::string> names_of(ViT net) {
  std::map<std::string, std::string> names;
  each_state(net, [&](const std::string& name, Tensor& tensor) {
    names[name] = to_string(detail::to_file_layout(tensor.detach()).shape());
  });
  return names;
}

}  // namespace

TEST_CASE("ViT-Ti equals timm's: tokens, every block, features and gradients") {
  check_against_timm("vit_tiny_224_b1", 1, DType::f32, 1e-5, 3e-5);
  check_against_timm("vit_tiny_224_b2", 2, DType::f32, 1e-5, 3e-5);
}

TEST_CASE("in float64 ViT-Ti equals timm's to the precision of the stored numbers") {
  check_against_timm("vit_tiny_224_b1", 1, DType::f64, 3e-7, 3e-7);
}

TEST_CASE("in bf16 ViT-Ti is timm's to that precision") {
  const Golden g = load_golden("models/vit_tiny_224_b2.safetensors");
  const NoGrad no_grad;
  const Tensor cls = formula_network()(formula_images(2, 224, DType::bf16));
  CHECK(cls.dtype() == DType::bf16);
  CHECK(largest_error(values(cls), values(g.tensor("cls"))) < 0.05);
}

TEST_CASE("at 96 pixels ViT-Ti equals DINO's: positions, attention, last blocks, the gradient of the positions") {
  const Golden g = load_golden("models/dino_vit_tiny_interp.safetensors");
  for (DType dtype : {DType::f32, DType::f64}) {
    const double close = dtype == DType::f32 ? 1e-5 : 1e-6;
    ViT net = formula_network(dtype);
    const Tensor images = formula_images(2, 96, dtype);
    const auto near = [&](const char* name, const Tensor& got) {
      INFO(to_string(dtype) << " " << name);
      CHECK(largest_error(values(got), values(g.tensor(name))) < close);
    };
    {
      const NoGrad no_grad;
      const Tensor first = narrow(net.pos_embed, 1, 0, 1).reshape({1, 192});
      near("pos_embed_interpolated", concat({first, net.positions(6, 6)}));
      near("last_attention_image0", net.last_attention(images, 37).slice(0, 1));
      near("last_attention_cls_rows", net.last_attention(images, 1));
      near("last_attention_cls_rows",
           concat({narrow(net.last_attention(images, 1), 3, 0, 1), net.class_attention(images).reshape({2, 3, 1, 36})},
                  3));
      std::vector<Tensor> last;
      net.through_blocks(net.with_class(net.patches(images)), [&](std::size_t i, const Tensor& x) {
        if (i >= 8) last.push_back(net.norm(ViT::class_row(x)));
      });
      near("last4_cls", concat(last, 1));
    }
    const Tensor cls = net(images);
    near("cls", cls);
    sum(cls * formula::fill({2, 192}, "alpha:loss_weight", 0, 2).to(dtype)).backward();
    check_gradients(g, net, images, dtype == DType::f32 ? 3e-5 : 1e-6);
  }
}

TEST_CASE("positions are resized by the three conventions") {
  const Golden g = load_golden("models/pos_embed_resize.safetensors");
  const Tensor input = g.tensor("input").reshape({196, 6});
  for (const auto& [name, way] : {std::pair("dino", PositionResize::dino),
                                  {"plain", PositionResize::plain},
                                  {"antialias", PositionResize::antialias}})
    for (const auto& [h, w] : {std::pair(6, 6), {16, 16}, {20, 9}}) {
      const std::string key = join(name, "/", h, "x", w);
      INFO(key);
      CHECK(largest_difference(values(resize_positions(input, 14, 14, h, w, way)), values(g.tensor(key))) < 1e-6);
    }
}

TEST_CASE("sine-cosine positions in MAE's and MoCo v3's order") {
  const Tensor mae = sincos_positions(2, 3, 8, SinCosOrder::mae),
               moco = sincos_positions(2, 3, 8, SinCosOrder::moco_v3);
  const auto row = [](const Tensor& t, std::int64_t i) { return values(t.slice(i, i + 1)); };
  const double w = 0.01;  // 10000^(-1/2)
  const std::vector<double> at_1_2{std::sin(2), std::sin(2 * w), std::cos(2), std::cos(2 * w),
                                   std::sin(1), std::sin(w),     std::cos(1), std::cos(w)};
  CHECK(largest_error(row(mae, 5), at_1_2) < 1e-6);
  std::vector<double> turned(at_1_2.begin() + 4, at_1_2.end());
  turned.insert(turned.end(), at_1_2.begin(), at_1_2.begin() + 4);
  CHECK(largest_error(row(moco, 5), turned) < 1e-6);
  CHECK_THROWS_WITH(sincos_positions(2, 2, 6, SinCosOrder::mae),
                    "[positions] sine-cosine positions need a width that is a multiple of 4, got 6");
}

TEST_CASE("names and shapes are timm's and DINO's") {
  for (const auto& [size, config] : {std::pair("tiny", vit_tiny()), {"small", vit_small()}, {"base", vit_base()}})
    for (const char* source : {"timm_vit_", "dino_vit_"}) {
      const std::string path =
          golden_path(join("models/", source, size, "_patch16") + (source[0] == 't' ? "_224" : "") + ".names.json");
      std::map<std::string, std::string> want;
      const Json names = parse_json(read_text(path), path);
      for (const Json& entry : names.at("tensors")) {
        const std::string name = entry[0].get<std::string>();
        if (name.starts_with("head.")) continue;
        Shape shape;
        for (const Json& n : entry[1]) shape.push_back(n.get<std::int64_t>());
        want[name] = to_string(shape);
      }
      INFO(path);
      CHECK(names_of(ViT(config, Rng(0))) == want);
    }
}

TEST_CASE("what a ViT starts from") {
  const auto deviation = [](const Tensor& x) {
    double square = 0;
    for (double v : values(x)) square += v * v;
    return std::sqrt(square / static_cast<double>(x.count()));
  };
  const ViTConfig small{.image_size = 32, .patch = 4};
  const ViT dino(vit_micro(small), Rng(1));
  CHECK(deviation(dino.blocks[0].attn.qkv.weight) == Approx(0.02 * 0.8796).epsilon(0.02));  // cut at two deviations
  CHECK(deviation(dino.blocks[5].mlp.fc2.bias) == 0);
  ViTConfig with = small;
  with.init = ViTInit::moco_v3, with.positions = ViTPositions::sincos_moco_v3, with.frozen_patches = true;
  ViT moco(vit_micro(with), Rng(1));
  CHECK(deviation(moco.blocks[0].attn.qkv.weight) == Approx(std::sqrt(6.0 / 384 / 3)).epsilon(0.02));
  CHECK(deviation(moco.blocks[0].mlp.fc1.weight) == Approx(std::sqrt(6.0 / 960 / 3)).epsilon(0.02));
  CHECK(deviation(moco.patch_projection.weight) == Approx(std::sqrt(6.0 / 240 / 3)).epsilon(0.03));
  CHECK(deviation(moco.cls_token) < 1e-5);
  with.init = ViTInit::mae, with.positions = ViTPositions::sincos_mae;
  const ViT mae(vit_micro(with), Rng(1));
  CHECK(deviation(mae.blocks[0].attn.qkv.weight) == Approx(std::sqrt(6.0 / 768 / 3)).epsilon(0.02));
  CHECK(deviation(mae.cls_token) == Approx(0.02).epsilon(0.2));
  CHECK(values(mae.pos_embed)[0] == 0);
  CHECK(values(narrow(mae.pos_embed, 1, 1, 65)) == values(sincos_positions(8, 8, 192, SinCosOrder::mae)));

  sum(moco(Tensor::full({1, 32, 32, 3}, 0.5))).backward();
  CHECK_FALSE(moco.pos_embed.grad().defined());
  CHECK_FALSE(moco.patch_projection.weight.grad().defined());
  CHECK(moco.cls_token.grad().defined());
}

TEST_CASE("drop path leaves branches out for some samples, as often as it says, and the same after a restart") {
  ViT net(vit_micro({.image_size = 8, .patch = 4, .drop_path = 0.5}), Rng(3));
  CHECK(net.drop_path.rate(0) == 0);
  CHECK(net.drop_path.rate(3) == Approx(0.3));
  CHECK(net.drop_path.rate(5) == 0.5);
  const auto factors = values(net.drop_path.keep(Rng(5), 5, 1, 4000, Device::cpu));
  double mean_factor = 0;
  for (double f : factors) {
    CHECK((f == 0 || f == 2));
    mean_factor += f / 4000;
  }
  CHECK(mean_factor == Approx(1).margin(0.07));

  const Tensor images = init::normal({4, 8, 8, 3}, 1, Rng(4));
  const auto run = [&](const ViT& network) {
    const NoGrad no_grad;
    return values(network(images));
  };
  const auto plain = [&] {
    const Eval eval;
    return run(net);
  }();
  const auto saved = state_of(net);
  const auto first = run(net), second = run(net);
  CHECK(first != second);
  CHECK(first != plain);
  ViT resumed(vit_micro({.image_size = 8, .patch = 4, .drop_path = 0.5}), Rng(3));
  std::map<std::string, Tensor> file;
  for (const auto& [name, tensor] : saved) file[name] = tensor.clone();
  file["drop_path.num_batches_tracked"] = Tensor::from<std::int64_t>({1}, {});
  REQUIRE(load_state(resumed, file).ok());
  CHECK(run(resumed) == second);

  ViT teacher = clone(net);
  set_trainable(teacher, false);
  CHECK(run(teacher) == plain);
}

TEST_CASE("a pass that is repeated draws the same paths") {
  const ViT net(vit_micro({.image_size = 8, .patch = 4, .drop_path = 0.5}), Rng(3));
  const Tensor a = init::normal({4, 8, 8, 3}, 1, Rng(4)), b = init::normal({4, 8, 8, 3}, 1, Rng(5));
  std::vector<std::vector<double>> first, again;
  {
    const NoGrad no_grad;
    for (const Tensor& images : {a, b}) first.push_back(values(net(images)));
  }
  {
    const KeepStatistics keep;
    for (const Tensor& images : {a, b}) again.push_back(values(net(images)));
  }
  clear_tape();
  CHECK(first == again);
}

TEST_CASE("the ViTs by name; what does not divide is said in one sentence") {
  const ImageEncoder micro = make_encoder("vit_micro", {.channels = 1, .image_size = 28}, Rng(0));
  CHECK(micro.features() == 192);
  CHECK(micro.vit().config().grid() == 7);
  const NoGrad no_grad;
  CHECK(micro(Tensor::zeros({2, 28, 28, 1})).shape() == Shape{2, 192});
  ViTConfig seven{.patch = 7, .pool = ViTPool::mean};
  const ImageEncoder pooled = make_encoder("vit_micro", {.channels = 1, .image_size = 28, .vit = seven}, Rng(0));
  const Tensor pictures = init::normal({2, 28, 28, 1}, 1, Rng(1)), got = pooled(pictures);
  CHECK(got.shape() == Shape{2, 192});
  const ViT& vit = pooled.vit();
  const Tensor last = vit.through_blocks(vit.with_class(vit.patches(pictures)));  // (2, 1 + 16, 192)
  Tensor patches = Tensor::zeros({2, 192});
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t p = 1; p < 17; ++p)
      for (std::int64_t d = 0; d < 192; ++d)
        patches.data<float>()[n * 192 + d] += last.data<float>()[(n * 17 + p) * 192 + d] / 16;
  const Tensor want = vit.norm(patches);
  for (std::int64_t i = 0; i < got.count(); ++i)
    CHECK(got.data<float>()[i] == Approx(want.data<float>()[i]).margin(1e-5));
  CHECK(make_encoder("vit_small", {.image_size = 224}, Rng(0)).vit().config().patch == 16);
  CHECK_THROWS_WITH(make_encoder("vit_micro", {.image_size = 30}, Rng(0)),
                    "[vit] a patch of 4 pixels does not divide a picture of 30");
  CHECK_THROWS_WITH(micro(Tensor::zeros({2, 30, 30, 1})),
                    "[vit] a patch of 4 pixels does not divide pictures (2, 30, 30, 1)");
  CHECK_THROWS_WITH(ViT({.image_size = 8, .patch = 4, .width = 100, .heads = 3}, Rng(0)),
                    "[attention] 3 heads do not divide a width of 100");
  CHECK_THROWS_WITH(make_encoder("small", {}, Rng(0)).vit(),
                    "[encoder] this needs a vision transformer (--encoder vit_micro, vit_tiny, ...)");
}
