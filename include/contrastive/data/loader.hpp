// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/batch.hpp"
#include "contrastive/data/dataset.hpp"

namespace contrastive {

struct LoaderOptions {
  std::size_t batch = 256;
  std::uint64_t seed = 0;
  int threads = 2;  // 0: everything happens inside next()
  bool shuffle = true;
  bool drop_last = true;     // leave out the last batch of an epoch when it is not full
  bool strict = false;       // stop at a sample that cannot be read instead of taking the next one
  std::size_t prefetch = 3;  // batches made ahead
};

/// Decodes and augments on threads of its own while the caller computes.
///
///   Loader loader(train, simclr_augment, {.batch = 256, .seed = 1});
///   for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
///     loader.start(epoch);
///     while (std::optional<Batch> batch = loader.next()) ...
///   }
///
/// What arrives depends on (seed, epoch, step) alone: the order is shuffled by the stream "shuffle" / epoch (a set in shards
/// has an order of its own, see `AnyDataset::epoch_order`), a sample
/// is augmented by the stream "augment" / epoch / sample. Threads, prefetching and restarts in the middle of an epoch
/// change nothing. A sample that cannot be read is named once on stderr and its place is taken by the next one of the
/// set; with `strict` the error surfaces in `next`, as does any other exception of the threads. One thread calls
/// `start` and `next`.
class Loader {
 public:
  Loader(AnyDataset set, AnyAugment augment, LoaderOptions options)
      : set_(std::move(set)), augment_(std::move(augment)), options_(options) {
    require(options_.batch > 0, "[loader] --batch must be at least 1");
    require(set_.size() > 0, "[loader] ", set_.name(), ": the data set is empty");
    require(!options_.drop_last || options_.batch <= set_.size(), "[loader] batch ", options_.batch,
            " is larger than the data set (", set_.name(), ", ", set_.size(), " samples): choose a smaller --batch");
    require(set_.parts().contains(augment_.parts()), "[loader] ", set_.name(), " has ", to_string(set_.parts()),
            "; the views are made of ", to_string(augment_.parts()));
    require(options_.threads >= 0 && options_.threads <= 1024, "[loader] threads must be 0 to 1024, got ",
            options_.threads);
    slots_.resize(std::max<std::size_t>(1, options_.threads == 0 ? 1 : options_.prefetch));
  }
  ~Loader() { halt(); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::int64_t steps_per_epoch() const {
    const std::size_t N = set_.size(), B = options_.batch;
    return static_cast<std::int64_t>(options_.drop_last ? N / B : (N + B - 1) / B);
  }
  const AnyDataset& dataset() const { return set_; }
  const AnyAugment& augment() const { return augment_; }
  /// How many samples of the set could not be read so far.
  std::size_t unreadable() const { return set_.unreadable(); }

  /// Sets the place of the next batch. Costs nothing where the loader is there already, as at the end of an epoch.
  void start(std::int64_t epoch, std::int64_t step = 0) {
    require(epoch >= 0 && step >= 0 && step <= steps_per_epoch(), "[loader] no step ", step, " in epoch ", epoch,
            " of ", steps_per_epoch(), " steps");
    const std::int64_t position = epoch * steps_per_epoch() + step;
    epoch_end_ = (epoch + 1) * steps_per_epoch();
    if (started_ && position == consumed_) return;
    halt();
    for (Slot& slot : slots_) slot = Slot{};
    consumed_ = making_ = position;
    started_ = true;
    stop_ = false;
    for (int i = 0; i < options_.threads; ++i) crew_.emplace_back([this] { work(); });
  }

  /// The next batch of the epoch, or nothing at its end. Throws what went wrong while it was made.
  std::optional<Batch> next() {
    if (!started_) start(0);
    if (consumed_ >= epoch_end_) return std::nullopt;
    std::unique_lock lock(lock_);
    Slot& slot = slots_[static_cast<std::size_t>(consumed_) % slots_.size()];
    // Lends a hand while the batch that is waited for has samples left.
    while (slot.count == 0 || slot.done < slot.count)
      if (!make_some(lock, consumed_)) ready_.wait(lock);
    if (slot.error) std::rethrow_exception(slot.error);
    Batch batch = std::move(slot.batch);
    slot = Slot{};
    ++consumed_;
    room_.notify_all();
    return batch;
  }

 private:
  struct Slot {
    Batch batch;
    std::shared_ptr<const std::vector<std::uint32_t>> order;
    std::size_t first = 0, count = 0, taken = 0, done = 0;  // samples; count 0: not begun
    std::exception_ptr error;
  };

  static constexpr std::size_t grain = 8;  // samples taken at once

  void work() {
    std::unique_lock lock(lock_);
    while (!stop_)
      if (!make_some(lock, consumed_ + static_cast<std::int64_t>(slots_.size()) - 1)) room_.wait(lock);
  }

  /// Makes the next few samples, of the batches up to `last`; false when all of those are taken.
  bool make_some(std::unique_lock<std::mutex>& lock, std::int64_t last) {
    if (making_ > last) return false;
    Slot& slot = slots_[static_cast<std::size_t>(making_) % slots_.size()];
    std::exception_ptr error;
    if (slot.count == 0) {
      try {
        prepare(slot, making_);
      } catch (...) {
        slot.error = std::current_exception();
        slot.count = slot.taken = slot.done = 1;
        ++making_;
        ready_.notify_all();
        return true;
      }
    }
    const std::size_t begin = slot.taken, end = std::min(begin + grain, slot.count);
    slot.taken = end;
    if (end == slot.count) ++making_;
    lock.unlock();
    const bool outer = std::exchange(detail::inside_parallel(), true);  // no threads within our threads
    try {
      for (std::size_t k = begin; k < end; ++k) make(slot, k);
    } catch (...) {
      error = std::current_exception();
    }
    detail::inside_parallel() = outer;
    lock.lock();
    if (error && !slot.error) slot.error = error;
    slot.done += end - begin;
    if (slot.done == slot.count) ready_.notify_all();
    return true;
  }

  void prepare(Slot& slot, std::int64_t position) {
    slot.batch.epoch = position / steps_per_epoch();
    slot.batch.step = position % steps_per_epoch();
    slot.order = order_of(slot.batch.epoch);
    slot.first = static_cast<std::size_t>(slot.batch.step) * options_.batch;
    const std::size_t count = std::min(options_.batch, set_.size() - slot.first);
    slot.batch.views = detail::room_for(augment_, count);
    slot.count = count;
  }

  void make(Slot& slot, std::size_t k) {
    const std::size_t sample = (*slot.order)[slot.first + k];
    const Rng rng = Rng(options_.seed) / "augment" / static_cast<std::uint64_t>(slot.batch.epoch) / sample;
    for (std::size_t tries = 0; tries < set_.size(); ++tries) {
      const std::size_t chosen = (sample + tries) % set_.size();
      const bool read = detail::read_views(augment_, rng, slot.batch.views, k, [&](const CropPlan& plan) {
        return options_.strict ? std::optional(set_.sample(chosen, augment_.parts(), plan))
                               : set_.sample_or_report(chosen, augment_.parts(), plan);
      });
      if (!read) continue;
      slot.batch.views.sample[k] = static_cast<std::int64_t>(chosen);
      return;
    }
    fail("[loader] ", set_.name(), ": none of the ", set_.size(), " samples can be read");
  }

  std::shared_ptr<const std::vector<std::uint32_t>> order_of(std::int64_t epoch) {
    if (!order_ || order_epoch_ != epoch) {
      const Rng rng = Rng(options_.seed) / "shuffle" / static_cast<std::uint64_t>(epoch);
      std::optional<std::vector<std::uint32_t>> own = options_.shuffle ? set_.epoch_order(rng) : std::nullopt;
      std::vector<std::uint32_t> order(set_.size());
      std::iota(order.begin(), order.end(), 0u);
      if (own)
        order = std::move(*own);
      else if (options_.shuffle)
        Stream(rng).shuffle(order);
      order_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(order));
      order_epoch_ = epoch;
    }
    return order_;
  }

  void halt() {
    {
      const std::lock_guard hold(lock_);
      stop_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : crew_) thread.join();
    crew_.clear();
  }

  AnyDataset set_;
  AnyAugment augment_;
  LoaderOptions options_;

  std::mutex lock_;
  std::condition_variable ready_, room_;  // a batch is complete; a slot is free
  std::vector<Slot> slots_;
  std::int64_t making_ = 0, consumed_ = 0;  // steps since the first epoch
  std::int64_t epoch_end_ = 0;
  bool started_ = false, stop_ = false;
  std::shared_ptr<const std::vector<std::uint32_t>> order_;
  std::int64_t order_epoch_ = -1;
  std::vector<std::thread> crew_;
};

}  // namespace contrastive
