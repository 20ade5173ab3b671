// SPDX-License-Identifier: MIT
#include "support/search_graph.hpp"

#ifdef CONTRASTIVE_WITH_HNSWLIB
#include <hnswlib/hnswlib.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/search/index_writer.hpp"
#endif

namespace app {

using namespace contrastive;

#ifndef CONTRASTIVE_WITH_HNSWLIB

std::shared_ptr<const SearchGraph> SearchGraph::open(const std::string&, const IndexFile&, const IndexedModel&,
                                                     const std::function<void(const std::string&)>&) {
  fail(
      "[settings] this program was built without hnswlib, which --approximate needs (Debian and Ubuntu: "
      "libhnswlib-dev)");
}

#else

namespace {

constexpr std::size_t neighbours = 16, looked_at_to_build = 200, least_looked_at = 64, most_looked_at = 4096;
constexpr std::int64_t nearest = 10, sampled = 200;
constexpr double wanted_recall = 0.95;
constexpr char magic[8] = {'c', 't', 'r', 'g', 'r', 'a', 'p', 'h'};
constexpr std::uint32_t version = 1;

/// What the file begins with; little-endian. Behind it, of each image: its content's hash, its row in the index, its level,
/// and its links on each level, as hnswlib has them.
struct Header {
  char magic[8];
  std::uint32_t version, neighbours;
  ContentHash model, rows;  // of the weights; of which image is in which row
  ContentHash content;      // of what follows
  std::uint64_t count, bytes;
  std::uint32_t entry, looked_at;
  std::int32_t top_level;
  std::uint32_t unused;
};
static_assert(sizeof(Header) == 96);

/// Cosines of rows in f16, which are given by their addresses.
class RowSpace final : public hnswlib::SpaceInterface<float> {
 public:
  explicit RowSpace(std::int64_t width) : width_(width) {}
  std::size_t get_data_size() override { return sizeof(const f16*); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return distance; }
  void* get_dist_func_param() override { return &width_; }

 private:
  static float distance(const void* a, const void* b, const void* width) {
    float dot = 0;
    simd::dispatch<contrastive::detail::HalvesDot>(address(a), address(b), &dot,
                                                   *static_cast<const std::int64_t*>(width));
    return 1 - dot;
  }
  static const f16* address(const void* data) {
    const f16* row = nullptr;
    std::memcpy(&row, data, sizeof row);
    return row;
  }

  std::int64_t width_;
};

class HnswGraph final : public SearchGraph {
 public:
  HnswGraph(const IndexFile& index, const IndexedModel& model)
      : index_(index), model_(model), space_(model.table.width()) {
    for (std::size_t i = 0; i < index.size(); ++i)
      if (model.state(i) == RowState::present) present_.push_back(i);
    std::string facts;
    for (const std::size_t i : present_) {
      const ContentHash hash = index.facts(i).hash;
      facts.append(reinterpret_cast<const char*>(&i), sizeof i)
          .append(reinterpret_cast<const char*>(&hash), sizeof hash);
    }
    rows_ = content_hash(std::as_bytes(std::span(facts)));
  }

  std::vector<Hit> search(std::span<const float> query, std::size_t k) const override {
    const std::vector<float> padded = contrastive::detail::padded_query(model_.table, query);
    const std::vector<f16> halves(padded.begin(), padded.end());
    std::vector<Hit> hits = found(halves.data(), std::min(k, present_.size()));
    return contrastive::detail::exact_best(model_.table, padded.data(), std::move(hits), k);
  }

  /// Reads the file; empty, or why it cannot be used. Where it is of other rows, `is_of_these_rows()` is false.
  std::string read(const std::string& path);
  bool is_of_these_rows() const { return of_these_rows_; }
  /// Adds the rows that are not in it; all of them to an empty graph.
  void add_rows();
  /// Looks at more of the graph until enough is found; says how much it is.
  std::string measure();
  void write(const std::string& path) const;

 private:
  std::vector<Hit> found(const f16* query, std::size_t k) const {
    auto nearest_first = graph_->searchKnn(&query, k);
    std::vector<Hit> hits;
    for (; !nearest_first.empty(); nearest_first.pop())
      hits.push_back({1 - nearest_first.top().first, static_cast<std::int64_t>(nearest_first.top().second)});
    return hits;
  }
  void make_room(std::size_t count) {
    graph_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space_, std::max<std::size_t>(count, 1), neighbours,
                                                               looked_at_to_build);
  }
  double recall_of(const RowTable& table, const std::vector<std::int64_t>& chosen) const;
  std::string take(std::span<const std::byte> bytes, const Header& header);

  const IndexFile& index_;
  const IndexedModel& model_;
  RowSpace space_;
  std::vector<std::size_t> present_;
  ContentHash rows_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph_;
  std::size_t looked_at_ = least_looked_at;
  bool of_these_rows_ = false;
};

std::string HnswGraph::read(const std::string& path) {
  const contrastive::detail::MappedFile mapped(path);
  const std::span<const std::byte> file = mapped.bytes();
  Header header;
  if (file.size() < sizeof header) return "it is too short";
  std::memcpy(&header, file.data(), sizeof header);
  const std::span<const std::byte> rest = file.subspan(sizeof header);
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) return "it is no graph";
  if (header.version != version || header.neighbours != neighbours) return "it is of another version";
  if (header.bytes != rest.size() || header.content != content_hash(rest)) return "it is damaged";
  if (header.model != model_.model) return "it is of another model";
  return take(rest, header);
}

/// The images of the file are found in the index by their content, because their rows are others when some have come.
std::string HnswGraph::take(std::span<const std::byte> bytes, const Header& header) {
  of_these_rows_ = header.rows == rows_;
  std::unordered_multimap<ContentHash, std::size_t> row_of;
  if (!of_these_rows_)
    for (const std::size_t i : present_) row_of.emplace(index_.facts(i).hash, i);
  make_room(present_.size());
  if (header.count > present_.size()) return "it holds images that are gone";
  std::size_t at = 0;
  const auto get = [&](void* to, std::size_t size) {
    require(size <= bytes.size() - at, "[graph] the file ends early");
    std::memcpy(to, bytes.data() + at, size);
    at += size;
  };
  for (std::size_t n = 0; n < header.count; ++n) {
    ContentHash hash;
    std::uint64_t row = 0;
    std::int32_t level = 0;
    get(&hash, sizeof hash), get(&row, sizeof row), get(&level, sizeof level);
    if (!of_these_rows_) {
      const auto here = row_of.find(hash);
      if (here == row_of.end()) return "it holds images that are gone";
      row = here->second;
      row_of.erase(here);
    }
    const auto id = static_cast<hnswlib::tableint>(n);
    const f16* const address = model_.table.row(static_cast<std::int64_t>(row));
    get(graph_->get_linklist0(id), graph_->size_links_level0_);
    std::memcpy(graph_->getDataByInternalId(id), &address, sizeof address);
    graph_->setExternalLabel(id, row);
    graph_->label_lookup_[row] = id;
    const std::size_t above = static_cast<std::size_t>(level) * graph_->size_links_per_element_;
    if (level > 0) {
      graph_->linkLists_[n] = static_cast<char*>(std::malloc(above + 1));
      require(graph_->linkLists_[n] != nullptr, "[graph] not enough memory");
      graph_->element_levels_[n] = level;
      graph_->cur_element_count = n + 1;  // which the graph frees
      get(graph_->linkLists_[n], above);
    }
    graph_->cur_element_count = n + 1;
  }
  graph_->maxlevel_ = header.top_level;
  graph_->enterpoint_node_ = header.entry;
  looked_at_ = header.looked_at;
  graph_->setEf(looked_at_);
  return "";
}

void HnswGraph::add_rows() {
  if (!graph_) make_room(present_.size());
  for (const std::size_t i : present_) {
    if (graph_->label_lookup_.contains(i)) continue;
    const f16* const address = model_.table.row(static_cast<std::int64_t>(i));
    graph_->addPoint(&address, i);
  }
}

/// The share of the exact nearest rows of some rows of a table that are found.
double HnswGraph::recall_of(const RowTable& table, const std::vector<std::int64_t>& chosen) const {
  std::vector<std::uint8_t> allowed(index_.size(), 0);
  for (const std::size_t i : present_) allowed[i] = 1;
  const auto k = std::min<std::size_t>(nearest, present_.size());
  std::size_t same = 0;
  for (const std::int64_t n : chosen) {
    std::vector<float> query(table.row(n), table.row(n) + table.dimension);
    const std::vector<Hit> exact = search_rows(model_.table, query, k, allowed), near = search(query, k);
    for (const Hit& hit : exact)
      same += std::any_of(near.begin(), near.end(), [&](const Hit& other) { return other.row == hit.row; });
  }
  return chosen.empty() ? 1 : static_cast<double>(same) / static_cast<double>(k * chosen.size());
}

std::string HnswGraph::measure() {
  std::vector<std::int64_t> images, texts;
  for (std::int64_t n = 0; n < sampled; ++n) {
    const auto at = static_cast<std::size_t>(n) * present_.size() / sampled;
    if (images.empty() || images.back() != static_cast<std::int64_t>(present_[at]))
      images.push_back(static_cast<std::int64_t>(present_[at]));
  }
  for (std::int64_t n = 0; n < std::min(sampled, model_.neutral.count); ++n) texts.push_back(n);
  double of_images = 0, of_texts = 0;
  for (looked_at_ = least_looked_at;; looked_at_ *= 2) {
    graph_->setEf(looked_at_);
    of_images = recall_of(model_.table, images);
    of_texts = recall_of(model_.neutral, texts);
    if (std::min(of_images, of_texts) >= wanted_recall || looked_at_ >= most_looked_at) break;
  }
  char text[200];
  std::snprintf(
      text, sizeof text,
      "it finds %.1f %% of the %lld nearest for %zu images of the folder and %.1f %% for %zu neutral captions",
      100 * of_images, static_cast<long long>(nearest), images.size(), 100 * of_texts, texts.size());
  return text;
}

void HnswGraph::write(const std::string& path) const {
  std::string rest;
  const auto put = [&](const void* from, std::size_t size) { rest.append(static_cast<const char*>(from), size); };
  for (std::size_t n = 0; n < graph_->cur_element_count; ++n) {
    const auto id = static_cast<hnswlib::tableint>(n);
    const std::uint64_t row = graph_->getExternalLabel(id);
    const ContentHash hash = index_.facts(row).hash;
    const std::int32_t level = graph_->element_levels_[n];
    put(&hash, sizeof hash), put(&row, sizeof row), put(&level, sizeof level);
    put(graph_->get_linklist0(id), graph_->size_links_level0_);
    if (level > 0) put(graph_->linkLists_[n], static_cast<std::size_t>(level) * graph_->size_links_per_element_);
  }
  Header header{};
  std::memcpy(header.magic, magic, sizeof magic);
  header.version = version, header.neighbours = neighbours;
  header.model = model_.model, header.rows = rows_;
  header.content = content_hash(std::as_bytes(std::span(rest)));
  header.count = graph_->cur_element_count, header.bytes = rest.size();
  header.entry = graph_->enterpoint_node_, header.looked_at = static_cast<std::uint32_t>(looked_at_);
  header.top_level = graph_->maxlevel_;
  AtomicFile file(path);
  file.write(&header, sizeof header);
  file.write(rest);
  file.commit();
}

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

}  // namespace

std::shared_ptr<const SearchGraph> SearchGraph::open(const std::string& path, const IndexFile& index,
                                                     const IndexedModel& model,
                                                     const std::function<void(const std::string&)>& say) {
  auto graph = std::make_shared<HnswGraph>(index, model);
  std::string why = "there is none yet";
  if (is_file(path)) {
    try {
      why = graph->read(path);
    } catch (const Error& error) {
      why = error.what();
    }
    if (why.empty() && graph->is_of_these_rows()) return graph;
    if (!why.empty()) graph = std::make_shared<HnswGraph>(index, model);
  }
  say(why.empty() ? join(path, ": the graph is extended by new images")
                  : join(path, ": the graph is built, because ", why));
  graph->add_rows();
  const std::string measured = graph->measure();
  graph->write(path);
  say(join(path, ": ", measured));
  return graph;
}

#endif

}  // namespace app
