// SPDX-License-Identifier: MIT

// GroupViT's parts against its official code: assignment, cross attention, the grouping block, and all three's gradients.

#include "contrastive/nn/grouping.hpp"

#include "contrastive/nn/pass_counter.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"
#include "support/golden_weights.hpp"

using namespace contrastive;

namespace {

/// Of a file, (N, G, S) or (N, 1, G, S), to (N, S, G).
Tensor by_segment(const Tensor& map) {
  const int last = map.rank() - 1;
  return permute(map.reshape({map.size(0), map.size(last - 1), map.size(last)}), {0, 2, 1});
}

}  // namespace

TEST_CASE("segments are assigned to groups as in GroupViT, with straight-through gradients", "[golden]") {
  const Golden g = load_golden("descendants/groupvit_assign.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    INFO(to_string(dtype));
    AssignAttention assign = with_weights(AssignAttention(8, Rng(1)), g, "weights/", dtype);
    const Tensor query = leaf(g.tensor("query"), dtype), key = leaf(g.tensor("key"), dtype),
                 noise = by_segment(g.tensor("gumbel")).to(dtype);
    const Grouped eval = assign(query, key);
    check_close(eval.groups, g.tensor("eval/out"), tolerance, floor);
    check_close(eval.soft, by_segment(g.tensor("eval/soft")), tolerance, floor);
    CHECK(largest_difference(eval.chosen, by_segment(g.tensor("eval/hard")).to(dtype)) == 0);
    clear_tape();
    check_close(softmax(assign.scores(query, key) + noise), by_segment(g.tensor("train/soft_with_noise")), tolerance,
                floor);
    clear_tape();
    assign.temperature = 0.5;
    check_close(assign(query, key, noise).groups, g.tensor("tau05/out"), tolerance, floor);
    clear_tape();
    assign.temperature = 1;
    const Tensor shares = assign.shares(assign.scores(query, key), noise);
    check_close(assign.proj(matmul(shares, assign.v_proj(key), true)), g.tensor("sum_assign/out"), tolerance, floor);
    clear_tape();
    const Grouped train = assign(query, key, noise);
    check_close(train.groups, g.tensor("train/out"), tolerance, floor);
    check_close(train.soft, by_segment(g.tensor("train/soft")), tolerance, floor);
    CHECK(largest_difference(train.chosen, by_segment(g.tensor("train/hard")).to(dtype)) == 0);
    sum(train.groups * g.tensor("loss_weight").to(dtype)).backward();
    check_close(query.grad(), g.tensor("grad/query"), tolerance, floor);
    check_close(key.grad(), g.tensor("grad/key"), tolerance, floor);
    CHECK(check_weight_gradients(assign, g, "grad/weights/", tolerance, floor) == 8);
  }
}

TEST_CASE("cross attention with its norms before or after is GroupViT's, with and without a mask", "[golden]") {
  const Golden g = load_golden("descendants/groupvit_cross_attn.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const bool post : {false, true}) {
      const std::string way = post ? "post/" : "pre/";
      INFO(to_string(dtype) << " " << way);
      CrossAttentionBlock block =
          with_weights(CrossAttentionBlock(12, 3, post ? 48 : 24, post, Rng(1)), g, way + "weights/", dtype);
      const Tensor query = leaf(g.tensor("query"), dtype), key = leaf(g.tensor("key"), dtype);
      check_close(block(query, key, g.tensor("mask").to(dtype)), g.tensor(way + "out_masked"), tolerance, floor);
      clear_tape();
      const Tensor out = block(query, key);
      check_close(out, g.tensor(way + "out"), tolerance, floor);
      sum(out * g.tensor("loss_weight").to(dtype)).backward();
      check_close(query.grad(), g.tensor(way + "grad/query"), tolerance, floor);
      check_close(key.grad(), g.tensor(way + "grad/key"), tolerance, floor);
      CHECK(check_weight_gradients(block, g, way + "grad/weights/", tolerance, floor) == (post ? 8 : 10));
    }
}

TEST_CASE("the grouping block is GroupViT's, with all gradients", "[golden]") {
  const Golden g = load_golden("descendants/groupvit_grouping.safetensors");
  for (const auto& [of_case, tolerance, floor] : cases) {
    const DType dtype = of_case;  // no structured binding, for what is caught below
    INFO(to_string(dtype));
    const double close = dtype == DType::f32 ? 2e-5 : tolerance;  // as the files' README has it
    GroupingBlock block = with_weights(GroupingBlock(12, 3, 6, 4, Rng(1)), g, "weights/", dtype);
    const Tensor x = leaf(g.tensor("x"), dtype), tokens = leaf(g.tensor("group_tokens"), dtype);
    const Grouped eval = block(x, tokens, [](const Tensor&) { return Tensor(); });
    check_close(eval.groups, g.tensor("eval/out"), close, floor);
    check_close(eval.soft, by_segment(g.tensor("eval/soft")), close, floor);
    CHECK(largest_difference(eval.chosen, by_segment(g.tensor("eval/hard")).to(dtype)) == 0);
    clear_tape();
    const Grouped train = block(x, tokens, [&](const Tensor&) { return by_segment(g.tensor("gumbel")).to(dtype); });
    check_close(train.groups, g.tensor("train/out"), close, floor);
    CHECK(largest_difference(train.chosen, by_segment(g.tensor("train/hard")).to(dtype)) == 0);
    sum(train.groups * g.tensor("loss_weight").to(dtype)).backward();
    check_close(x.grad(), g.tensor("grad/x"), close, floor);
    check_close(tokens.grad(), g.tensor("grad/group_tokens"), close, floor);
    CHECK(check_weight_gradients(block, g, "grad/weights/", close, floor) == 40);
  }
}

TEST_CASE("straight-through values are hard, and their gradient is the soft one's") {
  const Tensor x = random({2, 3, 4}, 1), w = random({2, 3, 4}, 2);
  const Tensor a = leaf(x, DType::f64), b = leaf(x, DType::f64);
  const Tensor hard = straight_through(one_hot_largest(a), softmax(a));
  for (std::int64_t row = 0; row < 6; ++row) {
    std::int64_t ones = 0;
    for (std::int64_t c = 0; c < 4; ++c) {
      const double value = hard.data<double>()[4 * row + c];
      CHECK((value == 0 || value == 1));
      ones += value == 1;
      CHECK((value == 0 || x.data<double>()[4 * row + c] == max(x, 2).values.data<double>()[row]));
    }
    CHECK(ones == 1);
  }
  sum(hard * w).backward();
  sum(softmax(b) * w).backward();
  CHECK(largest_difference(a.grad(), b.grad()) == 0);
  CHECK_THROWS_WITH(straight_through(x, random({2, 3, 5}, 1)), Contains("[straight_through] values (2, 3, 4)"));
}

TEST_CASE("the gradients of soft assignment and of masked cross attention are those of differences") {
  AssignAttention assign(6, Rng(1));
  assign.hard = false;
  move_to(assign, Device::cpu, DType::f64);
  const GradcheckResult soft = gradcheck([&](const std::vector<Tensor>& in) { return assign(in[0], in[1]).groups; },
                                         {random({2, 3, 6}, 1), random({2, 5, 6}, 2)});
  INFO(soft.message);
  CHECK(soft.ok);
  const GradcheckResult masked =
      gradcheck([&](const std::vector<Tensor>& in) { return cross_attention(in[0], in[1], in[2], 2, in[3]); },
                {random({2, 3, 6}, 3), random({2, 5, 6}, 4), random({2, 5, 6}, 5), random({2, 3, 5}, 6)});
  INFO(masked.message);
  CHECK(masked.ok);
}

TEST_CASE("Gumbel noise has its distribution, is the same for any number of threads, and differs by sample and pass") {
  const Tensor like = Tensor::zeros({8, 500, 5}, DType::f64);
  const int before = threads();
  set_threads(1);
  const Tensor one = gumbel_noise(like, Rng(3));
  set_threads(3);
  const Tensor three = gumbel_noise(like, Rng(3));
  set_threads(before);
  CHECK(largest_difference(one, three) == 0);
  CHECK(largest_difference(one, gumbel_noise(like, Rng(4))) > 1);
  CHECK(largest_difference(one.slice(0, 1), one.slice(1, 2)) > 1);
  // A sample's draws do not depend on how many others there are.
  CHECK(largest_difference(one.slice(0, 3), gumbel_noise(like.slice(0, 3), Rng(3))) == 0);
  double total = 0, squares = 0;
  for (const double value : one.span<double>()) total += value, squares += value * value;
  const double mean = total / 20000, variance = squares / 20000 - mean * mean;
  CHECK(std::abs(mean - 0.5772156649) < 0.04);      // Euler's constant; deviation 0.009
  CHECK(std::abs(variance - 1.6449340668) < 0.12);  // pi^2 / 6
  CHECK(gumbel_noise(Tensor::zeros({1, 2, 2}), Rng(1)).dtype() == DType::f32);
}

TEST_CASE("a repeated pass repeats its draws, and a counter that is saved goes on where it was") {
  const PassCounter counter{Rng(5)};
  const auto key = [&] { return counter.next().key(); };
  std::uint64_t first, second;
  {
    const NoGrad no_grad;
    first = key(), second = key();
  }
  CHECK(first != second);
  {
    const KeepStatistics again;
    CHECK(key() == first);
    CHECK(key() == second);
  }
  PassCounter other{Rng(5)};
  std::vector<Tensor> state;
  other.members([&](std::string_view name, Buffer& buffer) {
    CHECK(name == "num_batches_tracked");
    state.push_back(buffer);
  });
  REQUIRE(state.size() == 1);
  state[0].data<std::int64_t>()[0] = 2;
  CHECK(other.next().key() == key());
}
