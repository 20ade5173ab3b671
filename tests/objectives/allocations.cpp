// SPDX-License-Identifier: MIT

// With a workspace that has seen the sizes, a loss asks for no memory.

#include <atomic>
#include <cstdlib>
#include <new>

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "objectives/support.hpp"

namespace {
std::atomic<std::int64_t> allocations{0};

void* take(std::size_t size, std::size_t alignment) {
  void* const memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

// All of this program's: `new`, and what the library asks of the system itself.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++allocations;
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}
void* operator new(std::size_t size) { return take(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::aligned_alloc(alignof(std::max_align_t), (size + 15) / 16 * 16);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace contrastive;
using similarity::Memory;
using similarity::Sides;

TEST_CASE("nothing is allocated the second time") {
  const std::int64_t N = 300, D = 70;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Tensor a = normalize(init::normal({N, D}, 1, Rng(1))).to(dtype),
                 b = normalize(init::normal({N, D}, 1, Rng(2))).to(dtype);
    const Tensor queue = normalize(init::normal({900, D}, 1, Rng(3))).to(dtype), da(a.shape(), dtype),
                 db(a.shape(), dtype);
    const std::vector<std::int32_t> labels = [&] {
      std::vector<std::int32_t> some;
      for (std::int64_t i = 0; i < N; ++i) some.push_back(static_cast<std::int32_t>(i % 7));
      return some;
    }();
    const similarity::Matrix x = similarity::borrow_rows(a), y = similarity::borrow_rows(b),
                             negatives = similarity::borrow_rows(queue);
    const similarity::MutableMatrix dx = similarity::borrow_rows_to_write(da),
                                    dy = similarity::borrow_rows_to_write(db);
    for (const int loss : {0, 1, 2, 3, 4, 5, 6, 7})
      for (const int threads : {1, 2}) {
        set_threads(threads);
        similarity::Workspace work;
        const auto call = [&]<class S>() -> similarity::Value {
          switch (loss) {
            case 0: return similarity::softmax_pairs<S>(work, "rows", x, y, {.sides = Sides::rows}, dx, dy);
            case 1: return similarity::softmax_pairs<S>(work, "both", x, y, {.memory = Memory::store}, dx, dy);
            case 2:
              return similarity::softmax_pairs<S>(work, "both", x, y, {.label_smoothing = 0.1, .ids = {}}, dx, dy);
            case 3:
              return similarity::softmax_pairs<S>(work, "symmetric", x, y, {.sides = Sides::symmetric, .scale = 900},
                                                  dx, dy);
            case 4: return similarity::softmax_classes<S>(work, "classes", x, labels, 10, 1, RowLength::normalize, dx);
            case 5:
              return similarity::softmax_queue<S>(work, "queue", x, y, negatives, 10, RowLength::normalize, dx, dy);
            case 6: return similarity::sigmoid_pairs<S>(work, "sigmoid", x, y, 10, -10, RowLength::unit, dx, dy);
            default: return similarity::softmax_pairs<S>(work, "hard", x, y, {.hardness = 1}, dx, dy);
          }
        };
        similarity::in_compute_type({dtype}, call);
        std::int64_t fewest = 1000;  // a thread that has no part in the first call takes its own memory later
        for (int again = 0; again < 8 && fewest > 0; ++again) {
          const std::int64_t before = allocations;
          similarity::in_compute_type({dtype}, call);
          fewest = std::min(fewest, allocations - before);
        }
        INFO("loss " << loss << " " << to_string(dtype) << " threads " << threads);
        CHECK(fewest == 0);
      }
    set_threads(0);
  }
}
