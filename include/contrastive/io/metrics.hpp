// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/event_file.hpp"
#include "contrastive/io/file.hpp"

namespace contrastive {

/// Named numbers of one step, in any order: `{{"loss", 5.31}, {"learning_rate", 0.3}}`.
using Scalars = std::vector<std::pair<std::string, double>>;

/// A `metrics.csv` read back: one vector of rows a column; an absent value is NaN.
struct MetricsTable {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> values;  // values[column][row]

  /// The column of that name, or null.
  const std::vector<double>* find(std::string_view name) const {
    const auto at = std::find(columns.begin(), columns.end(), name);
    return at == columns.end() ? nullptr : &values[static_cast<std::size_t>(at - columns.begin())];
  }
};

namespace detail {

/// The shortest decimal that reads back as the same double.
inline std::string shortest(double value) {
  char digits[40];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// The fields of one line of plain CSV (no quotes: names and numbers need none).
inline std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0;;) {
    const std::size_t comma = line.find(',', at);
    fields.push_back(line.substr(at, comma == std::string_view::npos ? comma : comma - at));
    if (comma == std::string_view::npos) return fields;
    at = comma + 1;
  }
}

/// Calls `f(line)` for each complete line; what follows the last line break (a write cut short) is left out.
template <class F>
void each_line(std::string_view text, F&& f) {
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string_view::npos; at = end + 1)
    f(text.substr(at, end - at));
}

inline bool read_number(std::string_view field, double& value) {
  const auto result = std::from_chars(field.data(), field.data() + field.size(), value);
  return result.ec == std::errc() && result.ptr == field.data() + field.size();
}

}  // namespace detail

/// Reads `metrics.csv`. Throws one sentence with the file's name and line on anything but numbers below a header.
inline MetricsTable load_metrics(const std::string& path) {
  const std::string text = read_text(path);
  MetricsTable table;
  std::int64_t number = 0;
  detail::each_line(text, [&](std::string_view line) {
    const auto fields = detail::split_fields(line);
    if (++number == 1) {
      table.columns.assign(fields.begin(), fields.end());
      table.values.resize(fields.size());
      return;
    }
    require(fields.size() == table.columns.size(), "[metrics] ", path, " line ", number, ": expected ",
            table.columns.size(), " values, got ", fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      double value = std::nan("");
      require(fields[i].empty() || detail::read_number(fields[i], value), "[metrics] ", path, " line ", number, ": \"",
              fields[i].substr(0, 40), "\" is not a number");
      table.values[i].push_back(value);
    }
  });
  require(number > 0, "[metrics] ", path, " has no header");
  return table;
}

/// Whether the `metrics.csv` of a run's folder says a value of `column` at that step.
inline bool has_metric(const std::string& folder, std::int64_t step, std::string_view column) {
  const std::string path = folder + "/metrics.csv";
  if (::access(path.c_str(), F_OK) != 0) return false;
  const MetricsTable table = load_metrics(path);
  const std::vector<double>*steps = table.find("step"), *values = table.find(column);
  for (std::size_t row = 0; steps && values && row < steps->size(); ++row)
    if ((*steps)[row] == static_cast<double>(step) && !std::isnan((*values)[row])) return true;
  return false;
}

/// Writes the numbers of a run as they come: `metrics.csv` and, beside it, a TensorBoard event file. Each row reaches
/// the system at once, so a killed run loses none. Resuming at a checkpoint's step cuts both files back to that step:
/// they end up as if the run had never been disturbed.
class Metrics {
 public:
  /// Columns after `step`. `resume_step` < 0 starts afresh; otherwise rows up to and with that step are kept.
  /// Throws when the folder cannot be written or the existing file has other columns.
  Metrics(const std::string& folder, std::vector<std::string> columns, std::int64_t resume_step = -1)
      : path_(folder + "/metrics.csv"), columns_(std::move(columns)) {
    std::string header = "step";
    for (const std::string& column : columns_) header += "," + column;
    write_file(path_, header + "\n" + kept_rows(header, resume_step));
    file_.reset(std::fopen(path_.c_str(), "ab"));
    require(file_ != nullptr, "[metrics] ", path_, ": ", std::strerror(errno));
    events_ = std::make_unique<EventFile>(folder, resume_step);
  }

  /// Adds a row. Columns without a value stay empty; a name that is no column is an error. Non-finite values are
  /// written as `nan` or `inf`.
  void log(std::int64_t step, const Scalars& scalars) {
    for (const auto& [name, value] : scalars)
      require(std::find(columns_.begin(), columns_.end(), name) != columns_.end(), "[metrics] no column \"", name,
              "\"");
    std::string row = std::to_string(step);
    for (const std::string& column : columns_) {
      row += ',';
      for (const auto& [name, value] : scalars)
        if (name == column) row += detail::shortest(value);
    }
    row += '\n';
    const bool good =
        std::fwrite(row.data(), 1, row.size(), file_.get()) == row.size() && std::fflush(file_.get()) == 0;
    require(good, "[metrics] ", path_, " could not be written: ", std::strerror(errno));
    events_->add(step, scalars);
  }

  /// Waits until all rows are on the disk: call it before a checkpoint that counts on them.
  void sync() {
    ::fsync(::fileno(file_.get()));
    events_->sync();
  }

 private:
  std::string kept_rows(const std::string& header, std::int64_t resume_step) const {
    if (resume_step < 0 || ::access(path_.c_str(), F_OK) != 0) return {};
    std::string kept;
    bool first = true;
    const std::string text = read_text(path_);
    detail::each_line(text, [&](std::string_view line) {
      if (first) require(line == header, "[metrics] ", path_, " has other columns than this run: ", line);
      double step = 0;
      if (!first && detail::read_number(line.substr(0, line.find(',')), step) &&
          step <= static_cast<double>(resume_step))
        kept.append(line) += '\n';
      first = false;
    });
    return kept;
  }

  std::string path_;
  std::vector<std::string> columns_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
  std::unique_ptr<EventFile> events_;
};

}  // namespace contrastive
