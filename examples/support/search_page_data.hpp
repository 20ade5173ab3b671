// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/json.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/search/page_request.hpp"
#include "contrastive/search/printable.hpp"
#include "support/search.hpp"

namespace app {

inline constexpr int thumbnail_side = 360;
inline constexpr std::size_t most_kept_bytes = std::size_t{96} << 20, most_kept_answers = 16;
inline constexpr std::uint64_t most_image_bytes = std::uint64_t{1} << 28;

/// The latest values by key, as far as `room` reaches.
template <class Key, class Value>
class Recent {
 public:
  explicit Recent(std::size_t room) : room_(room) {}

  const Value* find(const Key& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  const Value& keep(const Key& key, Value value, std::size_t size) {
    const auto [place, is_new] = values_.insert_or_assign(key, std::move(value));
    if (is_new) order_.push_back({key, size}), used_ += size;
    while (used_ > room_ && order_.size() > 1) {
      used_ -= order_.front().second;
      values_.erase(order_.front().first);
      order_.pop_front();
    }
    return place->second;
  }

 private:
  std::size_t room_, used_ = 0;
  std::map<Key, Value> values_;
  std::deque<std::pair<Key, std::size_t>> order_;
};

inline const char* type_of(std::string_view file) {
  if (file.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (file.starts_with("\x89PNG")) return "image/png";
  if (file.starts_with("GIF8")) return "image/gif";
  if (file.starts_with("RIFF")) return "image/webp";
  if (file.starts_with("BM")) return "image/bmp";
  return nullptr;
}

/// What the page asks for; from any thread.
class PageData {
 public:
  explicit PageData(const SearchSession& session)
      : session_(session), images_(static_cast<std::int64_t>(session.index().size())) {
    for (std::int64_t n = 0; n < images_; ++n)
      if (session.allowed()[static_cast<std::size_t>(n)]) newest_.push_back(n);
    std::stable_sort(newest_.begin(), newest_.end(), [&](std::int64_t a, std::int64_t b) {
      return session.index().facts(static_cast<std::size_t>(a)).modified >
             session.index().facts(static_cast<std::size_t>(b)).modified;
    });
  }

  /// The JSON of a search.
  std::string found(const std::string& target) {
    const PageRequest request = parse_page_request(target, images_);
    for (const auto* marked : {&request.like, &request.unlike})
      for (const std::int64_t n : *marked)
        require(session_.allowed()[static_cast<std::size_t>(n)] != 0, "[page] image ", n, " is not there");
    const std::lock_guard hold(model_lock_);  // its threads are those of the parallel loops
    Json answer;
    Json hits = Json::array();
    if (contrastive::detail::without_outer_spaces(request.query).empty() && request.like.empty() &&
        request.unlike.empty()) {
      const std::size_t total = std::min(newest_.size(), most_page_hits);
      for (std::size_t i = request.from; i < std::min(request.from + request.count, total); ++i)
        hits.push_back(card(newest_[i]));
      answer["total"] = total;
      answer["searched"] = newest_.size();
    } else {
      const SearchAnswer& all = answer_to(request);
      for (std::size_t i = request.from; i < std::min(request.from + request.count, all.hits.size()); ++i)
        hits.push_back(card(all, all.hits[i]));
      answer["total"] = all.hits.size();
      answer["searched"] = session_.searched();
      answer["matches"] = all.matches;
    }
    answer["hits"] = std::move(hits);
    return dump_json(answer);
  }

  /// A small PNG of an image.
  std::string thumbnail_of(std::int64_t row) {
    {
      const std::lock_guard hold(thumbnails_lock_);
      if (const std::string* kept = thumbnails_.find(row)) return *kept;
    }
    const std::string file = content_of(row);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
    const Image image = decode_to_search(bytes, session_.full_path(row), [](int height, int width) {
      Region region = whole(height, width);
      region.reduce = reduction_for(height, width, thumbnail_side);
      return region;
    });
    std::string png = encode_png(contrastive::thumbnail(image, thumbnail_side));
    const std::lock_guard hold(thumbnails_lock_);
    return thumbnails_.keep(row, png, png.size());
  }

  /// The bytes of an image file, as they were indexed.
  std::string content_of(std::int64_t row) const {
    const auto n = static_cast<std::size_t>(row);
    require(session_.allowed()[n] != 0, "[page] image ", row, " is not there");
    const ImageFacts facts = session_.index().facts(n);
    require(facts.size <= most_image_bytes, "[page] image ", row, " is too large to be shown");
    struct stat info {};
    const std::string path = session_.full_path(row);
    require(::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                static_cast<std::uint64_t>(info.st_size) == facts.size,
            "[page] image ", row, " has changed or gone");
    const std::vector<std::byte> bytes = read_file(path);
    require(content_hash(bytes) == facts.hash, "[page] image ", row, " has changed");
    return std::string(as_text(bytes));
  }

  std::int64_t images() const { return images_; }

 private:
  Json card(std::int64_t row) const {
    Json card;
    card["i"] = row;
    card["name"] = printable(session_.index().path(static_cast<std::size_t>(row)));
    return card;
  }
  Json card(const SearchAnswer& answer, const FoldedHit& folded) const {
    Json card = this->card(folded.hit.row);
    card["words"] = answer.words(folded.hit);
    card["top"] = answer.share(folded.hit);
    Json same = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(folded.like_it.size(), 50); ++i)
      same.push_back(this->card(folded.like_it[i].row));
    card["same"] = std::move(same);
    return card;
  }

  const SearchAnswer& answer_to(const PageRequest& request) {
    std::string key = request.query + '\n';
    for (const std::int64_t n : request.like) key += join("+", n);
    for (const std::int64_t n : request.unlike) key += join("-", n);
    if (const SearchAnswer* kept = answers_.find(key)) return *kept;
    QueryVector query;
    if (!contrastive::detail::without_outer_spaces(request.query).empty())
      query = session_.encode(parse_page_query(request.query));
    for (const std::int64_t n : request.like) query.parts.push_back(session_.part_of(n, 1));
    for (const std::int64_t n : request.unlike) query.parts.push_back(session_.part_of(n, -0.7));
    return answers_.keep(key, search(session_, query, most_page_hits, false), 1);
  }

  const SearchSession& session_;
  std::int64_t images_;
  std::vector<std::int64_t> newest_;
  std::mutex model_lock_, thumbnails_lock_;
  Recent<std::string, SearchAnswer> answers_{most_kept_answers};
  Recent<std::int64_t, std::string> thumbnails_{most_kept_bytes};
};

}  // namespace app
