// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/caption_files.hpp"
#include "contrastive/data/caption_json.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/image_folder.hpp"

namespace contrastive {

namespace detail {

/// Whether a file tests, by a hash of its name: about one in `every`.
inline bool tests_by_name(std::string_view name, std::uint64_t every) {
  return (Rng(0) / "split by name" / name).key() % every == 0;
}

/// "train", "val" or "test" of the word that a file of captions has for it.
inline std::string part_named(const std::string& word, const std::string& place) {
  const std::string part = lower(word);
  if (part == "train" || part == "training" || part == "restval") return "train";
  if (part == "val" || part == "valid" || part == "validation" || part == "dev") return "val";
  require(part == "test" || part == "testing", "[captions] ", place, ": split is train, val or test, got ", word);
  return "test";
}

/// Things that were left out, of which one line tells.
class LeftOut {
 public:
  void add(const std::string& one) {
    if (count_++ == 0) first_ = one;
  }
  std::size_t count() const { return count_; }
  /// Throws where `strict`; else writes `[captions] a.csv: 3 of 500 images are missing, first b.jpg (a.csv:17)`.
  void say(const std::string& file, std::size_t of, const char* what, bool strict) const {
    if (count_ == 0) return;
    const std::string text = join("[captions] ", file, ": ", count_, " of ", of, " ", what, ", first ", first_);
    require(!strict, text, " (--strict)");
    std::fprintf(stderr, "%s; left out\n", text.c_str());
  }

 private:
  std::size_t count_ = 0;
  std::string first_;
};

}  // namespace detail

/// A folder of images with their captions: in one file (CSV, TSV, JSONL, COCO's or Karpathy's JSON), whose paths begin at
/// the folder, or in a .txt beside each image, one a line. All captions of an image are joined under it.
///
/// Where the file has a split, "train", "val" and "test" are its parts, and "test" is val where there is no test; else
/// about every 20th image tests, by a hash of its path. Images that are missing and captions that are empty are left out,
/// counted, and told of in one line with the first of them; `strict` refuses them.
class Captions {
 public:
  /// `file`: that of the captions; empty: the one in `root`, or the .txt files. Throws `Error` naming the file and the line
  /// of what is malformed.
  Captions(const std::string& root, const std::string& file, const std::string& split, bool strict = false)
      : title_("captions " + root + " " + split) {
    require(split == "train" || split == "val" || split == "test", "[captions] split is train, val or test, got ",
            split);
    detail::require_folder("captions", root);
    const std::string found = file.empty() ? caption_file_in(root) : file;
    std::vector<Entry> entries = found.empty() ? texts_beside(root, strict) : entries_of(root, found, strict);
    const std::string source = found.empty() ? root : found;
    const auto has = [&](const char* part) {
      return std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.part == part; });
    };
    const bool parts = has("train") || has("val") || has("test");
    for (const Entry& entry : entries)
      require(!parts || !entry.part.empty(), "[captions] ", source, ": no split is given for ", entry.name,
              ", and one for others");
    const std::string wanted = split == "test" && parts && !has("test") ? "val" : split;
    require(parts || split != "val", "[captions] ", source, ": has no split, so its parts are train and test");
    for (Entry& entry : entries)
      if ((parts ? entry.part : detail::tests_by_name(entry.name, 20) ? "test" : "train") == wanted)
        entries_.push_back(std::move(entry));
    require(!entries_.empty(), "[captions] ", source, ": no image of the split ", split, " among ", entries.size());
  }

  std::size_t size() const { return entries_.size(); }
  int label(std::size_t) const { return -1; }
  std::vector<std::string> class_names() const { return {}; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return entries_.at(i).path; }
  Image image(std::size_t i, const CropPlan& plan = {}) const { return read_image(entries_.at(i).path, plan); }
  const std::vector<std::string>& texts(std::size_t i) const { return entries_.at(i).captions; }

 private:
  struct Entry {
    std::string name, path;  // as it is written, and where it is
    std::vector<std::string> captions;
    std::string part;
  };

  /// The file with captions in a folder, empty where there is none.
  static std::string caption_file_in(const std::string& root) {
    const detail::FileKind kind{"file of captions", {".csv", ".tsv", ".jsonl", ".json"}};
    std::vector<std::string> names;
    for (const auto& entry : detail::entries_of(root))
      if (detail::is_file(entry) && kind.matches(entry)) names.push_back(entry.filename().string());
    require(names.size() < 2, "[captions] ", root, ": ", names.size(), " files that may hold the captions, ",
            detail::name_list(names), ": choose one (--captions)");
    return names.empty() ? std::string() : root + "/" + names[0];
  }

  static std::vector<CaptionRecord> read_records(const std::string& file) {
    const std::string text = read_text(file), suffix = detail::lower(detail::fs::path(file).extension().string());
    if (suffix == ".jsonl" || suffix == ".ndjson") return parse_caption_lines(text, file);
    if (suffix == ".json") return parse_caption_json(text, file);
    return parse_caption_table(text, file);
  }

  /// Adds captions to an entry, but for empty ones.
  static void add(Entry& entry, const std::vector<std::string>& captions, const std::string& place,
                  detail::LeftOut& empty, std::size_t& count) {
    for (const std::string& caption : captions) {
      ++count;
      if (const std::string_view text = detail::trimmed(caption); !text.empty())
        entry.captions.emplace_back(text);
      else
        empty.add(join("of ", entry.name, " (", place, ")"));
    }
  }

  static std::vector<Entry> entries_of(const std::string& root, const std::string& file, bool strict) {
    std::vector<Entry> entries;
    std::map<std::string, std::size_t> known;
    std::vector<std::string> places;
    detail::LeftOut missing, empty, bare;
    std::size_t captions = 0;
    for (const CaptionRecord& record : read_records(file)) {
      const std::string part = record.split.empty() ? std::string() : detail::part_named(record.split, record.place);
      const auto [at, fresh] = known.emplace(record.image, entries.size());
      if (fresh) {
        entries.push_back({record.image, (detail::fs::path(root) / record.image).string(), {}, part});
        places.push_back(record.place);
      }
      Entry& entry = entries[at->second];
      require(entry.part == part, "[captions] ", record.place, ": ", record.image, " is in the split ",
              record.split.empty() ? "without a name" : record.split, ", and in another one at ", places[at->second]);
      add(entry, record.captions, record.place, empty, captions);
    }
    const std::size_t images = entries.size();
    std::vector<Entry> kept;
    for (std::size_t e = 0; e < images; ++e) {
      if (!detail::is_file(entries[e].path))
        missing.add(entries[e].path + " (" + places[e] + ")");
      else if (entries[e].captions.empty())
        bare.add(entries[e].name + " (" + places[e] + ")");
      else
        kept.push_back(std::move(entries[e]));
    }
    require(missing.count() < images, "[captions] ", file, ": none of its ", images, " images is there",
            images > 0 ? ", first " + entries[0].path + " (" + places[0] + ")" : std::string(),
            " (--root is the folder that their paths begin at)");
    missing.say(file, images, "images are missing", strict);
    empty.say(file, captions, "captions are empty", strict);
    bare.say(file, images, "images have no caption", strict);
    require(!kept.empty(), "[captions] ", file, ": none of its ", images, " images has a caption");
    return kept;
  }

  static std::vector<Entry> texts_beside(const std::string& root, bool strict) {
    std::vector<detail::fs::path> images;
    collect(root, 0, images);
    std::vector<Entry> entries;
    detail::LeftOut bare;
    for (const detail::fs::path& image : images) {
      detail::fs::path text = image;
      Entry entry{image.lexically_relative(root).string(), image.string(), {}, {}};
      if (detail::is_file(text.replace_extension(".txt")))
        for (const std::string& line : detail::read_names(text))
          if (const std::string_view caption = detail::trimmed(line); !caption.empty())
            entry.captions.emplace_back(caption);
      if (entry.captions.empty())
        bare.add(image.string());
      else
        entries.push_back(std::move(entry));
    }
    require(!entries.empty(), "[captions] ", root,
            ": expected a CSV, TSV, JSONL or JSON file with captions, or a .txt beside each image; ", images.size(),
            " images here, none with a .txt");
    bare.say(root, images.size(), "images have no caption in a .txt beside them", strict);
    return entries;
  }
  static void collect(const detail::fs::path& folder, int depth, std::vector<detail::fs::path>& images) {
    for (const detail::fs::path& entry : detail::entries_of(folder, depth)) {
      if (detail::is_folder(entry))
        collect(entry, depth + 1, images);
      else if (detail::picture_files().matches(entry))
        images.push_back(entry);
    }
  }

  std::string title_;
  std::vector<Entry> entries_;
};

}  // namespace contrastive
