// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/search/index_file.hpp"

namespace contrastive {

/// An image to write: its path, relative to the folder, and what is in it.
struct IndexEntry {
  std::string path;
  ImageFacts facts;
};

/// A model to write. `state` and `row` are asked for each image in turn; a row has `padded_width(dimension)` numbers and
/// is asked for where the state is present alone.
struct ModelToWrite {
  ContentHash model, neutral_texts;
  std::string source, preparation;
  std::int64_t dimension = 0;
  std::vector<f16> neutral_rows;  // (n, padded width)
  bool int8 = false;
  std::function<RowState(std::size_t)> state;
  std::function<const f16*(std::size_t)> row;
};

namespace detail {

/// Collects what is written in small pieces, and counts.
class IndexStream {
 public:
  explicit IndexStream(AtomicFile& file) : file_(file) { buffer_.reserve(capacity); }

  void put(const void* data, std::size_t size) {
    written_ += size;
    if (buffer_.size() + size > capacity) flush();
    if (size > capacity) return file_.write(data, size);
    const auto* const bytes = static_cast<const char*>(data);
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
  /// Zeros up to a place.
  void pad_to(std::uint64_t place) {
    static constexpr char zeros[64] = {};
    require(place >= written_ && place - written_ <= sizeof zeros, "[index] written ", written_, " bytes instead of ",
            place);
    put(zeros, place - written_);
  }
  void flush() {
    file_.write(buffer_.data(), buffer_.size());
    buffer_.clear();
  }

 private:
  static constexpr std::size_t capacity = 1 << 20;
  AtomicFile& file_;
  std::vector<char> buffer_;
  std::uint64_t written_ = 0;
};

inline void write_rows(IndexStream& out, const ModelToWrite& model, std::size_t images) {
  const auto width = static_cast<std::size_t>(padded_width(model.dimension));
  const std::vector<f16> zero(width);
  const auto row_of = [&](std::size_t i) { return model.state(i) == RowState::present ? model.row(i) : zero.data(); };
  for (std::size_t i = 0; i < images; ++i) out.put(row_of(i), 2 * width);
  if (!model.int8) return;
  std::vector<float> scales;
  std::vector<std::int8_t> bytes(width);
  for (std::size_t i = 0; i < images; ++i) {
    scales.push_back(quantize_row(row_of(i), static_cast<std::int64_t>(width), bytes.data()));
    out.put(bytes.data(), width);
  }
  out.put(scales.data(), 4 * scales.size());
}

}  // namespace detail

/// Writes an index, atomically; the same content gives the same bytes. `image(i)` are the images in the order of their
/// paths. Memory does not grow with the number of rows.
inline void write_index(const std::string& path, std::size_t images,
                        const std::function<const IndexEntry&(std::size_t)>& image,
                        const std::vector<ModelToWrite>& models) {
  using namespace detail;
  IndexHeader header{};
  std::memcpy(header.magic, index_magic, sizeof header.magic);
  header.version = index_version;
  header.models = static_cast<std::uint32_t>(models.size());
  header.images = images;
  for (std::size_t i = 0; i < images; ++i) header.path_bytes += image(i).path.size();
  const std::uint64_t paths_end = sizeof header + images * sizeof(IndexRecord) + header.path_bytes;
  std::uint64_t at = round_to_line(round_to_line(paths_end) + models.size() * sizeof(ModelRecord));
  std::vector<ModelRecord> records;
  for (const ModelToWrite& model : models) {
    const auto width = static_cast<std::size_t>(padded_width(model.dimension));
    ModelRecord record{};
    record.model = model.model;
    record.neutral_texts = model.neutral_texts;
    record.source_bytes = model.source.size();
    record.preparation_bytes = model.preparation.size();
    record.dimension = static_cast<std::uint32_t>(model.dimension);
    record.neutral_rows = static_cast<std::uint32_t>(model.neutral_rows.size() / width);
    record.has_int8 = model.int8;
    record.begin = at;
    at = record.end = at + ModelLayout(record, images).end;
    records.push_back(record);
  }
  header.file_bytes = at;

  AtomicFile file(path);
  IndexStream out(file);
  out.put(&header, sizeof header);
  IndexRecord record{};
  for (std::size_t i = 0; i < images; ++i) {
    const IndexEntry& entry = image(i);
    record = {record.path_end + entry.path.size(), entry.facts.size, entry.facts.modified, entry.facts.hash};
    out.put(&record, sizeof record);
  }
  for (std::size_t i = 0; i < images; ++i) out.put(image(i).path.data(), image(i).path.size());
  out.pad_to(round_to_line(paths_end));
  out.put(records.data(), records.size() * sizeof(ModelRecord));
  for (std::size_t m = 0; m < models.size(); ++m) {
    const ModelToWrite& model = models[m];
    const std::uint64_t begin = records[m].begin;
    const ModelLayout layout(records[m], images);
    out.pad_to(begin);
    out.put(model.source.data(), model.source.size());
    out.put(model.preparation.data(), model.preparation.size());
    out.pad_to(begin + layout.states);
    for (std::size_t i = 0; i < images; ++i) {
      const RowState state = model.state(i);
      out.put(&state, 1);
    }
    out.pad_to(begin + layout.neutral);
    out.put(model.neutral_rows.data(), 2 * model.neutral_rows.size());
    write_rows(out, model, images);
    out.pad_to(begin + layout.end);
  }
  out.pad_to(at);
  out.flush();
  file.commit();
}

}  // namespace contrastive
