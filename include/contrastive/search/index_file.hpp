// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/search/content_hash.hpp"
#include "contrastive/search/exact_search.hpp"
#include "contrastive/search/mapped_file.hpp"

/// The file of an index: which images a folder has and the rows that one or several models make of them. Little-endian:
///
///   header                               64 bytes: `detail::IndexHeader`
///   a record of each image               `detail::IndexRecord`, in the order of their paths
///   the paths                            bytes as the file system has them, relative to the folder, one after another
///   a record of each model               `detail::ModelRecord`
///   for each model, on 64 bytes each     where it came from and how it prepares images (text), a state of each image,
///                                        neutral rows, rows, and perhaps the rows in int8 with their scales
namespace contrastive {

enum class RowState : std::uint8_t {
  absent,      // not encoded yet
  present,     // its row is there
  unreadable,  // the image could not be decoded; its row is zero
};

/// A file as the folder shows it, and what is in it.
struct ImageFacts {
  std::uint64_t size = 0;     // bytes
  std::int64_t modified = 0;  // nanoseconds since 1970
  ContentHash hash;
};

namespace detail {

inline constexpr char index_magic[8] = {'c', 't', 'r', 'i', 'n', 'd', 'e', 'x'};
inline constexpr std::uint32_t index_version = 1;
inline constexpr std::int64_t most_dimensions = 1 << 16;

struct IndexHeader {
  char magic[8];
  std::uint32_t version, models;
  std::uint64_t images, path_bytes, file_bytes;
  std::uint64_t unused[3];
};
struct IndexRecord {
  std::uint64_t path_end, size;  // the path begins where that of the record before ends
  std::int64_t modified;
  ContentHash hash;
};
struct ModelRecord {
  ContentHash model, neutral_texts;
  std::uint64_t source_bytes, preparation_bytes;
  std::uint32_t dimension, neutral_rows, has_int8, unused;
  std::uint64_t begin, end;  // of its part of the file
};
static_assert(sizeof(IndexHeader) == 64 && sizeof(IndexRecord) == 40 && sizeof(ModelRecord) == 80);

constexpr std::uint64_t round_to_line(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Where the pieces of a model's part lie, from its beginning.
struct ModelLayout {
  std::uint64_t states, neutral, rows, bytes, scales, end;

  ModelLayout(const ModelRecord& record, std::uint64_t images) {
    const auto width = static_cast<std::uint64_t>(padded_width(record.dimension));
    states = round_to_line(record.source_bytes + record.preparation_bytes);
    neutral = round_to_line(states + images);
    rows = neutral + record.neutral_rows * width * 2;
    bytes = rows + images * width * 2;
    scales = record.has_int8 ? bytes + images * width : bytes;
    end = record.has_int8 ? round_to_line(scales + images * 4) : scales;
  }
};

}  // namespace detail

/// What a model has in an index.
struct IndexedModel {
  ContentHash model;                // of the weights, with all that the features depend on
  std::string source, preparation;  // a path; "224 x 224, shortest side, bicubic"
  std::span<const std::uint8_t> states;
  RowTable table;
  ContentHash neutral_texts;  // of the list of neutral captions
  RowTable neutral;           // their rows

  RowState state(std::size_t i) const { return static_cast<RowState>(states[i]); }
  std::size_t count(RowState wanted) const {
    std::size_t count = 0;
    for (const std::uint8_t state : states) count += state == static_cast<std::uint8_t>(wanted);
    return count;
  }
};

/// An index that is read. Opening checks everything that a look-up relies on; rows are not looked at.
class IndexFile {
 public:
  IndexFile() = default;

  /// Maps the file. Throws `Error` with one sentence that names it when it is missing, cut short, of another version, or
  /// says what cannot be.
  static IndexFile open(const std::string& path) {
    auto mapped = std::make_shared<const detail::MappedFile>(path);
    IndexFile index = parse(mapped->bytes(), path);
    index.mapped_ = std::move(mapped);
    return index;
  }

  /// The same over bytes that stay where they are while the result is used; they begin at a multiple of 64.
  static IndexFile parse(std::span<const std::byte> file, std::string_view name) {
    IndexFile index;
    index.file_ = file;
    index.read(name);
    return index;
  }

  std::size_t size() const { return records_.size(); }
  std::string_view path(std::size_t i) const {
    const std::uint64_t begin = i == 0 ? 0 : records_[i - 1].path_end;
    return paths_.substr(begin, records_[i].path_end - begin);
  }
  ImageFacts facts(std::size_t i) const { return {records_[i].size, records_[i].modified, records_[i].hash}; }
  std::optional<std::size_t> find(std::string_view path) const {
    std::size_t low = 0, high = size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (this->path(middle) < path)
        low = middle + 1;
      else
        high = middle;
    }
    return low < size() && this->path(low) == path ? std::optional(low) : std::nullopt;
  }

  const std::vector<IndexedModel>& models() const { return models_; }
  const IndexedModel* find(const ContentHash& model) const {
    for (const IndexedModel& one : models_)
      if (one.model == model) return &one;
    return nullptr;
  }

 private:
  void read(std::string_view name) {
    const auto check = [&](bool good, const auto&... what) {
      require(good, "[index] ", name, what..., " (delete it to begin anew)");
    };
    check(file_.size() >= sizeof(detail::IndexHeader), ": the file is too short for an index");
    detail::IndexHeader header;
    std::memcpy(&header, file_.data(), sizeof header);
    check(std::memcmp(header.magic, detail::index_magic, sizeof header.magic) == 0, ": not an index of images");
    check(header.version == detail::index_version, ": an index of version ", header.version, "; this program reads ",
          detail::index_version);
    check(header.file_bytes == file_.size(), ": the header promises ", header.file_bytes, " bytes, the file has ",
          file_.size());
    std::uint64_t at = sizeof header;
    const auto room = [&](std::uint64_t count, std::uint64_t each) { return count <= (file_.size() - at) / each; };
    check(room(header.images, sizeof(detail::IndexRecord)), ": ", header.images, " images do not fit in the file");
    records_ = {reinterpret_cast<const detail::IndexRecord*>(file_.data() + at), header.images};
    at += header.images * sizeof(detail::IndexRecord);
    check(room(header.path_bytes, 1), ": ", header.path_bytes, " bytes of paths do not fit in the file");
    paths_ = {reinterpret_cast<const char*>(file_.data() + at), header.path_bytes};
    at += header.path_bytes;
    check_paths(check);
    at = std::min<std::uint64_t>(detail::round_to_line(at), file_.size());
    check(room(header.models, sizeof(detail::ModelRecord)), ": ", header.models, " models do not fit in the file");
    const std::byte* const models = file_.data() + at;
    at += header.models * sizeof(detail::ModelRecord);
    for (std::uint32_t m = 0; m < header.models; ++m) {
      detail::ModelRecord record;
      std::memcpy(&record, models + m * sizeof record, sizeof record);
      check(record.begin % 64 == 0 && record.begin >= at && record.begin <= record.end && record.end <= file_.size(),
            ": model ", m, " lies outside of the file");
      read_model(record, m, check);
      at = record.end;
    }
    check(at <= file_.size() && file_.size() - at < 64, ": bytes follow the last model");
  }

  template <class Check>
  void check_paths(const Check& check) const {
    std::uint64_t begin = 0;
    std::string_view before;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const std::uint64_t end = records_[i].path_end;
      check(begin < end && end <= paths_.size(), ": the path of image ", i, " lies outside of the paths");
      const std::string_view path = paths_.substr(begin, end - begin);
      check(i == 0 || before < path, ": the path of image ", i, " does not follow the one before");
      check(path.find('\0') == path.npos, ": the path of image ", i, " has a zero in it");
      before = path;
      begin = end;
    }
    check(begin == paths_.size(), ": bytes follow the last path");
  }

  template <class Check>
  void read_model(const detail::ModelRecord& record, std::uint32_t m, const Check& check) {
    const std::uint64_t bytes = record.end - record.begin, images = records_.size();
    check(record.dimension > 0 && record.dimension <= detail::most_dimensions, ": model ", m, " has rows of ",
          record.dimension, " numbers");
    // Each alone first, so that no sum of them can be too large for 64 bits.
    check(record.source_bytes <= bytes && record.preparation_bytes <= bytes && record.neutral_rows <= bytes &&
              images <= bytes && record.has_int8 <= 1,
          ": model ", m, " says of itself what its part of the file cannot hold");
    const detail::ModelLayout layout(record, images);
    check(layout.end == bytes, ": model ", m, " should take ", layout.end, " bytes and has ", bytes);
    const std::byte* const part = file_.data() + record.begin;
    const char* const text = reinterpret_cast<const char*>(part);
    IndexedModel model;
    model.model = record.model;
    model.source.assign(text, record.source_bytes);
    model.preparation.assign(text + record.source_bytes, record.preparation_bytes);
    model.states = {reinterpret_cast<const std::uint8_t*>(part + layout.states), images};
    for (std::size_t i = 0; i < images; ++i)
      check(model.states[i] <= 2, ": image ", i, " of model ", m, " is in a state that there is not");
    model.neutral_texts = record.neutral_texts;
    model.neutral.rows = reinterpret_cast<const f16*>(part + layout.neutral);
    model.neutral.count = record.neutral_rows;
    model.table.rows = reinterpret_cast<const f16*>(part + layout.rows);
    model.table.count = static_cast<std::int64_t>(images);
    model.table.dimension = model.neutral.dimension = record.dimension;
    if (record.has_int8) {
      model.table.bytes = reinterpret_cast<const std::int8_t*>(part + layout.bytes);
      model.table.scales = reinterpret_cast<const float*>(part + layout.scales);
    }
    models_.push_back(std::move(model));
  }

  std::shared_ptr<const detail::MappedFile> mapped_;
  std::span<const std::byte> file_;
  std::span<const detail::IndexRecord> records_;
  std::string_view paths_;
  std::vector<IndexedModel> models_;
};

}  // namespace contrastive
