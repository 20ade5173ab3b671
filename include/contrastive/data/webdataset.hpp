// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/caption_json.hpp"
#include "contrastive/data/captions.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/split_folders.hpp"
#include "contrastive/data/tar.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

/// Samples in tar shards, as webdataset writes them: the files of a sample share their path up to the first dot of its last
/// part ("0007.jpg", "0007.txt"). Read are jpg, jpeg, png and bmp; txt (a caption a line) or else json (caption, title or
/// text); cls (the class's number, with classnames.txt in the root for their names). The index of the shards is made when
/// they are opened, from their headers; samples are then read where they are.
///
/// The parts are folders train, test or val with shards; without them about every 20th sample tests, by a hash of its name.
/// An epoch goes through the shards in an order of its own and shuffles within windows, so that the disk reads forward.
class WebDataset {
 public:
  /// Throws `Error` naming the shard when one is cut short or damaged.
  WebDataset(const std::string& root, const std::string& split) : title_("webdataset " + root + " " + split) {
    require(split == "train" || split == "val" || split == "test", "[webdataset] split is train, val or test, got ",
            split);
    detail::require_folder("webdataset", root);
    const detail::FileKind kind{"shard", {".tar"}};
    const detail::SplitFolders folders = detail::split_folders(root, kind);
    const bool parted = folders.train != root;
    require(parted || split != "val", "[webdataset] ", root, ": has no folder val, so its parts are train and test");
    const std::string folder = parted ? detail::folder_part(root, split, kind) : root;
    for (const auto& entry : detail::entries_of(folder))
      if (kind.matches(entry)) shards_.emplace_back(entry.string());
    require(!shards_.empty(), "[webdataset] ", folder, ": no .tar shard here (--root)");
    classes_ = detail::read_names(root + "/classnames.txt");
    std::size_t imageless = 0, textless = 0, other = 0;
    int most = -1;
    for (std::size_t s = 0; s < shards_.size(); ++s) {
      for (Entry& entry : group(s)) {
        if (!parted && (detail::tests_by_name(entry.name, 20) ? "test" : "train") != split) continue;
        other += entry.image.size == 0 && entry.unread;
        imageless += entry.image.size == 0;
        if (entry.image.size == 0) continue;
        textless += !entry.has_text();
        most = std::max(most, entry.label);
        entries_.push_back(std::move(entry));
      }
    }
    require(!entries_.empty(), "[webdataset] ", folder, ": no sample of the split ", split,
            " with a jpg, png or bmp in ", shards_.size(), " shards");
    if (textless < entries_.size()) {  // samples without a text are none
      std::erase_if(entries_, [](const Entry& entry) { return !entry.has_text(); });
      parts_ = Part::image | Part::texts;
      imageless += textless;
    }
    if (imageless > 0)
      std::fprintf(stderr, "[webdataset] %s: %zu samples without an image%s left out%s\n", folder.c_str(), imageless,
                   textless > 0 ? " or a text" : "", other > 0 ? " (webp and other kinds of images are not read)" : "");
    require(classes_.empty() || most < static_cast<int>(classes_.size()), "[webdataset] ", root,
            "/classnames.txt: ", classes_.size(), " names, and a class ", most);
    for (int c = static_cast<int>(classes_.size()); c <= most; ++c) classes_.push_back(std::to_string(c));
    if (most < 0) classes_.clear();
  }

  std::size_t size() const { return entries_.size(); }
  int label(std::size_t i) const { return entries_.at(i).label; }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }
  std::string describe(std::size_t i) const { return shards_[entries_.at(i).shard].path() + ":" + entries_[i].name; }
  Parts parts() const { return parts_; }

  Image image(std::size_t i, const CropPlan& plan = {}) const {
    const std::string bytes = read(entries_.at(i), entries_[i].image);
    return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, describe(i), plan);
  }
  std::vector<std::string> texts(std::size_t i) const {
    const Entry& entry = entries_.at(i);
    std::vector<std::string> texts;
    if (entry.text.size > 0) {
      texts = detail::split_list(read(entry, entry.text), '\n');
    } else {
      for (const std::string& text : parse_captions_of_one(read(entry, entry.json), describe(i) + ".json"))
        if (const std::string_view trimmed = detail::trimmed(text); !trimmed.empty()) texts.emplace_back(trimmed);
    }
    require(!texts.empty(), "[webdataset] ", describe(i), ": the caption is empty");
    return texts;
  }

  /// The order of an epoch: shards by chance, and of each `window` samples that follow one another so, all by chance.
  std::vector<std::uint32_t> epoch_order(Rng rng) const {
    std::vector<std::size_t> begins = {0};
    for (std::size_t i = 1; i < entries_.size(); ++i)
      if (entries_[i].shard != entries_[i - 1].shard) begins.push_back(i);
    std::vector<std::size_t> shards(begins.size());
    std::iota(shards.begin(), shards.end(), std::size_t{0});
    begins.push_back(entries_.size());
    Stream draw(rng / "shards");
    draw.shuffle(shards);
    std::vector<std::uint32_t> order;
    order.reserve(entries_.size());
    for (const std::size_t s : shards)
      for (std::size_t i = begins[s]; i < begins[s + 1]; ++i) order.push_back(static_cast<std::uint32_t>(i));
    Stream mixed(rng / "windows");
    for (std::size_t first = 0; first < order.size(); first += window) {
      std::span<std::uint32_t> part(order.data() + first, std::min(window, order.size() - first));
      mixed.shuffle(part);
    }
    return order;
  }

  static constexpr std::size_t window = 4096;

 private:
  struct Place {
    std::uint64_t offset = 0, size = 0;
  };
  struct Entry {
    std::string name;
    std::uint32_t shard = 0;
    int label = -1;
    Place image, text, json;
    bool unread = false;  // has an image of another kind

    bool has_text() const { return text.size > 0 || json.size > 0; }
  };

  std::string read(const Entry& entry, const Place& place) const {
    return shards_[entry.shard].read(place.offset, static_cast<std::size_t>(place.size));
  }

  /// The samples of a shard, in the order of their first files.
  std::vector<Entry> group(std::size_t shard) const {
    constexpr std::array<std::string_view, 4> images = {"jpg", "jpeg", "png", "bmp"},
                                              others = {"webp", "gif", "tif", "tiff"};
    std::vector<Entry> entries;
    std::map<std::string, std::size_t> known;
    for (const TarMember& member : shards_[shard].index()) {
      const std::size_t slash = member.name.rfind('/'), begin = slash == std::string::npos ? 0 : slash + 1;
      const std::size_t dot = member.name.find('.', begin);
      if (dot == std::string::npos || dot == begin) continue;  // no suffix, or hidden
      const std::string name = member.name.substr(0, dot), suffix = detail::lower(member.name.substr(dot + 1));
      const auto [at, fresh] = known.emplace(name, entries.size());
      if (fresh) {
        entries.emplace_back();
        entries.back().name = name, entries.back().shard = static_cast<std::uint32_t>(shard);
      }
      Entry& entry = entries[at->second];
      const Place place{member.offset, member.size};
      if (std::find(images.begin(), images.end(), suffix) != images.end()) entry.image = place;
      if (std::find(others.begin(), others.end(), suffix) != others.end()) entry.unread = true;
      if (suffix == "txt") entry.text = place;
      if (suffix == "json") entry.json = place;
      if (suffix == "cls") {
        const std::string text =
            shards_[shard].read(member.offset, static_cast<std::size_t>(std::min<std::uint64_t>(member.size, 20)));
        const std::string_view digits = detail::trimmed(text);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), entry.label);
        require(parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() && entry.label >= 0 &&
                    entry.label < 1000000,
                "[webdataset] ", shards_[shard].path(), ":", member.name, ": expected the number of a class, got ",
                digits);
      }
    }
    return entries;
  }

  std::string title_;
  std::vector<RandomAccessFile> shards_;
  std::vector<Entry> entries_;
  std::vector<std::string> classes_;
  Parts parts_ = Part::image;
};

}  // namespace contrastive
