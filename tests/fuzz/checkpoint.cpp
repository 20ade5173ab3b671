// SPDX-License-Identifier: MIT
#include "contrastive/augment/recipes.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/train/run_state.hpp"

using namespace contrastive;

namespace {

struct Small {
  Linear body{2, 2, Rng(0)};
  BatchNorm norm{2};
  std::int64_t features() const { return 2; }
  Tensor operator()(const Tensor& x) const { return norm(body(x)); }
  template <class F>
  void members(F&& f) {
    f("body", body);
    f("norm", norm);
  }
};

}  // namespace

// A checkpoint into a run with a queue, a momentum encoder and AdamW; then a step of what it left. The seed is what
// `save_checkpoint` writes of this method.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto method = moco_v2(Small{}, simclr_cifar(8), {.queue = 4, .dimension = 2}, Rng(1));
  Optimizer optimizer(AdamW(parameter_groups(method.online)));
  Settings settings;
  settings.method = "moco_v2";
  RunState state;
  state.steps_per_epoch = 4;
  try {
    const Safetensors file = parse_safetensors({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    detail::restore(file, "fuzz", AnyMethod::refer(method), optimizer, settings, state);
    if (state.step < 0) __builtin_trap();
    method.objective.queue.enqueue(Tensor::zeros({2, 2}));
    optimizer.step(0.1);
  } catch (const Error&) {
  }
  return 0;
}
