// SPDX-License-Identifier: MIT

// A value that an op keeps for its gradient and that is written over before `backward`: an error or the right gradient,
// never a wrong one.

#include "contrastive/methods/target.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/objectives/negative_cosine.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/soft_targets.hpp"
#include "contrastive/objectives/state/center.hpp"
#include "contrastive/objectives/state/prototypes.hpp"
#include "contrastive/objectives/state/queue.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "contrastive/objectives/swapped_prediction.hpp"
#include "contrastive/ops/group_norm.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/optim/optimizer.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Inputs = const std::vector<Tensor>&;

Tensor random(Shape shape, std::uint64_t seed) { return init::normal(shape, 1, Rng(seed)).to(DType::f64); }
Tensor positive(Shape shape, std::uint64_t seed) { return abs(random(shape, seed)) + 0.5; }
Tensor whole(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

struct Case {
  const char* name;  // in the error
  std::vector<Tensor> inputs;
  std::function<Tensor(Inputs)> op;
  std::string refuses;  // places whose writes are errors: inputs by number, y for the output
};

std::vector<Case> every_op() {
  const Tensor a = random({4, 5}, 1), b = random({4, 5}, 2), bias = random({5}, 3), x4 = random({2, 6, 6, 3}, 4),
               w4 = random({4, 3, 3, 3}, 5), gain = random({3}, 6), shift = random({3}, 7);
  const WindowSpec same{.kernel = 3, .stride = 1, .padding = 1}, two{.kernel = 2, .stride = 2};
  const auto normed = [=](const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual) {
    const auto [mean, var] = batch_norm_statistics(x);
    return batch_norm(x, mean, var, false, {.weight = w, .bias = b, .residual = residual, .relu = true});
  };
  const Tensor u = normalize(a), v = normalize(b), one = Tensor::full({}, 1, DType::f64);
  return {
      {"relu", {a}, [](Inputs x) { return relu(x[0]); }, "y"},
      {"relu", {a, bias}, [](Inputs x) { return relu(x[0], x[1]); }, "y"},
      {"gelu", {a, bias}, [](Inputs x) { return gelu(x[0], x[1]); }, "01"},
      {"quick_gelu", {a}, [](Inputs x) { return quick_gelu(x[0]); }, "0"},
      {"gelu_tanh", {a, bias}, [](Inputs x) { return activate(Activation::gelu_tanh, x[0], x[1]); }, "01"},
      {"exp", {a}, [](Inputs x) { return exp(x[0]); }, "y"},
      {"log", {positive({4, 5}, 1)}, [](Inputs x) { return log(x[0]); }, "0"},
      {"sqrt", {positive({4, 5}, 1)}, [](Inputs x) { return sqrt(x[0]); }, "y"},
      {"square", {a}, [](Inputs x) { return square(x[0]); }, "0"},
      {"abs", {a}, [](Inputs x) { return abs(x[0]); }, "0"},
      {"pow", {positive({4, 5}, 1)}, [](Inputs x) { return pow(x[0], 1.5); }, "0"},
      {"tanh", {a}, [](Inputs x) { return tanh(x[0]); }, "y"},
      {"sigmoid", {a}, [](Inputs x) { return sigmoid(x[0]); }, "y"},
      {"log_sigmoid", {a}, [](Inputs x) { return log_sigmoid(x[0]); }, "y"},
      {"clamp_min", {a}, [](Inputs x) { return clamp_min(x[0], 0.2); }, "0"},
      {"clamp_max", {a}, [](Inputs x) { return clamp_max(x[0], 0.2); }, "0"},
      {"scale", {a}, [](Inputs x) { return x[0] * 3; }, ""},
      {"shift", {a}, [](Inputs x) { return x[0] + 3; }, ""},
      {"cast", {a}, [](Inputs x) { return cast(x[0], DType::f32); }, ""},
      {"add", {a, bias}, [](Inputs x) { return x[0] + x[1]; }, ""},
      {"subtract", {a, bias}, [](Inputs x) { return x[0] - x[1]; }, ""},
      {"multiply", {a, bias}, [](Inputs x) { return x[0] * x[1]; }, "01"},
      {"divide", {a, positive({5}, 3)}, [](Inputs x) { return x[0] / x[1]; }, "1y"},
      {"maximum", {a, b}, [](Inputs x) { return maximum(x[0], x[1]); }, "01"},
      {"softmax", {a}, [](Inputs x) { return softmax(x[0]); }, "y"},
      {"log_softmax", {a}, [](Inputs x) { return log_softmax(x[0]); }, "y"},
      {"cross_entropy", {a, whole({1, 0, 4, 2})}, [](Inputs x) { return cross_entropy_rows(x[0], x[1]); }, "01"},
      {"normalize", {a}, [](Inputs x) { return normalize(x[0]); }, "y"},
      {"matmul", {a, b, random({4}, 9)}, [](Inputs x) { return matmul(x[0], x[1], false, true, 1, x[2]); }, "01"},
      {"conv2d", {x4, w4}, [=](Inputs x) { return conv2d(x[0], x[1], same); }, "01"},
      {"batch_norm",
       {x4, gain, shift, random({2, 6, 6, 3}, 8)},
       [=](Inputs x) { return normed(x[0], x[1], x[2], x[3]); },
       "012y"},
      {"layer_norm", {a, bias, random({5}, 4)}, [](Inputs x) { return layer_norm(x[0], x[1], x[2], 1e-5); }, "01"},
      {"batch_norm", {random({2, 6, 4}, 4)}, [](Inputs x) { return group_norm(x[0], 2); }, "0"},
      {"attention", {random({2, 3, 12}, 4)}, [](Inputs x) { return attention(x[0], 2); }, "0y"},
      {"attention",
       {random({2, 3, 12}, 4), whole({3, 1})},
       [](Inputs x) { return attention(x[0], 2, false, x[1]); },
       "01y"},
      {"gather", {a, whole({2, 0, 2})}, [](Inputs x) { return gather(x[0], x[1]); }, "1"},
      {"permute",
       {a},
       [](Inputs x) {
         return permute(x[0], {1, 0});
       },
       ""},
      {"narrow", {a}, [](Inputs x) { return narrow(x[0], 1, 1, 3); }, ""},
      {"mask_diagonal", {random({4, 4}, 1)}, [](Inputs x) { return mask_diagonal(x[0], -1); }, ""},
      {"concat",
       {a, b},
       [](Inputs x) {
         return concat({x[0], x[1]});
       },
       ""},
      {"reshape",
       {a},
       [](Inputs x) {
         return x[0].reshape({5, 4});
       },
       ""},
      {"slice", {a}, [](Inputs x) { return x[0].slice(1, 3); }, ""},
      {"max_pool", {x4}, [=](Inputs x) { return max_pool(x[0], two); }, ""},
      {"avg_pool", {x4}, [=](Inputs x) { return avg_pool(x[0], two); }, ""},
      {"sum", {a}, [](Inputs x) { return sum(x[0], 1); }, ""},
      {"mean", {a}, [](Inputs x) { return mean(x[0]); }, ""},
      {"custom_gradient",
       {a, b},
       [](Inputs x) {
         return custom_gradient(
             {x[0], x[1]}, [](auto in) { return in[0] * in[1]; },
             [](const Tensor& dy, auto in, const Tensor&) {
               return std::vector{dy * in[1], dy * in[0]};
             });
       },
       "01y"},
      // Whose gradient is found with the value.
      {"info_nce", {a, b}, [](Inputs x) { return info_nce(x[0], x[1], 0.5); }, ""},
      {"info_nce",
       {a, b, random({9, 5}, 3).to(DType::f64)},
       [](Inputs x) { return info_nce(x[0], x[1], x[2].detach(), 0.5); },
       ""},
      {"nt_xent", {a, b}, [](Inputs x) { return nt_xent(x[0], x[1], 0.5); }, ""},
      {"decoupled_info_nce", {a, b}, [](Inputs x) { return decoupled_info_nce(x[0], x[1], 0.5); }, ""},
      {"clip_loss", {u, v, one}, [](Inputs x) { return clip_loss(x[0], x[1], x[2]); }, ""},
      {"siglip_loss", {u, v, one, one}, [](Inputs x) { return siglip_loss(x[0], x[1], x[2], x[3]); }, ""},
      {"sup_con",
       {a},
       [](Inputs x) {
         return sup_con(x[0], std::vector{0, 1, 0, 1});
       },
       ""},
      {"swapped_prediction",
       {a, b},
       [](Inputs x) {
         const std::vector<Tensor> scores{x[0], x[1]}, targets{softmax(x[1].detach())};
         return swapped_prediction(scores, targets, 0.5);
       },
       ""},
      {"similarity_logsumexp", {a, b, one}, [](Inputs x) { return similarity_logsumexp(x[0], x[1], x[2]); }, "01"},
  };
}

/// The gradients of all inputs after a write to one place: inputs by number, -1 for the output, -2 for none.
std::vector<Tensor> gradients(const Case& c, int place) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : c.inputs) {
    leaves.push_back(x.clone());
    if (is_float(x.dtype())) leaves.back().set_requires_grad(true);
  }
  const Tensor y = c.op(leaves);
  const Tensor dy = init::normal(y.shape(), 1, Rng(77)).to(y.dtype());
  if (place > -2) {
    const Tensor target = (place < 0 ? y : leaves[static_cast<std::size_t>(place)]).detach();
    target.copy_from(is_float(target.dtype()) ? target * 2 + 0.3 : Tensor::zeros(target.shape(), target.dtype()));
  }
  y.backward(dy);
  std::vector<Tensor> all;
  for (const Tensor& x : leaves)
    if (x.requires_grad()) all.push_back(x.grad());
  return all;
}

bool equal_values(const Tensor& a, const Tensor& b) {
  for (std::int64_t i = 0; i < a.count(); ++i)
    if (a.data<double>()[i] != b.data<double>()[i]) return false;
  return a.shape() == b.shape();
}

}  // namespace

TEST_CASE("a write between forward and backward is an error where it matters, and none where it does not") {
  for (const Case& c : every_op()) {
    const std::vector<Tensor> want = gradients(c, -2);
    for (int place = -1; place < static_cast<int>(c.inputs.size()); ++place) {
      const bool shares = std::string(c.name) == "reshape" || std::string(c.name) == "slice";
      const char mark = place < 0 ? 'y' : static_cast<char>('0' + place);
      INFO(c.name << ", written: " << mark);
      if (c.refuses.find(mark) != std::string::npos) {
        CHECK_THROWS_WITH(gradients(c, place), Contains("[backward] a tensor of shape ") &&
                                                   Contains(std::string(" that ") + c.name + " kept was written to"));
        CHECK(detail::tape().empty());
        continue;
      }
      const std::vector<Tensor> got = gradients(c, place);
      REQUIRE(got.size() == want.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK((shares || equal_values(got[i], want[i])));
    }
  }
}

TEST_CASE("the product of a matrix that is overwritten before backward") {
  Tensor x = Tensor::full({2, 2}, 1, DType::f64), C = Tensor::full({2, 2}, 1, DType::f64);
  x.set_requires_grad(true);
  const auto loss = [&] { return sum(matmul(x, C) * x); };
  loss().backward();
  CHECK(x.grad().data<double>()[0] == 4);
  const Tensor late = loss();
  C.copy_from(C * 100);
  CHECK_THROWS_WITH(late.backward(),
                    Contains("[backward] a tensor of shape (2, 2) that matmul kept was written to after "
                             "the forward pass: call backward before, or give matmul a clone()"));
  x.clear_grad();
  loss().backward();  // what is computed after the write is right
  CHECK(x.grad().data<double>()[0] == 400);
}

TEST_CASE("only what is used is checked") {
  Tensor x = random({3, 4}, 1), table = random({4, 2}, 2);
  table.set_requires_grad(true);
  // Gradients of table need x, not table itself.
  const Tensor y = matmul(x, table);
  table.detach().copy_from(table.detach() * 2);
  CHECK_NOTHROW(sum(y).backward());
  const Tensor again = matmul(x, table);
  x.copy_from(x * 2);
  CHECK_THROWS_WITH(sum(again).backward(), Contains("matmul kept was written to"));
}

TEST_CASE("all of the library's writes in place are seen") {
  const auto seen = [](const Tensor& x, auto write) {
    const std::uint64_t before = x.version();
    write();
    CHECK(x.version() > before);
  };
  Tensor x = random({6, 4}, 1).to(DType::f32);
  seen(x, [&] { x.copy_from(x * 2); });
  seen(x, [&] { x.slice(0, 2).copy_from(x.slice(2, 4).clone()); });  // slices and reshaped tensors are the same memory
  seen(x.reshape({24}), [&] { x.mark_written(); });
  Queue queue(12, 4, Rng(1));
  seen(queue.keys, [&] { queue.enqueue(normalize(x)); });
  EmbeddingQueue rows(1, 12, 4);
  seen(rows.rows, [&] { rows.push(std::vector{normalize(x)}); });
  MemoryBank bank(6, 4, Rng(1));
  const std::vector<std::int64_t> pictures{0, 1, 2, 3, 4, 5};
  seen(bank.rows, [&] { bank.update(pictures, normalize(x)); });
  Center center(4);
  seen(center.center, [&] { center.update(std::vector{x}); });
  Prototypes prototypes(3, 4, Rng(1));
  seen(prototypes.weight, [&] { prototypes.normalize(); });
  BatchNorm norm(4);
  seen(norm.running_mean, [&] { norm(x); });
  seen(norm.running_var, [&] { norm(x); });
  for (const int kind : {0, 1, 2}) {
    Linear linear(4, 3, Rng(1));
    const auto groups = parameter_groups(linear);
    Optimizer optimizer = kind == 0   ? Optimizer(Sgd(groups))
                          : kind == 1 ? Optimizer(Lars(groups))
                                      : Optimizer(AdamW(groups));
    sum(linear(x)).backward();
    seen(linear.weight, [&] { optimizer.step(0.1); });
    Linear target = clone(linear);
    seen(target.weight, [&] { momentum_update(target, linear, 0.5); });
    const Tensor late = sum(linear(x) * linear(x));
    const Tensor reads_weight = sum(linear(Linear(4, 4, Rng(2))(x)));
    sum(linear(x)).detach();
    optimizer.step(0.1);
    CHECK_THROWS_WITH((late + reads_weight).backward(), Contains("kept was written to"));
  }
}

TEST_CASE("a queue or a bank may take a batch before backward where the loss has its gradient already") {
  const Tensor q = random({4, 5}, 1), k = random({4, 5}, 2);
  const auto gradient = [&](bool enqueue) {
    Queue queue(12, 5, Rng(1));
    Tensor x = q.to(DType::f32).clone();
    x.set_requires_grad(true);
    const Tensor loss = info_nce(x, k.to(DType::f32), queue.keys, 0.2);
    if (enqueue) queue.enqueue(normalize(k.to(DType::f32)));
    loss.backward();
    return x.grad().to(DType::f64);
  };
  CHECK(equal_values(gradient(true), gradient(false)));
  // Its dense form, which other devices take, keeps the negatives.
  Queue queue(12, 5, Rng(1));
  Tensor x = q.to(DType::f32).clone();
  x.set_requires_grad(true);
  const Tensor loss = dense::info_nce(x, k.to(DType::f32), queue.keys, 0.2, RowLength::any);
  queue.enqueue(normalize(k.to(DType::f32)));
  CHECK_THROWS_WITH(loss.backward(), Contains("that matmul kept was written to"));
}
