// SPDX-License-Identifier: MIT
#include "contrastive/io/metrics.hpp"

#include <cmath>

#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {
void log(Metrics& metrics, int from, int to) {
  for (int step = from; step <= to; ++step) {
    Scalars row{{"loss", 5.0 / step}};
    if (step % 5 == 0) row.push_back({"knn", step / 100.0});
    metrics.log(step, row);
  }
}

// Steps and simple values of an event file, read by hand.
std::vector<std::int64_t> event_steps(const std::string& file) {
  std::vector<std::int64_t> steps;
  for (std::size_t at = 0; at + 16 <= file.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data() + at, 8);
    steps.push_back(detail::event_step(std::string_view(file).substr(at + 12, length)));
    at += 16 + length;
  }
  return steps;
}
}  // namespace

TEST_CASE("metrics resumed at a checkpoint equal undisturbed ones", "[train]") {
  const Scratch straight, broken;
  {
    Metrics metrics(straight.str(), {"loss", "knn"});
    log(metrics, 1, 20);
  }
  {
    Metrics metrics(broken.str(), {"loss", "knn"});
    log(metrics, 1, 17);
  }
  // A row and an event cut short by the crash.
  write_file(broken / "metrics.csv", read_text(broken / "metrics.csv") + "18,0.2");
  const std::string events = read_text(broken / "events.out.tfevents.contrastive");
  write_file(broken / "events.out.tfevents.contrastive", events + events.substr(0, 20));
  {
    Metrics metrics(broken.str(), {"loss", "knn"}, 12);
    log(metrics, 13, 20);
    metrics.sync();
  }
  CHECK(read_text(broken / "metrics.csv") == read_text(straight / "metrics.csv"));
  const auto steps = event_steps(read_text(broken / "events.out.tfevents.contrastive"));
  CHECK(steps == event_steps(read_text(straight / "events.out.tfevents.contrastive")));
  REQUIRE(steps.size() == 21);
  CHECK(steps.back() == 20);

  const MetricsTable table = load_metrics(straight / "metrics.csv");
  CHECK(table.columns == std::vector<std::string>{"step", "loss", "knn"});
  CHECK((*table.find("loss"))[9] == 0.5);
  CHECK(std::isnan((*table.find("knn"))[0]));
  CHECK((*table.find("knn"))[4] == 0.05);

  CHECK_THROWS_WITH(Metrics(broken.str(), {"loss"}, 12), Contains("other columns"));
  Metrics afresh(broken.str(), {"loss"});
  CHECK(read_text(broken / "metrics.csv") == "step,loss\n");
  CHECK_THROWS_WITH(afresh.log(1, {{"acc", 1}}), Contains("no column \"acc\""));
  CHECK_THROWS_WITH(Metrics(broken / "none", {"loss"}), Contains("none/metrics.csv"));
}

TEST_CASE("event records carry TFRecord's check sums", "[train]") {
  // CRC-32C of "123456789" is e3069283; masked: rotate right by 15, add a282ead8.
  const std::uint32_t crc = 0xe3069283u;
  CHECK(detail::masked_crc32c("123456789") == ((crc >> 15 | crc << 17) + 0xa282ead8u));
  const std::string first = detail::record("first"), both = first + detail::record("second");
  CHECK(detail::kept_records(both, 100) == both);
  for (std::size_t size = first.size(); size < both.size(); ++size)
    CHECK(detail::kept_records(both.substr(0, size), 100) == first);
  std::string flipped = both;
  flipped[first.size() + 13] ^= 1;
  CHECK(detail::kept_records(flipped, 100) == first);
}
