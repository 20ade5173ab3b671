// SPDX-License-Identifier: MIT

// What memory banks and queues keep.

#include <cstring>

#include "contrastive/eval/bank_knn.hpp"
#include "contrastive/objectives/state/queue.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("of a picture twice in a batch the last one moves its row, from where the row was") {
  const std::int64_t D = 8;
  const std::vector<std::int64_t> twice{2, 1, 2}, once{2, 1};
  const Tensor f = normalize(init::normal({3, D}, 1, Rng(1)));
  for (const DType dtype : {DType::f32, DType::f64}) {
    MemoryBank bank(4, D, Rng(2));
    bank.rows = Buffer(bank.rows.to(dtype));
    MemoryBank last = clone(bank), first = clone(bank);
    const Tensor still = bank.rows.slice(3, 4).clone();
    bank.update(twice, f);
    last.update(once, concat({f.slice(2, 3), f.slice(1, 2)}));
    first.update(once, f.slice(0, 2));
    const auto same = [](const Tensor& a, const Tensor& b) {
      const auto bytes = static_cast<std::size_t>(a.count()) * size_of(a.dtype());
      return std::memcmp(a.view().data, b.view().data, bytes) == 0;
    };
    CHECK(same(bank.rows, last.rows));
    CHECK_FALSE(same(bank.rows, first.rows));
    CHECK(same(bank.rows.slice(3, 4), still));
    CHECK_THROWS_WITH(bank.update(std::vector<std::int64_t>{0, 4, 1}, f), Contains("picture 4 is outside 4 rows"));
    CHECK(same(bank.rows, last.rows));  // and none has moved
  }
}

TEST_CASE("kNN on the bank takes its rows for training features and leaves them alone") {
  MemoryBank bank(30, 6, Rng(1));
  std::vector<std::int64_t> labels(30), pictures(30);
  Tensor f({30, 6}), test({3, 6});
  for (std::int64_t i = 0; i < 30; ++i) {
    labels[i] = i % 3;
    pictures[i] = i;
    for (std::int64_t d = 0; d < 6; ++d) f.data<float>()[i * 6 + d] = d == i % 3 ? 1 : 0.1f;
  }
  for (std::int64_t i = 0; i < 18; ++i) test.data<float>()[i] = i / 6 == i % 6 ? 1 : 0;
  const std::vector<std::int64_t> test_labels{0, 1, 2};
  bank.update(pictures, normalize(f), 0.1);
  const Tensor before = bank.rows.clone();
  const KnnResult result = bank_knn(bank, labels, test, test_labels, {.k = 10});
  CHECK(result.top1 == 1);
  CHECK(std::memcmp(before.data<float>(), bank.rows.data<float>(), 180 * sizeof(float)) == 0);
  labels.pop_back();
  CHECK_THROWS_WITH(bank_knn(bank, labels, test, test_labels), Contains("29 labels for a bank of 30 rows"));
}

TEST_CASE("a queue wraps where batches end and refuses what does not divide it") {
  Queue queue(6, 2, Rng(0));
  for (int i = 0; i < 4; ++i) queue.enqueue(Tensor::full({2, 2}, i));
  CHECK(queue.pointer.item() == 2);
  CHECK(queue.keys.data<float>()[0] == 3);
  CHECK(queue.keys.data<float>()[4] == 1);
  CHECK_THROWS_WITH(queue.enqueue(Tensor::full({4, 2}, 0)), Contains("4 does not divide 6"));
  // As a damaged checkpoint would leave it.
  queue.pointer.copy_from(Tensor::full({}, -3, DType::i64));
  CHECK_THROWS_WITH(queue.enqueue(Tensor::full({2, 2}, 0)), Contains("2 keys do not fit at row -3 of 6"));
}
