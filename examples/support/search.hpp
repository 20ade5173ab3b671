// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/search/background.hpp"
#include "contrastive/search/near_duplicates.hpp"
#include "contrastive/search/query.hpp"
#include "contrastive/search/update_index.hpp"
#include "support/search_graph.hpp"
#include "support/trained.hpp"

/// What the commands of `image_search` share: a folder, its index, a model, and queries to them.
namespace app {

struct SearchOptions {
  std::string folder, weights, index, under, since, sheet, classes, templates = "simple";
  std::vector<std::string> exclude, query;
  WeightFlags flags;
  std::int64_t threads = 0, batch = 32, count = 10, port = 8080;
  double save_seconds = 60, threshold = 0.95;
  bool paths = false, zero = false, json = false, all = false, no_update = false, int8 = false, approximate = false;
};

/// Where the index of a folder is.
std::string index_path(const SearchOptions& options);

/// The model of --weights, of the environment variable CONTRASTIVE_MODEL, or that of the index itself.
NamedModel load_search_model(const SearchOptions& options);

/// The encoder of --weights, or that of the index itself, of images alone.
NamedModel load_duplicates_model(const SearchOptions& options);

/// Brings the index up to date, with a bar; the exit status where it was stopped, else 0.
int update_index(const SearchOptions& options, const NamedModel& model);

/// A folder that can be searched.
class SearchSession {
 public:
  /// Opens the index; throws where it holds nothing of the model.
  SearchSession(const SearchOptions& options, NamedModel model);

  const IndexFile& index() const { return index_; }
  const IndexedModel& rows() const { return *rows_; }
  const NamedModel& model() const { return model_; }
  std::string full_path(std::int64_t row) const;
  /// Which images count: those that are encoded, in --under and --since.
  const std::vector<std::uint8_t>& allowed() const { return allowed_; }
  std::size_t searched() const { return searched_; }

  /// The best rows for a unit query: exactly, or with --approximate by the graph, which is of all images: in --under or
  /// --since exactly too.
  std::vector<Hit> best(std::span<const float> query, std::size_t count) const;

  /// Encodes the words and images of a query.
  QueryVector encode(const std::vector<QueryTerm>& terms) const;
  /// An image of the index as a part of a query.
  QueryVector::Part part_of(std::int64_t row, double weight) const;

 private:
  void restrict_to(const SearchOptions& options);

  std::string folder_;
  NamedModel model_;
  IndexFile index_;
  const IndexedModel* rows_ = nullptr;
  std::vector<std::uint8_t> allowed_;
  std::size_t searched_ = 0;
  std::shared_ptr<const SearchGraph> graph_;  // with --approximate
};

/// What a query found.
struct SearchAnswer {
  std::vector<FoldedHit> hits;
  Background background;
  bool matches = false;  // whether the best is more than chance

  /// "clear match", "likely match" or "may be chance".
  const char* words(const Hit& hit) const;
  std::string share(const Hit& hit) const { return words_of_share(background.share_at_least(hit.score)); }
};

/// The best `count` rows, with near-duplicates folded unless `all`.
SearchAnswer search(const SearchSession& session, const QueryVector& query, std::size_t count, bool all);

/// Writes an answer to stdout as the options ask, and the sheet of pictures.
void print_answer(const SearchSession& session, const SearchAnswer& answer, const SearchOptions& options);
/// A path in JSON: as text, and as base64 where its bytes are not UTF-8.
void add_path(Json& line, const std::string& path);
/// Writes the pictures of some rows in one PNG file, line by line. One that has gone since leaves its place grey.
void write_sheet(const SearchSession& session, const std::vector<std::vector<std::int64_t>>& lines,
                 const std::string& path);
/// Names for all images, to stdout.
void print_labels(const SearchSession& session, const SearchOptions& options);

/// The images that show the same picture, a group after another, to stdout.
void print_duplicates(const SearchSession& session, const SearchOptions& options);

/// `image_search train`: trains clip with defaults of its own on pictures with titles. The exit status.
int train_for_search(int argc, char** argv);

/// Serves the page on the loopback address until SIGINT or SIGTERM.
int serve(const SearchSession& session, const SearchOptions& options);

}  // namespace app
