// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/annotations.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// What a file of captions says of an image in one place.
struct CaptionRecord {
  std::string image;  // its path as it is written there
  std::vector<std::string> captions;
  std::string split;  // empty where the file does not say
  std::string place;  // "captions.csv:12", for messages
};

namespace detail {

/// The members or columns that hold an image's path and its captions, the first that is there.
inline constexpr std::array<std::string_view, 6> image_names = {"filepath",  "image", "filename",
                                                                "file_name", "path",  "image_path"};
inline constexpr std::array<std::string_view, 5> caption_names = {"title", "caption", "captions", "text", "texts"};

/// The records of a file of separated values by RFC 4180: fields between quotes may hold separators, line ends and doubled
/// quotes.
class SeparatedValues {
 public:
  SeparatedValues(std::string_view text, std::string_view name, char separator)
      : text_(text), name_(name), separator_(separator) {}

  bool at_end() const { return at_ >= text_.size(); }
  /// Line on which the next record begins, from 1.
  std::size_t line() const { return line_; }

  std::vector<std::string> next() {
    std::vector<std::string> fields;
    for (bool more = true; more;) {
      std::string field;
      if (at_ < text_.size() && text_[at_] == '"')
        quoted(field);
      else
        while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r')
          field += text_[at_++];
      fields.push_back(std::move(field));
      more = at_ < text_.size() && text_[at_] == separator_;
      if (more) ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++line_;
    return fields;
  }

 private:
  void quoted(std::string& field) {
    const std::size_t opened = line_;
    for (++at_;; ++at_) {
      require(at_ < text_.size(), "[captions] ", name_, ":", opened, ": a quote is opened here and never closed");
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        field += text_[at_];
        continue;
      }
      if (at_ + 1 < text_.size() && text_[at_ + 1] == '"')
        field += text_[++at_];
      else
        break;
    }
    ++at_;
    const bool ends = at_ >= text_.size() || text_[at_] == separator_ || text_[at_] == '\n' || text_[at_] == '\r';
    require(ends, "[captions] ", name_, ":", line_,
            ": text follows a closing quote; quotes inside a field are doubled");
  }

  std::string_view text_, name_;
  char separator_;
  std::size_t at_ = 0, line_ = 1;
};

inline std::string_view without_mark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

}  // namespace detail

/// Reads comma- or tab-separated captions. The header names the columns: filepath, image or filename for the image; title,
/// caption or text for its caption; split, where there is one. Tabs separate where the header has one. Empty lines are
/// passed over. Throws `Error` naming the file and the line.
inline std::vector<CaptionRecord> parse_caption_table(std::string_view text, std::string_view name) {
  text = detail::without_mark(text);
  const std::string_view header_line = text.substr(0, text.find('\n'));
  const bool tabs = header_line.find('\t') != std::string_view::npos;
  detail::SeparatedValues table(text, name, tabs ? '\t' : ',');
  require(!table.at_end(), "[captions] ", name, ": the file is empty");
  std::vector<std::string> header = table.next();
  for (std::string& column : header) column = detail::lower(std::string(detail::trimmed(column)));
  const auto column_of = [&](const auto& names) {
    for (const std::string_view one : names)
      if (const auto found = std::find(header.begin(), header.end(), one); found != header.end())
        return found - header.begin();
    return std::ptrdiff_t{-1};
  };
  const std::ptrdiff_t image = column_of(detail::image_names), caption = column_of(detail::caption_names),
                       split = column_of(std::array<std::string_view, 1>{"split"});
  require(image >= 0 && caption >= 0, "[captions] ", name,
          ":1: expected a header with a column filepath, image or filename and a column title, caption or text, got ",
          detail::name_list(header));
  std::vector<CaptionRecord> records;
  while (!table.at_end()) {
    std::string place = join(name, ":", table.line());
    std::vector<std::string> fields = table.next();
    if (fields.size() == 1 && fields[0].empty()) continue;
    require(fields.size() == header.size(), "[captions] ", place, ": ", fields.size(), " fields, expected ",
            header.size(), " as in the header (a field with a ", tabs ? "tab" : "comma",
            " in it stands between quotes)");
    const auto field = [&](std::ptrdiff_t c) {
      return std::string(detail::trimmed(fields[static_cast<std::size_t>(c)]));
    };
    require(!field(image).empty(), "[captions] ", place, ": the column ", header[static_cast<std::size_t>(image)],
            " is empty");
    records.push_back({field(image), {field(caption)}, split < 0 ? std::string() : field(split), std::move(place)});
  }
  return records;
}

}  // namespace contrastive
