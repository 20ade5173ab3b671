// SPDX-License-Identifier: MIT
#include "support/search.hpp"

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "contrastive/search/printable.hpp"
#include "contrastive/text/shared_file.hpp"
#include "contrastive/train/stop_signals.hpp"
#include "support/search_progress.hpp"

namespace app {

namespace fs = std::filesystem;

namespace {

/// The files that decide what weights make of an image, in a fixed order.
std::vector<std::string> files_of_weights(const std::string& where) {
  if (is_run(where)) return {fs::is_directory(where) ? newest_checkpoint(where) : where};
  if (!fs::is_directory(where)) return {where};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(where)) {
    const std::string suffix = entry.path().extension().string();
    if (entry.is_regular_file() && (suffix == ".safetensors" || suffix == ".json" || suffix == ".txt"))
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

ContentHash hash_of_weights(const std::string& where, WeightFlags flags, const std::string& preparation) {
  std::string facts = preparation + ", transparent on white";  // as decode_to_search has it
  SettingList list;
  flags.settings(list);
  for (const Setting& one : list)
    std::visit([&](const auto* field) { facts += join("\n", one.name, "=", *field); }, one.field);
  for (const std::string& file : files_of_weights(where)) {
    const contrastive::detail::MappedFile mapped(file);
    facts += '\n' + to_string(content_hash(mapped.bytes()));
  }
  return content_hash(std::as_bytes(std::span(facts)));
}

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string default_model(const SearchOptions& options) {
  if (!options.weights.empty()) return options.weights;
  if (const char* named = std::getenv("CONTRASTIVE_MODEL"); named && *named) return named;
  const std::string path = index_path(options);
  if (is_there(path))
    if (const IndexFile index = IndexFile::open(path); !index.models().empty()) return index.models().back().source;
  fail("[settings] which model? --weights RUN or FILE, or the environment variable CONTRASTIVE_MODEL");
}

/// Nanoseconds since 1970 of the beginning of a year, month or day here: 2024, 2024-05 or 2024-05-31.
std::int64_t time_of(const std::string& date) {
  std::tm day{};
  day.tm_mday = 1;
  day.tm_isdst = -1;
  int year = 0, month = 1, used = 0;
  const int fields = std::sscanf(date.c_str(), "%4d%n-%2d%n-%2d%n", &year, &used, &month, &used, &day.tm_mday, &used);
  day.tm_year = year - 1900;
  day.tm_mon = month - 1;
  std::tm same = day;
  const std::time_t seconds = std::mktime(&same);
  require(fields >= 1 && static_cast<std::size_t>(used) == date.size() && date[0] != '-' && year >= 1970 &&
              same.tm_mon == day.tm_mon && same.tm_mday == day.tm_mday && seconds != -1,
          "[settings] --since takes a date such as 2024, 2024-05 or 2024-05-31, got ", date);
  return static_cast<std::int64_t>(seconds) * 1000000000;
}

/// --under as the beginning of paths in the index: "" or with a slash at its end.
std::string prefix_of(const SearchOptions& options) {
  if (options.under.empty()) return {};
  std::string under = options.under;
  if (under[0] == '/') under = fs::path(under).lexically_proximate(fs::absolute(options.folder)).string();
  under = fs::path(under).lexically_normal().string();
  while (!under.empty() && under.back() == '/') under.pop_back();
  require(!under.starts_with(".."), "[settings] --under is a folder in ", options.folder, ", got ", options.under);
  return under == "." ? "" : under + "/";
}

}  // namespace

std::string index_path(const SearchOptions& options) {
  return options.index.empty() ? options.folder + "/.image_search.index" : options.index;
}

NamedModel load_search_model(const SearchOptions& options) {
  const std::string where = default_model(options);
  require(is_there(where), "[settings] ", where, ": no such run or weights (--weights)");
  ImageTextModel model =
      is_run(where) ? image_text_of(load_trained(where)) : image_text_of_weights(where, options.flags);
  const ContentHash hash = hash_of_weights(where, options.flags, model.preparation);
  return {std::move(model), hash, fs::absolute(where).lexically_normal().string()};
}

NamedModel load_duplicates_model(const SearchOptions& options) {
  std::string where = options.weights;
  if (where.empty() && is_there(options.index))
    if (const IndexFile index = IndexFile::open(options.index); !index.models().empty())
      where = index.models().back().source;
  require(!where.empty(),
          "[settings] which encoder? --weights RUN of simclr, dino or another method that learns from images");
  require(is_there(where), "[settings] ", where, ": no such run or weights (--weights)");
  const Locked locked = load_locked_image(where);
  ImageTextModel model{locked.view, locked.preparation};
  model.image_rows = [encode = locked.encoder.encode](const Tensor& images) { return normalize(encode(images)); };
  const ContentHash hash = hash_of_weights(where, options.flags, model.preparation + ", features");
  return {std::move(model), hash, fs::absolute(where).lexically_normal().string()};
}

int update_index(const SearchOptions& options, const NamedModel& model) {
  StopSignals stop;
  IndexProgress bar;
  UpdateOptions update;
  update.exclude = options.exclude;
  update.batch = static_cast<std::size_t>(options.batch);
  update.save_seconds = options.save_seconds;
  update.int8 = options.int8;
  UpdateWatch watch;
  watch.progress = [&](std::size_t done, std::size_t all) { bar.show(done, all); };
  watch.complain = [&](const std::string& complaint) { bar.say(printable(complaint)); };
  watch.stop = [&] { return stop.arrived() != 0; };
  IndexUpdate job(options.folder, index_path(options), model, update, watch);
  std::vector<std::string> neutral;
  if (model.model.text_rows) neutral = load_class_names(shared_file("neutral_captions.txt"));
  const UpdateResult result = job.run(neutral);
  bar.finish();
  if (result.stopped) {
    std::fprintf(stderr, "stopped by %s; what is done is saved, the next run goes on\n", signal_name(stop.arrived()));
    return 128 + stop.arrived();
  }
  if (result.written)
    std::fprintf(stderr, "%s: %zu images, %zu new, %zu known by another name, %zu gone\n",
                 printable(options.folder).c_str(), result.images, result.encoded, result.moved, result.removed);
  if (result.unreadable > 0)
    std::fprintf(stderr, "%zu %s left out that cannot be read\n", result.unreadable,
                 result.unreadable == 1 ? "image is" : "images are");
  return 0;
}

SearchSession::SearchSession(const SearchOptions& options, NamedModel model)
    : folder_(options.folder), model_(std::move(model)), index_(IndexFile::open(index_path(options))) {
  rows_ = index_.find(model_.hash);
  require(rows_ != nullptr, "[index] ", index_path(options), " has no rows of ", model_.source,
          ": leave out --no-update once");
  restrict_to(options);
  if (!options.approximate || searched_ < rows_->count(RowState::present)) return;
  const std::string file = join(index_path(options), ".", to_string(model_.hash).substr(0, 8), ".graph");
  graph_ = SearchGraph::open(file, index_, *rows_, [](const std::string& sentence) {
    std::fprintf(stderr, "%s\n", printable(sentence).c_str());
  });
}

std::vector<Hit> SearchSession::best(std::span<const float> query, std::size_t count) const {
  return graph_ ? graph_->search(query, count) : search_rows(rows_->table, query, count, allowed_);
}

void SearchSession::restrict_to(const SearchOptions& options) {
  const std::string under = prefix_of(options);
  const std::int64_t since = options.since.empty() ? INT64_MIN : time_of(options.since);
  allowed_.resize(index_.size());
  std::size_t readable = 0;
  for (std::size_t i = 0; i < index_.size(); ++i) {
    const bool there = rows_->state(i) == RowState::present;
    readable += there;
    allowed_[i] = there && index_.facts(i).modified >= since && index_.path(i).starts_with(under);
    searched_ += allowed_[i];
  }
  require(readable > 0, "[folder] ", options.folder, " holds no image that can be read (",
          contrastive::detail::searched_files().known(), ")");
  require(searched_ > 0, "[folder] none of the ", readable, " images of ", options.folder, " is",
          options.under.empty() ? "" : join(" under ", options.under),
          options.since.empty() ? "" : join(options.under.empty() ? "" : " and", " from ", options.since, " or later"));
}

std::string SearchSession::full_path(std::int64_t row) const {
  return (fs::path(folder_) / index_.path(static_cast<std::size_t>(row))).string();
}

QueryVector SearchSession::encode(const std::vector<QueryTerm>& terms) const {
  std::vector<std::string> texts, images;
  for (const QueryTerm& term : terms) (term.kind == QueryTerm::Kind::words ? texts : images).push_back(term.text);
  const Tensor text_rows = texts.empty() ? Tensor() : encode_texts(model_.model, texts);
  const Tensor image_rows = images.empty() ? Tensor() : encode_image_files(model_.model, images);
  QueryVector query;
  std::int64_t next_text = 0, next_image = 0;
  for (const QueryTerm& term : terms) {
    const bool is_text = term.kind == QueryTerm::Kind::words;
    const Tensor& rows = is_text ? text_rows : image_rows;
    const float* const row = rows.data<float>() + (is_text ? next_text : next_image)++ * rows.size(1);
    query.parts.push_back({std::vector<float>(row, row + rows.size(1)), term.weight, is_text});
  }
  return query;
}

QueryVector::Part SearchSession::part_of(std::int64_t row, double weight) const {
  const f16* const from = rows_->table.row(row);
  return {std::vector<float>(from, from + rows_->table.dimension), weight, false};
}

const char* SearchAnswer::words(const Hit& hit) const {
  const double chance = background.chance_of_best(hit.score);
  return chance < 0.01 ? "clear match" : chance < match_chance ? "likely match" : "may be chance";
}

SearchAnswer search(const SearchSession& session, const QueryVector& query, std::size_t count, bool all) {
  const RowTable& table = session.rows().table;
  const std::vector<float> direction = query.direction();
  SearchAnswer answer{{}, Background(query, session.rows().neutral, table, session.allowed()), false};
  // Duplicates fold away, so that more have to be looked at than are shown.
  for (std::size_t looked_at = count; answer.hits.size() < count; looked_at *= 4) {
    const std::vector<Hit> hits = session.best(direction, looked_at);
    if (all) {
      for (const Hit& hit : hits) answer.hits.push_back({hit, {}});
    } else {
      answer.hits = fold_duplicates(session.index(), table, hits, count);
    }
    if (hits.size() < looked_at) break;
  }
  answer.matches = !answer.hits.empty() && answer.background.defined() &&
                   answer.background.chance_of_best(answer.hits[0].hit.score) < match_chance;
  return answer;
}

}  // namespace app
