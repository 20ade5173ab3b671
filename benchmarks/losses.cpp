// SPDX-License-Identifier: MIT
//
// The similarity losses, value and gradients, as <loss>/<N>/<D>[/<columns>]/<form>:
//
//   naive      every logit in memory, op by op on the tape (objectives/dense.hpp)
//   blocked    panels of 256 rows through the matrix product of the machine, the exponentials between
//   store      the engine, exponentials kept for the gradient
//   recompute  the engine, logits computed again: memory O(N D)
//   bf16       the engine (as it chooses) on bf16 rows: in products of pairs where the machine has them, or widened
//   forward    the engine, value alone
//
// Counters: GFLOP/s of the multiply-adds the form needs, limit: the share of the speed at which the machine's best matrix
// product (2048 cubed, timed before and after) would do them, extra_MB: the program's peak memory over the inputs'.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "contrastive/nn/init.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "machine.hpp"

using namespace contrastive;
using similarity::Memory;

namespace {

double best_product = 0;  // operations a second

/// The better of oneDNN's and our own product of 2048 cubed.
double time_best_product() {
  const std::int64_t n = 2048;
  const Tensor a = init::normal({n, n}, 1, Rng(1)), b = init::normal({n, n}, 1, Rng(2)), y({n, n});
  double best = 1e9;
  for (const bool own : {false, true}) {
    set_deterministic(own);
    for (int attempt = 0; attempt < 4; ++attempt) {
      const auto start = std::chrono::steady_clock::now();
      a.kernels().matmul(a.view(), b.view(), y.view(), {});
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  set_deterministic(false);
  return 2.0 * n * n * n / best;
}

double resident_mb(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stod(line.substr(std::strlen(field))) * 1024 / 1e6;
  return 0;
}

/// Starts the count of peak memory anew, where the system lets us.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void report(benchmark::State& state, double operations, double before_mb) {
  state.counters["extra_MB"] = resident_mb("VmHWM:") - before_mb;
  best_product = std::max(best_product, time_best_product());  // before and after: the machine's speed wanders
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["limit"] =
      benchmark::Counter(operations / best_product, benchmark::Counter::kIsIterationInvariantRate);
}

struct Inputs {
  Tensor a, b;
};
Inputs unit_rows(std::int64_t N, std::int64_t D, DType dtype) {
  const NoGrad no_grad;
  const Tensor a = init::normal({N, D}, 1, Rng(1)), b = a + init::normal({N, D}, 1, Rng(2)) * 0.5;
  return {normalize(a).to(dtype), normalize(b).to(dtype)};
}

/// The CLIP loss by panels of rows: the first rung above `naive`. Two looks at each panel, the product of the machine.
double clip_blocked(const Tensor& a, const Tensor& b, double scale, const Tensor& da, const Tensor& db) {
  const NoGrad no_grad;
  const std::int64_t N = a.size(0), panel = 256;
  Tensor columns = Tensor::zeros({N});  // sums of e^s by column; s <= scale, so e^(s - scale) is safe
  std::vector<Tensor> rows;
  double loss = 0;
  for (std::int64_t i = 0; i < N; i += panel) {
    const Tensor part = a.slice(i, std::min(N, i + panel));
    const Tensor e = exp(matmul(part, b, false, true, scale) - scale);
    rows.push_back(sum(e, 1, true));
    columns = columns + sum(e, 0);
  }
  const Tensor inverse = Tensor::full({N}, 1) / columns;
  kernels(Device::cpu).fill(db.view(), 0);
  for (std::int64_t i = 0, p = 0; i < N; i += panel, ++p) {
    const std::int64_t end = std::min(N, i + panel);
    const Tensor part = a.slice(i, end);
    const Tensor g =
        exp(matmul(part, b, false, true, scale) - scale) * (inverse + Tensor::full(rows[p].shape(), 1) / rows[p]);
    const double factor = scale / (2.0 * static_cast<double>(N));
    a.kernels().matmul(g.view(), b.view(), da.slice(i, end).view(), {.alpha = factor});
    a.kernels().matmul(g.view(), part.view(), db.view(), {.transpose_a = true, .alpha = factor, .beta = 1});
  }
  loss = sum(log(columns)).item();
  for (const Tensor& r : rows) loss += sum(log(r)).item();
  const Tensor pairs = sum(a * b, 1);
  loss += 2.0 * static_cast<double>(N) * scale - 2 * scale * sum(pairs).item();
  const double factor = -scale / static_cast<double>(N);
  for (const auto& [d, other] : {std::pair(da, b), {db, a}}) {
    const Tensor part = other * factor;
    part.kernels().accumulate(part.view(), d.view());
  }
  return loss / (2.0 * static_cast<double>(N));
}

constexpr double log_scale = 2.302585092994046;  // log 10

enum class Loss { clip, nt_xent, siglip, info_nce_queue, sup_con };

/// Multiply-adds of the form's products, in units of U = 2 N M D.
double operations_of(Loss which, std::int64_t N, std::int64_t D, std::int64_t K, const std::string& form) {
  const double n = static_cast<double>(N), d = static_cast<double>(D), k = static_cast<double>(K);
  const double pairs = which == Loss::nt_xent ? 4 * n * n : n * n;
  const bool triangle = (which == Loss::nt_xent || which == Loss::sup_con) && form != "naive";
  const bool kept = form == "naive" || form == "store" ||
                    (form == "bf16" && pairs * (similarity::has_bf16_dots() ? 2 : 4) * (triangle ? 0.5 : 1) <= 3e8);
  if (which == Loss::siglip) return 3 * 2 * n * n * d;
  if (which == Loss::info_nce_queue) return 2 * 2 * n * k * d;
  return 2 * pairs * d * (form == "forward" ? 1 : kept ? 3 : 4) * (triangle ? 0.5 : 1);
}

void loss(benchmark::State& state, Loss which, std::int64_t N, std::int64_t D, std::int64_t K,
          const std::string& form) {
  const auto rows = unit_rows(N, D, form == "bf16" ? DType::bf16 : DType::f32);
  const Tensor &a = rows.a, &b = rows.b;
  const Tensor queue = K > 0 ? unit_rows(K, D, a.dtype()).a : Tensor();
  std::vector<std::int32_t> labels(static_cast<std::size_t>(N));
  for (std::int64_t i = 0; i < N; ++i) labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i % 100);
  const Tensor da(a.shape(), a.dtype()), db(a.shape(), a.dtype());
  reset_peak();
  const double before = resident_mb("VmRSS:");
  {
    similarity::Workspace work;
    const bool gradients = form != "forward";
    const similarity::Matrix x = similarity::borrow_rows(a), y = similarity::borrow_rows(b);
    const similarity::MutableMatrix dx = gradients ? similarity::borrow_rows_to_write(da) : similarity::MutableMatrix{};
    const similarity::MutableMatrix dy = gradients ? similarity::borrow_rows_to_write(db) : similarity::MutableMatrix{};
    const Memory memory = form == "store" ? Memory::store : form == "recompute" ? Memory::recompute : Memory::automatic;
    double value = 0;
    const auto step = [&] {
      if (form == "naive") {
        Tensor u = a.detach(), v = b.detach(), scale = Tensor::full({}, log_scale), bias = Tensor::full({}, -10);
        for (Tensor* t : {&u, &v, &scale, &bias}) t->set_requires_grad(true);
        const Tensor l = which == Loss::clip      ? dense::clip_loss(u, v, scale)
                         : which == Loss::nt_xent ? dense::nt_xent(u, v, 0.1)
                         : which == Loss::siglip  ? dense::siglip_loss(u, v, scale, bias)
                                                  : dense::info_nce(u, v, queue, 0.1);
        l.backward();
        return l.item();
      }
      if (form == "blocked") return clip_blocked(a, b, 10, da, db);
      const auto with = [&]<class S>() {
        switch (which) {
          case Loss::clip:
            return similarity::softmax_pairs<S>(work, "clip", x, y,
                                                {.scale = 10, .length = RowLength::unit, .memory = memory}, dx, dy);
          case Loss::nt_xent:
            return similarity::softmax_pairs<S>(
                work, "nt_xent", x, y,
                {.sides = similarity::Sides::symmetric, .scale = 10, .length = RowLength::normalize, .memory = memory},
                dx, dy);
          case Loss::siglip:
            return similarity::sigmoid_pairs<S>(work, "siglip", x, y, 10, -10, RowLength::unit, dx, dy);
          case Loss::info_nce_queue:
            return similarity::softmax_queue<S>(work, "queue", x, y, similarity::borrow_rows(queue), 10,
                                                RowLength::normalize, dx, {});
          default:
            return similarity::softmax_classes<S>(work, "sup_con", x, labels, 10, 1, RowLength::normalize, dx, memory);
        }
      };
      return similarity::in_compute_type({a.dtype()}, with).loss;
    };
    step();  // memory is kept from here on
    best_product = time_best_product();
    for (auto _ : state) benchmark::DoNotOptimize(value = step());
    report(state, operations_of(which, N, D, K, form), before);
  }
}

void add(const char* name, Loss which, std::int64_t N, std::int64_t D, std::int64_t K, const char* form) {
  std::string full = std::string(name) + "/" + std::to_string(N);
  if (K > 0) full += "/" + std::to_string(K);
  full += "/" + std::to_string(D) + "/" + form;
  benchmark::RegisterBenchmark(full.c_str(),
                               [=, form = std::string(form)](benchmark::State& s) { loss(s, which, N, D, K, form); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->Iterations(
          std::clamp<std::int64_t>(static_cast<std::int64_t>(1e11 / operations_of(which, N, D, K, form)), 3, 500));
}

void register_all() {
  const std::int64_t grid[][2] = {{64, 128},  {256, 128},  {1024, 128}, {2048, 128},  {4096, 128},  {8192, 128},
                                  {8192, 64}, {4096, 256}, {4096, 512}, {2048, 1024}, {16384, 128}, {32768, 128}};
  for (const auto& [N, D] : grid) {
    for (const char* form : {"naive", "blocked", "store", "recompute", "bf16", "forward"}) {
      const std::string name = form;
      const bool linear = name == "recompute" || name == "bf16" || name == "forward";  // memory
      if (linear || N <= 16384) add("clip_loss", Loss::clip, N, D, 0, form);
      if (name != "blocked" && (linear || N <= (name == "store" ? 16384 : 8192)))
        add("nt_xent", Loss::nt_xent, N, D, 0, form);
    }
    for (const char* form : {"naive", "recompute", "bf16"})
      if (N <= 8192 || std::string(form) == "recompute") add("siglip_loss", Loss::siglip, N, D, 0, form);
  }
  for (const char* form : {"naive", "recompute", "bf16"})
    for (const std::int64_t K : {4096, 65536}) add("info_nce_queue", Loss::info_nce_queue, 256, 128, K, form);
  for (const char* form : {"store", "recompute", "forward"}) add("sup_con", Loss::sup_con, 4096, 128, 0, form);
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  best_product = time_best_product();
  const double peak = bench::fma_peak(threads());
  std::fprintf(stderr, "best product %.1f GFLOP/s, multiply-add peak %.1f (%s, %d threads)\n", best_product * 1e-9,
               peak * 1e-9, simd::isa_name(), threads());
  benchmark::AddCustomContext("best_product_GFLOPs", std::to_string(best_product * 1e-9));
  benchmark::AddCustomContext("peak_GFLOPs", std::to_string(peak * 1e-9));
  benchmark::RunSpecifiedBenchmarks();
}
