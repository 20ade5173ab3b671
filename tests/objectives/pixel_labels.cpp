// SPDX-License-Identifier: MIT

// LSeg's arithmetic against its official code: logits of labels, upsampling, loss, scores, label blocks.

#include "contrastive/objectives/pixel_labels.hpp"

#include <algorithm>

#include "contrastive/eval/segmentation.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"

using namespace contrastive;

namespace {

/// (N, C, H, W) as files hold it to (N, H, W, C).
Tensor channels_last(const Tensor& x) { return permute(x, {0, 2, 3, 1}); }

Tensor labels_of(std::int64_t N, std::int64_t H, std::int64_t W, std::int64_t V, std::uint64_t seed) {
  const Tensor targets({N, H, W}, DType::i64);
  Stream draw(Rng(seed) / "targets");
  for (std::int64_t& t : targets.span<std::int64_t>())
    t = static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(V + 1))) - 1;
  return targets;
}

}  // namespace

TEST_CASE("label logits, upsampling and the loss are LSeg's, with both gradients", "[golden]") {
  const Golden g = load_golden("lseg_logits.safetensors");
  const Tensor target = g.tensor("target").to(DType::i64);
  for (const auto& [dtype, tolerance, floor] : cases) {
    for (const bool image_by_image : {false, true}) {
      INFO(to_string(dtype) << (image_by_image ? ", image by image" : ""));
      const Tensor features = leaf(channels_last(g.tensor("features")), dtype), text = leaf(g.tensor("text"), dtype);
      Tensor loss;
      if (image_by_image) {
        loss = label_cross_entropy(features, text, {}, target);
      } else {
        check_close(label_logits(features, text), channels_last(g.tensor("logits_low")), tolerance, floor);
        const Tensor logits = upsampled_label_logits(features, text, {}, 8, 12);
        check_close(logits, channels_last(g.tensor("logits")), tolerance, floor);
        loss = pixel_cross_entropy(logits, target);
      }
      check_close(loss, g.tensor("loss"), tolerance, floor);
      loss.backward();
      check_close(features.grad(), channels_last(g.tensor("grad_features")), tolerance, floor);
      check_close(text.grad(), g.tensor("grad_text"), tolerance, floor);
    }
    const Tensor features = channels_last(g.tensor("features")).to(dtype), text = g.tensor("text").to(dtype);
    SegmentationCounts counts(5);
    counts.add(label_pixels(features, text, {}, 8, 12), target);
    CHECK(counts.right() == g.tensor("pixel_correct").item());
    CHECK(counts.labelled() == g.tensor("pixel_labelled").item());
    for (std::int64_t c = 0; c < 5; ++c) {
      CHECK(counts.intersection()[static_cast<std::size_t>(c)] == g.tensor("intersection").data<std::int64_t>()[c]);
      CHECK(counts.union_of(c) == g.tensor("union").data<std::int64_t>()[c]);
    }
    CHECK(std::abs(counts.pixel_accuracy() - g.tensor("pixel_accuracy").item()) < 1e-12);
    CHECK(std::abs(counts.mean_iou() - g.tensor("mean_iou").item()) < 1e-12);
  }
}

TEST_CASE("label blocks are LSeg's at any depth", "[golden]") {
  const Golden g = load_golden("lseg_blocks.safetensors");
  const std::pair<const char*, LabelActivation> activations[] = {
      {"relu", LabelActivation::relu}, {"lrelu", LabelActivation::leaky_relu}, {"tanh", LabelActivation::tanh}};
  int compared = 0;
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const LabelBlockKind kind : {LabelBlockKind::depthwise, LabelBlockKind::bottleneck})
      for (const auto& [word, activation] : activations)
        for (const int depth : {1, 3}) {
          const std::string name =
              join(kind == LabelBlockKind::depthwise ? "depthwise_" : "bottleneck_", word, "_", depth, "/");
          if (!g.has(name + "out")) continue;
          INFO(to_string(dtype) << " " << name);
          LabelBlocks blocks({kind, activation, depth}, Rng(1));
          blocks.weight = Parameter(
              g.tensor("weights/depthwise.depthwise.weight").to(dtype).reshape({1, 3, 3, 1}));  // (out, in, h, w) there
          blocks.bias = Parameter(g.tensor("weights/depthwise.depthwise.bias").to(dtype));
          const Tensor logits = leaf(channels_last(g.tensor("logits")), dtype);
          const Tensor out = blocks(logits);
          check_close(out, channels_last(g.tensor(name + "out")), tolerance, floor);
          sum(out * channels_last(g.tensor("loss_weight")).to(dtype)).backward();
          const double close = dtype == DType::f32 ? 5e-5 : tolerance;  // as the files' README has it for gradients
          check_close(logits.grad(), channels_last(g.tensor(name + "grad/logits")), close, floor);
          check_close(blocks.weight.grad().reshape({9}), g.tensor(name + "grad/weight").reshape({9}), close, floor);
          check_close(blocks.bias.grad(), g.tensor(name + "grad/bias"), close, floor);
          ++compared;
        }
  CHECK(compared == 16);
}

TEST_CASE("the loss image by image has the gradients of differences and of the whole batch") {
  const Tensor features = random({3, 3, 2, 4}, 1), rows = random({5, 4}, 2), targets = labels_of(3, 6, 4, 5, 3);
  for (const auto& [kind, times] :
       {std::pair(LabelBlockKind::depthwise, 0), {LabelBlockKind::depthwise, 2}, {LabelBlockKind::bottleneck, 2}}) {
    const int depth = times;  // no structured binding, for what is caught below
    LabelBlocks blocks({kind, LabelActivation::tanh, depth}, Rng(4));
    move_to(blocks, Device::cpu, DType::f64);
    std::vector<Tensor> inputs{features, rows};
    if (depth > 0) inputs.push_back(blocks.weight.detach()), inputs.push_back(blocks.bias.detach());
    const auto with = [&](const std::vector<Tensor>& x) {
      LabelBlocks own = blocks;
      if (depth > 0) static_cast<Tensor&>(own.weight) = x[2], static_cast<Tensor&>(own.bias) = x[3];
      return own;
    };
    const auto parts = [&](const std::vector<Tensor>& x) { return label_cross_entropy(x[0], x[1], with(x), targets); };
    const auto whole = [&](const std::vector<Tensor>& x) {
      return pixel_cross_entropy(upsampled_label_logits(x[0], x[1], with(x), 6, 4), targets);
    };
    const GradcheckResult checked = gradcheck(parts, inputs);
    INFO(checked.message);
    CHECK(checked.ok);
    CHECK(largest_difference(parts(inputs), whole(inputs)) < 1e-12);
  }
}

TEST_CASE("a sum of parts keeps what else is on the tape, and its inputs may be computed") {
  const Tensor x = leaf(random({4, 3}, 5), DType::f64), w = leaf(random({3}, 6), DType::f64);
  const Tensor before = square(x), scale = exp(w);
  const Tensor parts =
      sum_of_parts(before, {scale, Tensor()}, [](const Tensor& row, const auto& shared, std::int64_t n) {
        return n == 2 ? Tensor() : sum(row * shared[0]) * static_cast<double>(n + 1);
      });
  sum(parts * 2 + sum(before)).backward();
  const Tensor plain_x = leaf(x.detach(), DType::f64), plain_w = leaf(w.detach(), DType::f64);
  const Tensor weights = Tensor::from<double>({2, 4, 0, 8}, {4, 1});
  sum(square(plain_x) * exp(plain_w) * weights + square(plain_x)).backward();
  CHECK(largest_difference(x.grad(), plain_x.grad()) < 1e-12);
  CHECK(largest_difference(w.grad(), plain_w.grad()) < 1e-12);
}

TEST_CASE("permuted labels give exactly the permuted answer, with blocks too") {
  const Tensor features = random({2, 5, 4, 24}, 7, DType::f32), rows = random({37, 24}, 8, DType::f32);
  std::vector<std::int64_t> order(37);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>((i * 10 + 3) % 37);
  const Tensor index = Tensor::from<std::int64_t>(order, {37});
  for (const LabelBlockKind kind : {LabelBlockKind::depthwise, LabelBlockKind::bottleneck})
    for (const int depth : {0, 1, 3}) {
      INFO(depth);
      const LabelBlocks blocks({kind, LabelActivation::leaky_relu, depth}, Rng(9));
      const Tensor found = label_pixels(features, rows, blocks, 10, 8);
      const Tensor again = label_pixels(features, gather(rows, index), blocks, 10, 8);
      bool same = true;
      std::vector<std::int64_t> used;
      for (std::int64_t p = 0; p < found.count(); ++p) {
        const std::int64_t label = order[static_cast<std::size_t>(again.data<std::int64_t>()[p])];
        same = same && found.data<std::int64_t>()[p] == label;
        if (std::find(used.begin(), used.end(), label) == used.end()) used.push_back(label);
      }
      CHECK(same);
      CHECK(used.size() > 3);
      const NoGrad no_grad;
      const Tensor logits = upsampled_label_logits(features, rows, blocks, 10, 8).reshape({160, 37});
      const Tensor other = upsampled_label_logits(features, gather(rows, index), blocks, 10, 8).reshape({160, 37});
      CHECK(largest_difference(permute(other, {1, 0}), gather(permute(logits, {1, 0}), index)) == 0);
    }
}

TEST_CASE("pixels without a label count nowhere, and what does not fit is named") {
  const Tensor features = random({1, 2, 2, 3}, 10), rows = random({4, 3}, 11);
  Tensor targets({1, 4, 4}, DType::i64);
  targets.kernels().fill(targets.view(), -1);
  const Tensor x = leaf(features, DType::f64);
  const Tensor none = label_cross_entropy(x, rows, {}, targets);
  CHECK(none.item() == 0);
  none.backward();
  CHECK((!x.grad().defined() || largest(x.grad()) == 0));
  targets.data<std::int64_t>()[5] = 3;
  const double loss = label_cross_entropy(features, rows, {}, targets).item();
  CHECK(std::abs(loss - pixel_cross_entropy(upsampled_label_logits(features, rows, {}, 4, 4), targets).item()) < 1e-12);
  CHECK(loss > 0);
  targets.data<std::int64_t>()[6] = 4;
  CHECK_THROWS_WITH(label_cross_entropy(features, rows, {}, targets),
                    "[pixel_cross_entropy] label 4 is outside a list of 4");
  CHECK_THROWS_WITH(label_logits(features, random({4, 2}, 12)),
                    Contains("[label_logits] expected features (N, H, W, D) and label rows (V, D)"));
}

TEST_CASE("bilinear resizing is torch's, and gradients pass") {
  // torch.nn.functional.interpolate of 0 1 2 3 to 6: both alignments, from its formulas.
  const Tensor x = Tensor::from<double>({0, 1, 2, 3}, {1, 1, 4, 1});
  const Tensor aligned = resize_bilinear(x, 1, 6, ResizeCorners::aligned);
  const Tensor open = resize_bilinear(x, 1, 6, ResizeCorners::free);
  CHECK(largest_difference(aligned, Tensor::from<double>({0, 0.6, 1.2, 1.8, 2.4, 3}, {1, 1, 6, 1})) < 1e-14);
  CHECK(largest_difference(open, Tensor::from<double>({0, 0.5, 7.0 / 6, 11.0 / 6, 2.5, 3}, {1, 1, 6, 1})) < 1e-14);
  for (const ResizeCorners corners : {ResizeCorners::aligned, ResizeCorners::free}) {
    const GradcheckResult checked =
        gradcheck([&](const std::vector<Tensor>& in) { return resize_bilinear(in[0], 5, 3, corners); },
                  {random({2, 3, 4, 2}, 13)});
    INFO(checked.message);
    CHECK(checked.ok);
  }
}
