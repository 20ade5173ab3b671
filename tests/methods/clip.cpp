// SPDX-License-Identifier: MIT

// CLIP: both towers, the loss and every gradient against open_clip; equal captions; what makes it fail.

#include "contrastive/methods/clip.hpp"

#include <map>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/text_view.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "methods/train_on.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_weights.hpp"
#include "support/golden.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

std::vector<double> numbers(const Tensor& x, std::int64_t stride = 1) {
  const Tensor wide = x.detach().to(DType::f64);
  std::vector<double> out;
  for (std::int64_t i = 0; i < wide.count(); i += stride) out.push_back(wide.data<double>()[i]);
  return out;
}

/// With weights made of their names.
template <class Model>
Model by_formula(Model model, DType dtype) {
  std::map<std::string, Tensor> weights;
  each_state(model, [&](const std::string& name, Tensor& tensor) {
    weights[name] = formula::weight(detail::to_file_layout(tensor.detach()).shape(), name);
  });
  REQUIRE(load_state(model, weights).ok());
  move_to(model, Device::cpu, dtype);
  return model;
}

auto tiny(Activation activation, DType dtype = DType::f32) {
  const ClipVisionConfig image{
      .image_size = 32, .patch = 8, .width = 64, .layers = 2, .heads = 2, .activation = activation};
  const TextTransformerConfig text{.width = 64, .layers = 2, .heads = 2, .activation = activation};
  return by_formula(DualEncoder(ClipVision(image, Rng(0)), UnitProjection(64, 32, Rng(0)),
                                TextTransformer(text, Rng(0)), UnitProjection(64, 32, Rng(0))),
                    dtype);
}

Tensor images(std::int64_t N, std::int64_t size, DType dtype) {
  return permute(formula::fill({N, 3, size, size}, "alpha:input", 0, 4), {0, 2, 3, 1}).to(dtype);
}

/// (N, 1, width) of each block, joined.
template <class Model>
Tensor class_rows(const Model& model, const Tensor& x) {
  std::vector<Tensor> rows;
  model.visual.through_blocks(x, [&](std::size_t, const Tensor& y) { rows.push_back(narrow(y, 1, 0, 1)); });
  return concat(rows, 1);
}
template <class Model>
Tensor end_rows(const Model& model, const Tensor& ids) {
  std::vector<Tensor> rows;
  const auto ends = model.text.end_positions(ids);
  model.text.through_blocks(ids, ends, [&](std::size_t, const Tensor& y) {
    rows.push_back(TextTransformer::end_rows(y, ends).reshape({ids.size(0), 1, y.size(2)}));
  });
  return concat(rows, 1);
}

}  // namespace

TEST_CASE("CLIP's towers, loss and gradients are open_clip's", "[golden]") {
  const Golden g = load_golden("models/clip_tiny.safetensors");
  for (const DType dtype : {DType::f32, DType::f64}) {
    auto model = tiny(Activation::quick_gelu, dtype);
    Tensor x = images(5, 32, dtype);
    x.set_requires_grad(true);
    const Tensor& ids = g.tensor("token_ids");
    const auto near = [&](const char* name, const Tensor& got, double close = 1e-5) {
      INFO(to_string(dtype) << " " << name);
      CHECK(largest_error(numbers(got), numbers(g.tensor(name))) < close);
    };
    {
      const NoGrad no_grad;
      near("image_cls_after_block", class_rows(model, x));
      near("text_eot_after_block", end_rows(model, ids));
      near("logits_per_image", model.logits(x, ids));
    }
    near("image_features", model.image_projection.project(model.visual(x)));
    near("text_features", model.text_projection.project(model.text(ids)));
    clear_tape();
    const Tensor loss = clip_loss(model.image_rows(x), model.text_rows(ids), model.scale.log_scale);
    near("loss", loss);
    loss.backward();

    std::map<std::string, Tensor> grads;
    grads["input"] = permute(x.grad(), {0, 3, 1, 2});
    each_parameter(model,
                   [&](const std::string& name, Parameter& p) { grads[name] = detail::to_file_layout(p.grad()); });
    std::vector<double> norms;
    for (const Json& name : parse_json(g.metadata("grad_norms_order"), "order")) {
      double square = 0;
      for (double v : numbers(grads.at(name.get<std::string>()))) square += v * v;
      norms.push_back(std::sqrt(square));
    }
    CHECK(largest_error(norms, numbers(g.tensor("grad_norms"))) < 3e-5);
    const Json strides = parse_json(g.metadata("strides"), "strides");
    for (const auto& member : strides.items()) {
      INFO(to_string(dtype) << " " << member.key());
      CHECK(largest_error(numbers(grads.at(member.key().substr(5)), member.value().get<std::int64_t>()),
                          numbers(g.tensor(member.key()))) < 3e-5);
    }
    CHECK(largest_error(numbers(gather(grads.at("token_embedding.weight"), g.tensor("token_rows"))),
                        numbers(g.tensor("grad/token_embedding_rows"))) < 3e-5);
  }
  const auto gelu = tiny(Activation::gelu);
  const NoGrad no_grad;
  CHECK(largest_error(numbers(gelu.image_projection.project(gelu.visual(images(5, 32, DType::f32)))),
                      numbers(g.tensor("gelu_image_features"))) < 1e-5);
  CHECK(largest_error(numbers(gelu.text_projection.project(gelu.text(g.tensor("token_ids")))),
                      numbers(g.tensor("gelu_text_features"))) < 1e-5);
}

TEST_CASE("ViT-B/32 with a text transformer of twelve layers is OpenAI's", "[golden]") {
  const Golden g = load_golden("models/clip_vit_b32_quickgelu.safetensors");
  const auto model = by_formula(DualEncoder(ClipVision({}, Rng(0)), UnitProjection(768, 512, Rng(0)),
                                            TextTransformer({}, Rng(0)), UnitProjection(512, 512, Rng(0))),
                                DType::f32);
  const NoGrad no_grad;
  const Tensor x = images(1, 224, DType::f32);
  const Tensor& ids = g.tensor("token_ids");
  const auto near = [&](const char* name, const Tensor& got) {
    INFO(name);
    CHECK(largest_error(numbers(got), numbers(g.tensor(name))) < 1e-5);
  };
  near("image_features", model.image_projection.project(model.visual(x)));
  near("image_cls_after_block", class_rows(model, x));
  near("text_features", model.text_projection.project(model.text(ids)));
  near("text_eot_after_block", end_rows(model, ids));
  near("logits_per_image", model.logits(x, ids));
}

TEST_CASE("what follows the end token changes nothing, and neither does the width of the rows") {
  const auto model = tiny(Activation::quick_gelu);
  const NoGrad no_grad;
  const BpeTokenizer tokenizer;
  std::vector<std::int32_t> narrow, wide, dirty;
  for (const char* text : {"a photo of a cat.", "", "two dogs"}) {
    const auto of_length = [&](std::int64_t length) { return tokenizer(text, length); };
    for (const std::int32_t id : of_length(12).ids) narrow.push_back(id);
    for (const std::int32_t id : of_length(77).ids) wide.push_back(id), dirty.push_back(id);
  }
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t k = 20; k < 77; ++k) dirty[n * 77 + k] = static_cast<std::int32_t>(k);
  const auto rows = [&](const std::vector<std::int32_t>& ids, std::int64_t L) {
    return model.text_rows(Tensor::from<std::int32_t>(ids, {3, L}));
  };
  CHECK(largest_difference(rows(narrow, 12), rows(wide, 77)) == 0);
  CHECK(largest_difference(rows(dirty, 77), rows(wide, 77)) == 0);
  CHECK_THROWS_WITH(model.text(Tensor::zeros({3, 78}, DType::i32)), Contains("[text_transformer] expected i32 ids"));
}

TEST_CASE("images of one caption are no negatives of each other") {
  const auto ids = Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4, 1, 2, 5, 6}, {4, 2});
  CHECK(numbers_of_equal(ids) == std::vector<std::int64_t>{0, 1, 0, 2});
  Embeddings z;
  for (const int view : {0, 1}) z.online.push_back(normalize(formula::fill({4, 8}, view ? "text" : "image", 0, 2)));
  z.view = {Tensor(), ids};
  const auto cosine = [&](std::int64_t i, std::int64_t j) {
    double sum = 0;
    for (std::int64_t d = 0; d < 8; ++d)
      sum += static_cast<double>(z.online[0].data<float>()[i * 8 + d]) * z.online[1].data<float>()[j * 8 + d];
    return sum;
  };
  const auto oracle = [&](bool masked) {
    double loss = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      double row = 0, column = 0;
      for (std::int64_t j = 0; j < 4; ++j) {
        if (masked && i != j && (i == 0 || i == 2) && (j == 0 || j == 2)) continue;
        row += std::exp(cosine(i, j) / 0.07), column += std::exp(cosine(j, i) / 0.07);
      }
      loss += (std::log(row) + std::log(column) - 2 * cosine(i, i) / 0.07) / 8;
    }
    return loss;
  };
  CHECK(ImageTextContrast{}(z).item() == Approx(oracle(true)).epsilon(1e-5));
  CHECK(ImageTextContrast{{}, true}(z).item() == Approx(oracle(false)).epsilon(1e-5));
  // Shuffled, row n has the text of row n + 1, and the mask goes with the texts.
  Embeddings moved = z;
  const auto next = [](const Tensor& x) { return gather(x, Tensor::from<std::int64_t>({1, 2, 3, 0}, {4})); };
  moved.online[1] = next(z.online[1]);
  moved.view[1] = Tensor::from<std::int32_t>(std::vector<std::int32_t>{3, 4, 1, 2, 5, 6, 1, 2}, {4, 2});
  const double shuffled = ImageTextContrast{{}, false, true}(z).item();
  CHECK(shuffled == Approx(ImageTextContrast{}(moved).item()).epsilon(1e-6));
  CHECK(std::abs(shuffled - ImageTextContrast{{}, true, true}(z).item()) > 1e-3);
}

TEST_CASE("CLIP tells the right caption from another; with another image's captions it does not", "[learns]") {
  const std::uint64_t seed = seeded(1);
  const auto right = [&](bool shuffle_captions) {
    const ClipConfig config{.dimension = 32, .shuffle_captions = shuffle_captions};
    auto method =
        clip(ConvNet(3, {16, 32}, Rng(seed) / "image"),
             TextTransformer({.context_length = 16, .width = 32, .layers = 1, .heads = 1}, Rng(seed) / "text"),
             SampleViews(clip_train(16), of_text(BpeTokenizer(), 16)), config, Rng(seed));
    train_on(method, AnyDataset(Shapes(2000, 16, "shape", seed)), 64, seed, 150, [](std::int64_t) { return 3e-3; });
    const NoGrad no_grad;
    const Eval eval;
    Loader loader(AnyDataset(Shapes(256, 16, "shape", seed, "test")), method.augment, {.batch = 256, .threads = 0});
    const Views batch = loader.next()->views;
    const Embeddings z = method.embed(batch);
    const auto text = numbers_of_equal(z.view[1]);
    const Tensor cosines = matmul(z.online[0], z.online[1], false, true);
    double found = 0, count = 0;
    for (std::int64_t i = 0; i < 256; ++i)
      for (std::int64_t j = 0; j < 256; ++j) {
        if (text[static_cast<std::size_t>(i)] == text[static_cast<std::size_t>(j)]) continue;
        found += cosines.data<float>()[i * 256 + i] > cosines.data<float>()[i * 256 + j], ++count;
      }
    return found / count;
  };
  const double own = right(false), other = right(true);
  std::printf("CLIP, the right one of two captions: %.3f; taught with other images' %.3f, chance 0.5\n", own, other);
  check_above("CLIP's choice of captions", own, 0.8);
  check_above("chance over that with another image's captions", 0.5 / other, 0.85);
}

TEST_CASE("a teacher adds the cross entropy to its similarities, as in open_clip", "[golden]") {
  const Golden g = load_golden("clip_distill.safetensors");
  Embeddings z;
  const Tensor image = g.tensor("image_raw"), text = g.tensor("text_raw");
  z.online = {normalize(image), normalize(text)};
  z.view = {Tensor::zeros({8, 1}), Tensor::zeros({8, 1}, DType::i32)};
  ImageTextContrast objective{{}, true};
  objective.scale.log_scale = Parameter(g.tensor("log_scale"));
  CHECK(objective(z).item() == Approx(g.tensor("loss_contrastive").item()).epsilon(1e-9));
  objective.teacher = {[&](const Tensor&) { return g.tensor("teacher_image"); },
                       [&](const Tensor&) { return g.tensor("teacher_text"); }, g.number("teacher_scale")};
  CHECK(objective(z).item() ==
        Approx(g.tensor("loss_contrastive").item() + g.tensor("loss_distill").item()).epsilon(1e-9));
}

TEST_CASE("patch dropout leaves patches out while training, the same ones after a resume") {
  ClipVision net({.image_size = 32, .patch = 8, .width = 32, .layers = 1, .heads = 2, .patch_dropout = 0.5}, Rng(1));
  const Tensor x = images(3, 32, DType::f32);
  const auto tokens = [&](const ClipVision& of) {
    Tensor rows;
    of.through_blocks(x, [&](std::size_t, const Tensor& y) { rows = y; });
    clear_tape();
    return rows;
  };
  ClipVision other = clone(net);
  const Tensor first = tokens(net);
  CHECK(first.size(1) == 1 + 8);
  const Tensor second = tokens(net);
  CHECK(largest_difference(first, second) > 0);
  CHECK(largest_difference(tokens(other), first) == 0);
  CHECK(largest_difference(tokens(other), second) == 0);
  const Eval eval;
  CHECK(tokens(net).size(1) == 1 + 16);
}

TEST_CASE("CLIP starts as OpenAI starts it") {
  TextTransformer text({.vocabulary = 500, .context_length = 8, .width = 64, .layers = 2, .heads = 2}, Rng(3));
  const auto deviation = [](const Tensor& x) {
    double square = 0;
    for (double v : numbers(x)) square += v * v;
    return std::sqrt(square / static_cast<double>(x.count()));
  };
  CHECK(deviation(text.token_embedding.weight) == Approx(0.02).epsilon(0.05));
  CHECK(deviation(text.positional_embedding) == Approx(0.01).epsilon(0.1));
  CHECK(deviation(text.resblocks[1].attn.qkv.weight) == Approx(1 / 8.0).epsilon(0.05));
  CHECK(deviation(text.resblocks[1].attn.proj.weight) == Approx(1 / 16.0).epsilon(0.05));
  CHECK(deviation(text.resblocks[1].mlp.fc1.weight) == Approx(1 / std::sqrt(128.0)).epsilon(0.05));
  CHECK(deviation(text.resblocks[1].mlp.fc2.weight) == Approx(1 / 16.0).epsilon(0.05));
  CHECK(std::exp(ImageTextContrast{}.scale.log_scale.item()) == Approx(1 / 0.07));
}
