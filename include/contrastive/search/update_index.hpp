// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contrastive/search/index_file.hpp"
#include "contrastive/search/index_writer.hpp"
#include "contrastive/search/list_images.hpp"
#include "contrastive/search/read_images.hpp"

namespace contrastive {

/// A model with what an index notes of it.
struct NamedModel {
  ImageTextModel model;
  ContentHash hash;    // of its weights, with all that the features depend on
  std::string source;  // where its weights are
};

struct UpdateOptions {
  std::vector<std::string> exclude;
  std::size_t batch = 32;
  double save_seconds = 60;           // between two savings on the way
  std::size_t save_images = 1 << 16;  // or after so many new rows, which are in memory until then
  bool int8 = false;                  // keep the rows in int8 too
};

/// What an update tells while it goes on; each may be empty.
struct UpdateWatch {
  std::function<void(std::size_t done, std::size_t all)> progress;  // images that are behind us, of those to look at
  std::function<void(const std::string& complaint)> complain;       // about a file or a folder
  std::function<bool()> stop;                                       // asked after each batch; what is done is saved
};

struct UpdateResult {
  std::size_t images = 0, encoded = 0, moved = 0, removed = 0, unreadable = 0;
  bool written = false, stopped = false;
};

/// Brings an index up to date with its folder: images that are new or changed (size and time decide, then the content)
/// are encoded, those that are gone leave, those whose content is known under another path take its row along. It may be
/// stopped or killed at any moment: the next update goes on from the last saving and ends with the same bytes.
class IndexUpdate {
 public:
  IndexUpdate(std::string folder, std::string index_path, const NamedModel& model, UpdateOptions options,
              UpdateWatch watch)
      : folder_(std::move(folder)),
        index_path_(std::move(index_path)),
        model_(model),
        options_(std::move(options)),
        watch_(std::move(watch)) {
    require(options_.batch > 0, "[index] --batch must be at least 1");
  }

  /// `neutral` are captions that say nothing of any image; they are encoded once and kept. An encoder of images alone has none.
  UpdateResult run(const std::vector<std::string>& neutral) {
    const ImageListing listing = list_images(folder_, options_.exclude);
    if (is_there()) old_ = IndexFile::open(index_path_);
    gather(listing);
    changed_ = !is_there() || (mine() && options_.int8 && !mine()->table.bytes);
    encode_neutral(neutral);
    last_save_ = Clock::now();
    for (std::size_t first = 0; first < pending_.size() && !result_.stopped; first += options_.batch) {
      take_batch(first, std::min(first + options_.batch, pending_.size()));
      const std::size_t done = std::min(first + options_.batch, pending_.size());
      if (watch_.progress) watch_.progress(done, pending_.size());
      result_.stopped = watch_.stop && watch_.stop() && done < pending_.size();
      if (done < pending_.size() && (result_.stopped || save_is_due())) save();
    }
    if (!result_.stopped) {
      remove_departed();
      if (changed_) save();
    }
    result_.images = items_.size();
    for (const Item& item : items_) result_.unreadable += state_of(item) == RowState::unreadable;
    return result_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t none = -1;

  struct Item {
    IndexEntry entry;
    std::int64_t old = none;    // its place in the old index
    std::int64_t fresh = none;  // of its row among the new ones
    RowState fresh_state = RowState::absent;
    bool gone = false;  // from the folder
  };

  bool is_there() const {
    struct stat info {};
    return ::stat(index_path_.c_str(), &info) == 0;
  }
  const IndexedModel* mine() const { return old_.find(model_.hash); }

  /// Joins what the folder and the old index have.
  void gather(const ImageListing& listing) {
    for (std::size_t i = 0; i < listing.unread.size(); ++i)
      complain(join("[folder] ", folder_, "/", listing.unread[i], ": ", listing.why[i]));
    std::size_t n = 0, o = 0;
    while (n < listing.images.size() || o < old_.size()) {
      const bool at_old =
          n == listing.images.size() || (o < old_.size() && old_.path(o) < std::string_view(listing.images[n].path));
      if (at_old) {
        keep_old(o++, listing);
        continue;
      }
      const ListedImage& image = listing.images[n++];
      Item item;
      item.entry = {image.path, {image.size, image.modified, {}}};
      if (o < old_.size() && old_.path(o) == image.path) item.old = static_cast<std::int64_t>(o++);
      const bool same = item.old != none && old_.facts(static_cast<std::size_t>(item.old)).size == image.size &&
                        old_.facts(static_cast<std::size_t>(item.old)).modified == image.modified;
      if (item.old != none) item.entry.facts = old_.facts(static_cast<std::size_t>(item.old));
      if (!same || state_of(item) == RowState::absent) pending_.push_back({items_.size(), image.size, image.modified});
      items_.push_back(std::move(item));
    }
  }

  void keep_old(std::size_t place, const ImageListing& listing) {
    Item item;
    item.entry = {std::string(old_.path(place)), old_.facts(place)};
    item.old = static_cast<std::int64_t>(place);
    // What lies in a folder that cannot be read today may be there.
    item.gone = std::none_of(listing.unread.begin(), listing.unread.end(),
                             [&](const std::string& folder) { return item.entry.path.starts_with(folder); });
    items_.push_back(std::move(item));
  }

  /// The row of an image, new or old, or none.
  const f16* row_of(const Item& item, const IndexedModel* model) const {
    if (model == mine() && item.fresh_state == RowState::present && item.fresh != none)
      return fresh_.data() + static_cast<std::size_t>(item.fresh) * width();
    return model && item.old != none ? model->table.row(item.old) : nullptr;
  }
  RowState state_of(const Item& item) const {
    if (item.fresh_state != RowState::absent) return item.fresh_state;
    return item.old != none && mine() ? mine()->state(static_cast<std::size_t>(item.old)) : RowState::absent;
  }
  std::size_t width() const { return static_cast<std::size_t>(detail::padded_width(dimension_)); }

  void encode_neutral(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += text + '\n';
    neutral_hash_ = content_hash(std::as_bytes(std::span(all)));
    if (const IndexedModel* known = mine(); known && known->neutral_texts == neutral_hash_) {
      dimension_ = known->table.dimension;
      neutral_.assign(known->neutral.rows, known->neutral.rows + known->neutral.count * known->neutral.width());
      return;
    }
    neutral_.clear();
    changed_ = true;
    if (texts.empty()) {
      const NoGrad no_grad;
      const Eval eval;
      dimension_ = model_.model.image_rows(detail::room_for(model_.model.view, 1).view[0]).size(1);
      return;
    }
    const Tensor rows = encode_texts(model_.model, texts);
    dimension_ = rows.size(1);
    for (std::int64_t n = 0; n < rows.size(0); ++n) append_row(neutral_, rows.data<float>() + n * dimension_);
  }

  void append_row(std::vector<f16>& to, const float* row) const {
    for (std::size_t i = 0; i < width(); ++i) to.emplace_back(static_cast<std::int64_t>(i) < dimension_ ? row[i] : 0.f);
  }

  /// Where the content is known already: an old row or a new one of this update.
  struct Known {
    std::int64_t old = none, fresh = none;
    RowState state = RowState::absent;
  };

  const std::unordered_map<ContentHash, Known>& known_contents() {
    if (!known_.empty() || !mine()) return known_;
    for (std::size_t i = 0; i < old_.size(); ++i)
      if (mine()->state(i) != RowState::absent)
        known_.try_emplace(old_.facts(i).hash, Known{static_cast<std::int64_t>(i), none, mine()->state(i)});
    return known_;
  }

  void take_batch(std::size_t begin, std::size_t end) {
    std::vector<std::string> paths;
    for (std::size_t p = begin; p < end; ++p) paths.push_back(folder_ + "/" + items_[pending_[p].item].entry.path);
    const auto& known = known_contents();
    std::vector<ReadImage> read;
    const Tensor rows = encode_new_files(model_.model, paths, read,
                                         [&](std::size_t, const ContentHash& hash) { return !known.contains(hash); });
    require(!rows.defined() || rows.size(1) == dimension_, "[index] the model's texts have ", dimension_,
            " numbers, its images ", rows.defined() ? rows.size(1) : 0);
    std::int64_t next = 0;
    for (std::size_t p = begin; p < end; ++p) {
      const ReadImage& one = read[p - begin];
      Item& item = items_[pending_[p].item];
      if (!one.complaint.empty()) complain(one.complaint);
      if (!one.read) {  // no longer there, or not for us: looked at again next time
        item.gone = item.old == none || item.gone;
        continue;
      }
      item.entry.facts = {pending_[p].size, pending_[p].modified, one.hash};
      changed_ = true;
      if (const auto found = known.find(one.hash); found != known.end()) {
        take_known(item, found->second);
        continue;
      }
      Known made{none, none, one.decoded ? RowState::present : RowState::unreadable};
      if (one.decoded) {
        made.fresh = static_cast<std::int64_t>(fresh_.size() / width());
        append_row(fresh_, rows.data<float>() + next++ * dimension_);
        ++result_.encoded;
      }
      item.fresh = made.fresh;
      item.fresh_state = made.state;
      fresh_known_.emplace_back(one.hash, made);
    }
    // Known to the batches after this one, so that a stop between two of them changes nothing.
    for (const auto& [hash, made] : fresh_known_) known_.try_emplace(hash, made);
    fresh_known_.clear();
  }

  /// The image is one that we have, by another name or after a change that was none.
  void take_known(Item& item, const Known& known) {
    ++result_.moved;
    if (known.old != none) {
      item.old = known.old;  // with the rows of all models
      return;
    }
    item.fresh = known.fresh;
    item.fresh_state = known.state;
  }

  void remove_departed() {
    const std::size_t before = items_.size();
    std::erase_if(items_, [](const Item& item) { return item.gone; });
    result_.removed = before - items_.size();
    changed_ = changed_ || result_.removed > 0;
  }

  bool save_is_due() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - last_save_).count();
    // A large index takes a while to write: a twentieth of the time at most.
    return fresh_.size() / width() >= options_.save_images ||
           seconds > std::max(options_.save_seconds, 20 * save_takes_);
  }

  void save() {
    const Clock::time_point start = Clock::now();
    std::vector<ModelToWrite> models;
    for (const IndexedModel& one : old_.models()) models.push_back(to_write(&one));
    if (!mine()) models.push_back(to_write(nullptr));
    write_index(
        index_path_, items_.size(), [&](std::size_t i) -> const IndexEntry& { return items_[i].entry; }, models);
    result_.written = true;
    old_ = IndexFile::open(index_path_);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      items_[i].old = static_cast<std::int64_t>(i);
      items_[i].fresh = none;
      items_[i].fresh_state = RowState::absent;
    }
    fresh_.clear();
    known_.clear();
    last_save_ = Clock::now();
    save_takes_ = std::chrono::duration<double>(last_save_ - start).count();
  }

  /// Another model's rows stay where its content is the same.
  ModelToWrite to_write(const IndexedModel* model) const {
    const bool own = model == mine();
    ModelToWrite out;
    out.model = own ? model_.hash : model->model;
    out.source = own ? model_.source : model->source;
    out.preparation = own ? model_.model.preparation : model->preparation;
    out.dimension = own ? dimension_ : model->table.dimension;
    out.neutral_texts = own ? neutral_hash_ : model->neutral_texts;
    if (own)
      out.neutral_rows = neutral_;
    else
      out.neutral_rows.assign(model->neutral.rows, model->neutral.rows + model->neutral.count * model->neutral.width());
    out.int8 = own ? options_.int8 || (model && model->table.bytes) : model->table.bytes != nullptr;
    out.state = [this, model, own](std::size_t i) {
      const Item& item = items_[i];
      if (own) return state_of(item);
      const bool same =
          item.old != none && old_.facts(static_cast<std::size_t>(item.old)).hash == item.entry.facts.hash;
      return same ? model->state(static_cast<std::size_t>(item.old)) : RowState::absent;
    };
    out.row = [this, model](std::size_t i) { return row_of(items_[i], model); };
    return out;
  }

  void complain(const std::string& text) const {
    if (watch_.complain) watch_.complain(text);
  }

  struct Pending {
    std::size_t item;
    std::uint64_t size;
    std::int64_t modified;
  };

  std::string folder_, index_path_;
  const NamedModel& model_;
  UpdateOptions options_;
  UpdateWatch watch_;
  UpdateResult result_;
  IndexFile old_;
  std::vector<Item> items_;  // in the order of their paths
  std::vector<Pending> pending_;
  std::vector<f16> fresh_, neutral_;  // (n, width)
  ContentHash neutral_hash_;
  std::int64_t dimension_ = 0;
  std::unordered_map<ContentHash, Known> known_;
  std::vector<std::pair<ContentHash, Known>> fresh_known_;
  bool changed_ = false;
  Clock::time_point last_save_;
  double save_takes_ = 0;
};

}  // namespace contrastive
