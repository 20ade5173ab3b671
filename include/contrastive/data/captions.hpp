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
  const std::string& first() const { return first_; }
  /// Throws where `strict`; else writes `[captions] data train: 3 of 500 images are missing, first b.jpg (a.csv:17)`.
  void say(const std::string& set, std::size_t of, const char* what, bool strict) const {
    if (count_ == 0) return;
    const std::string text = join("[", set, "] ", count_, " of ", of, " ", what, ", first ", first_);
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
    const std::string found = file.empty() ? caption_file_in(root) : file, source = found.empty() ? root : found;
    entries_ = part_of(found.empty() ? texts_beside(root) : joined(root, found), split, source);
    leave_out(source, strict);
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
    std::string part;   // empty where the file does not say
    std::string place;  // in the file
    std::size_t empty = 0;
    std::string empty_place;  // of the first caption that is empty
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

  /// The images of a file, each with all of its captions.
  static std::vector<Entry> joined(const std::string& root, const std::string& file) {
    std::vector<Entry> entries;
    std::map<std::string, std::size_t> known;
    for (const CaptionRecord& record : read_records(file)) {
      const std::string part = record.split.empty() ? std::string() : detail::part_named(record.split, record.place);
      const auto [at, fresh] = known.emplace(record.image, entries.size());
      if (fresh)
        entries.push_back(
            {record.image, (detail::fs::path(root) / record.image).string(), {}, part, record.place, 0, {}});
      Entry& entry = entries[at->second];
      require(entry.part == part, "[captions] ", record.place, ": ", record.image, " is in the split ",
              record.split.empty() ? "without a name" : record.split, ", and in another one at ", entry.place);
      for (const std::string& caption : record.captions) {
        if (const std::string_view text = detail::trimmed(caption); !text.empty())
          entry.captions.emplace_back(text);
        else if (entry.empty++ == 0)
          entry.empty_place = record.place;
      }
    }
    require(!entries.empty(), "[captions] ", file, ": names no image");
    return entries;
  }

  /// The images below a folder, each with the lines of the .txt beside it.
  static std::vector<Entry> texts_beside(const std::string& root) {
    std::vector<detail::fs::path> images;
    collect(root, 0, images);
    std::vector<Entry> entries;
    bool any = false;
    for (const detail::fs::path& image : images) {
      const detail::fs::path text = detail::fs::path(image).replace_extension(".txt");
      Entry entry{image.lexically_relative(root).string(), image.string(), {}, {}, text.string(), 0, {}};
      for (const std::string& line : detail::read_names(text))
        if (const std::string_view caption = detail::trimmed(line); !caption.empty())
          entry.captions.emplace_back(caption);
      any |= !entry.captions.empty();
      entries.push_back(std::move(entry));
    }
    require(any, "[captions] ", root,
            ": expected a CSV, TSV, JSONL or JSON file with captions, or a .txt beside each image; ", images.size(),
            " images here, none with a .txt");
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

  static std::vector<Entry> part_of(std::vector<Entry> entries, const std::string& split, const std::string& source) {
    const auto has = [&](const char* part) {
      return std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.part == part; });
    };
    const bool parts = has("train") || has("val") || has("test");
    for (const Entry& entry : entries)
      require(!parts || !entry.part.empty(), "[captions] ", source, ": no split is given for ", entry.name,
              ", and one for others");
    require(parts || split != "val", "[captions] ", source, ": has no split, so its parts are train and test");
    const std::string wanted = split == "test" && parts && !has("test") ? "val" : split;
    std::vector<Entry> kept;
    for (Entry& entry : entries)
      if ((parts ? entry.part : detail::tests_by_name(entry.name, 20) ? "test" : "train") == wanted)
        kept.push_back(std::move(entry));
    require(!kept.empty(), "[captions] ", source, ": no image of the split ", split, " among ", entries.size());
    return kept;
  }

  /// Takes away what is missing or empty, and says so.
  void leave_out(const std::string& source, bool strict) {
    detail::LeftOut missing, empty, bare;
    std::size_t captions = 0;
    std::vector<Entry> kept;
    for (Entry& entry : entries_) {
      captions += entry.captions.size() + entry.empty;
      for (std::size_t k = 0; k < entry.empty; ++k) empty.add(join("of ", entry.name, " (", entry.empty_place, ")"));
      if (!detail::is_file(entry.path))
        missing.add(entry.path + " (" + entry.place + ")");
      else if (entry.captions.empty())
        bare.add(entry.name + " (" + entry.place + ")");
      else
        kept.push_back(std::move(entry));
    }
    const std::size_t images = entries_.size();
    require(missing.count() < images, "[captions] ", source, ": none of the ", images, " images is there, first ",
            missing.first(), " (--root is the folder that their paths begin at)");
    missing.say(title_, images, "images are missing", strict);
    empty.say(title_, captions, "captions are empty", strict);
    bare.say(title_, images, "images have no caption", strict);
    require(!kept.empty(), "[captions] ", source, ": none of the ", images, " images has a caption");
    entries_ = std::move(kept);
  }

  std::string title_;
  std::vector<Entry> entries_;
};

}  // namespace contrastive
