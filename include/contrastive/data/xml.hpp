// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive::detail {

/// An element of XML: its name, its text without that of its children, and its children.
struct XmlElement {
  std::string name, text;
  std::vector<XmlElement> children;

  /// The first child of that name, or nothing.
  const XmlElement* child(std::string_view of) const {
    const auto found =
        std::find_if(children.begin(), children.end(), [&](const XmlElement& c) { return c.name == of; });
    return found == children.end() ? nullptr : &*found;
  }
};

/// Reads the part of XML that annotations are written in: elements, text with the five named entities, comments and
/// declarations, which are passed over as attributes are. Throws one sentence with the line for all else, CDATA and types of
/// documents with members among it, and beyond 32 levels.
class XmlReader {
 public:
  XmlReader(std::string_view text, std::string_view name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  XmlElement read() {
    skip_between();
    require_here(at_ < text_.size() && text_[at_] == '<', "expected an element");
    XmlElement root = element(0);
    skip_between();
    require_here(at_ == text_.size(), "text follows the last element");
    return root;
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void require_here(bool holds, const char* what) const {
    require(holds, "[xml] ", name_, ":",
            1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'), ": ", what);
  }
  void skip_past(std::string_view end, const char* what) {
    const std::size_t found = text_.find(end, at_);
    require_here(found != text_.npos, what);
    at_ = found + end.size();
  }
  /// Passes over a comment, a declaration or a plain document type; false where there is none.
  bool skip_aside() {
    if (starts("<!--"))
      skip_past("-->", "a comment is opened here and never closed");
    else if (starts("<?"))
      skip_past("?>", "a declaration is opened here and never closed");
    else if (starts("<!DOCTYPE")) {
      const std::size_t end = text_.find_first_of("[>", at_);
      require_here(end != text_.npos && text_[end] == '>', "expected a document type without members");
      at_ = end + 1;
    } else
      return false;
    return true;
  }
  void skip_between() {
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (!skip_aside()) return;
    }
  }

  std::string tag_name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != '>' && text_[at_] != '/' && text_[at_] != '<')
      ++at_;
    require_here(at_ > begin, "expected the name of an element");
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// Passes over attributes, whose values may hold '>'. True where the element is closed at once.
  bool end_of_tag() {
    for (char quote = 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        const bool closed = text_[at_ - 1] == '/';
        ++at_;
        return closed;
      } else {
        require_here(c != '<', "a tag is not closed");
      }
    }
    require_here(false, "a tag is not closed");
    return false;
  }
  void entity(std::string& text) {
    static constexpr std::pair<std::string_view, char> known[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (const auto& [written, letter] : known)
      if (starts(written)) {
        text += letter, at_ += written.size();
        return;
      }
    require_here(false, "expected &amp; &lt; &gt; &quot; or &apos; after an ampersand");
  }

  XmlElement element(int depth) {
    require_here(depth < 32, "more than 32 elements inside each other");
    ++at_;
    XmlElement one{tag_name(), {}, {}};
    if (end_of_tag()) return one;
    for (;;) {
      require_here(at_ < text_.size(), "an element is never closed");
      if (starts("</")) break;
      if (text_[at_] == '&')
        entity(one.text);
      else if (text_[at_] != '<')
        one.text += text_[at_++];
      else if (!skip_aside()) {
        require_here(!starts("<!"), "expected an element");
        one.children.push_back(element(depth + 1));
      }
    }
    at_ += 2;
    require_here(tag_name() == one.name, "another element is closed than was opened last");
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    require_here(starts(">"), "a tag is not closed");
    ++at_;
    return one;
  }

  std::string_view text_, name_;
  std::size_t at_ = 0;
};

}  // namespace contrastive::detail
