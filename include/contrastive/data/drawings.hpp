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
#include "contrastive/data/annotations.hpp"
#include "contrastive/data/captions.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/png_texts.hpp"
#include "contrastive/io/utf8.hpp"

namespace contrastive {

/// PNG files on white with what they are called; classes are the folders directly below the root. About every tenth
/// picture tests, by a hash of its path.
class Drawings {
 public:
  std::size_t size() const { return entries_.size(); }
  int label(std::size_t i) const { return entries_.at(i).label; }
  const std::vector<std::string>& class_names() const { return classes_; }
  const std::string& name() const { return title_; }
  const std::string& describe(std::size_t i) const { return entries_.at(i).path; }
  const std::vector<std::string>& texts(std::size_t i) const { return entries_.at(i).texts; }
  Image image(std::size_t i) const {
    const std::vector<std::byte> file = read_file(entries_.at(i).path);
    return decode_on_white(detail::bytes_of(file), entries_[i].path);
  }

 protected:
  struct Entry {
    std::string path, name;  // name: the path below the root, without the suffix
    int label;
    std::vector<std::string> texts;
  };

  Drawings(std::string title, const std::string& root) : title_(std::move(title)), root_(root) {}

  /// The PNG files below the root but for links, which are the same picture in a second place.
  std::vector<Entry> files() {
    std::vector<Entry> entries;
    for (const detail::fs::path& entry : detail::entries_of(root_)) {
      if (!detail::is_folder(entry)) continue;
      classes_.push_back(entry.filename().string());
      collect(entry, 1, entries);
    }
    return entries;
  }

  /// Takes the pictures of a split that have a text.
  void keep(std::vector<Entry> entries, const std::string& split) {
    require(split == "train" || split == "test", "[data] ", title_, ": split is train or test, got ", split);
    for (Entry& entry : entries)
      if (!entry.texts.empty() && detail::tests_by_name(entry.name, 10) == (split == "test"))
        entries_.push_back(std::move(entry));
    require(!entries_.empty(), "[data] ", root_, ": no PNG file with a text in the folders here");
  }

  const std::string& root() const { return root_; }

 private:
  void collect(const detail::fs::path& folder, int depth, std::vector<Entry>& entries) {
    for (const detail::fs::path& entry : detail::entries_of(folder, depth)) {
      if (std::error_code ignored; detail::fs::is_symlink(entry, ignored)) continue;
      if (detail::is_folder(entry))
        collect(entry, depth + 1, entries);
      else if (detail::lower(entry.extension().string()) == ".png")
        entries.push_back({entry.string(),
                           entry.lexically_relative(root_).replace_extension().string(),
                           static_cast<int>(classes_.size()) - 1,
                           {}});
    }
  }

  std::string title_, root_;
  std::vector<Entry> entries_;
  std::vector<std::string> classes_;
};

/// The Open Clip Art Library (Debian's openclipart-png, 6,900 drawings) with the titles and descriptions inside its files. A
/// title that more than three drawings share is that of a collection, and the file's name stands in for it. Drawings above
/// 100 million pixels are left out.
class Clipart : public Drawings {
 public:
  explicit Clipart(const std::string& split, const std::string& root = "/usr/share/openclipart/png")
      : Drawings("clipart " + split, root) {
    require(detail::is_folder(root), "[clipart] ", root, ": no such folder: install the package openclipart-png");
    std::vector<Entry> entries = files();
    std::map<std::string, int> uses;
    std::size_t large = 0;
    for (Entry& entry : entries) {
      detail::PngHeader header;
      try {
        header = detail::read_png_header(entry.path);
      } catch (const Error& error) {
        std::fprintf(stderr, "skipped: %s\n", error.what());
        continue;
      }
      if (std::uint64_t{header.width} * header.height > most_pixels) {
        ++large;
        continue;
      }
      for (const char* keyword : {"Title", "Description"}) {
        const auto found = header.texts.find(keyword);
        entry.texts.push_back(found == header.texts.end() ? std::string() : tidy(found->second));
        ++uses[entry.texts.back()];
      }
    }
    for (Entry& entry : entries) {
      if (entry.texts.empty()) continue;
      const auto own = [&](const std::string& text) {
        return !text.empty() && uses[text] <= 3 && text.find("http") == std::string::npos &&
               text.find('@') == std::string::npos;
      };
      std::string title = own(entry.texts[0]) ? entry.texts[0] : words_of(entry.name), description = entry.texts[1];
      entry.texts.clear();
      if (!title.empty()) entry.texts.push_back(std::move(title));
      if (own(description) && (entry.texts.empty() || description != entry.texts[0]))
        entry.texts.push_back(std::move(description));
    }
    if (large > 0)
      std::fprintf(stderr, "[clipart] %s: %zu drawings above %lld million pixels are left out\n", root.c_str(), large,
                   static_cast<long long>(most_pixels / 1000000));
    keep(std::move(entries), split);
  }

 private:
  static constexpr std::uint64_t most_pixels = 100000000;

  /// "Clipart by N. N. - red_car" is a red car.
  static std::string tidy(const std::string& text) {
    std::string plain = detail::without_entities(detail::as_utf8(text));
    if (const std::size_t dash = plain.find(" - "); plain.starts_with("Clipart by") && dash != std::string::npos)
      plain = plain.substr(dash + 3);
    std::replace(plain.begin(), plain.end(), '_', ' ');
    std::replace(plain.begin(), plain.end(), '\n', ' ');
    return std::string(detail::trimmed(plain));
  }
  /// "animals/baby_tux_01" is a baby tux.
  static std::string words_of(const std::string& name) {
    std::string words = tidy(name.substr(name.rfind('/') + 1));
    while (!words.empty() && (words.back() == ' ' || (words.back() >= '0' && words.back() <= '9'))) words.pop_back();
    return words;
  }
};

/// The stamps of Tux Paint (Debian's tuxpaint-stamps-default): a .txt beside each picture has a sentence in English in its
/// first line, and then lines such as "de.utf8=Ein Frosch." for 77 languages.
class Stamps : public Drawings {
 public:
  /// `languages`: "en", or codes as the files have them, "de,en,zh_CN"; a language alone stands for the first of its kinds.
  explicit Stamps(const std::string& split, const std::string& languages = "en",
                  const std::string& root = "/usr/share/tuxpaint/stamps")
      : Drawings("stamps " + split, root) {
    require(detail::is_folder(root), "[stamps] ", root,
            ": no such folder: install the package tuxpaint-stamps-default");
    const std::vector<std::string> wanted = detail::split_list(languages.empty() ? "en" : languages, ',');
    std::vector<std::size_t> found(wanted.size(), 0);
    std::vector<Entry> entries = files();
    for (Entry& entry : entries) {
      const std::string text = root + "/" + entry.name + ".txt";
      if (!detail::is_file(text)) continue;
      const std::map<std::string, std::string> sentences = parse(read_text(text));
      for (std::size_t w = 0; w < wanted.size(); ++w) {
        auto at = sentences.find(wanted[w]);
        if (at == sentences.end())
          at = std::find_if(sentences.begin(), sentences.end(),
                            [&](const auto& one) { return one.first.starts_with(wanted[w] + "_"); });
        if (at == sentences.end()) continue;
        entry.texts.push_back(at->second);
        ++found[w];
      }
    }
    for (std::size_t w = 0; w < wanted.size(); ++w)
      require(found[w] > 0, "[stamps] no stamp has a sentence in the language ", wanted[w],
              " (--language): expected codes such as en, de, fr, pt_BR or zh_CN");
    keep(std::move(entries), split);
  }

  /// Sentences by their languages, of the text beside a stamp.
  static std::map<std::string, std::string> parse(std::string_view text) {
    std::map<std::string, std::string> sentences;
    for (bool first = true; !text.empty(); first = false) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string line = detail::as_utf8(detail::trimmed(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
      const std::size_t mark = line.find(".utf8=");
      const std::string sentence(detail::trimmed(first                       ? line
                                                 : mark == std::string::npos ? ""
                                                                             : line.substr(mark + 6)));
      if (!sentence.empty()) sentences[first ? "en" : line.substr(0, mark)] = sentence;
    }
    return sentences;
  }
};

}  // namespace contrastive
