// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/json.hpp"

namespace contrastive {

namespace detail {

/// The parser behind `Json::parse`.
class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Json read() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte-order mark, which some editors write
    if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF"))
      fail("[json] ", name_, ": UTF-16, expected UTF-8");
    Json value = read_value(0);
    skip_space();
    if (at_ != text_.size()) stop("text after the end of the value");
    return value;
  }

 private:
  static constexpr int max_depth = 64;

  [[noreturn]] void stop(const char* what) const { fail("[json] ", name_, ": ", what, " at byte ", at_); }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(char c) {
    skip_space();
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  Json word(std::string_view expected, Json value) {
    if (text_.substr(at_, expected.size()) != expected) stop("expected a value");
    at_ += expected.size();
    return value;
  }

  Json read_value(int depth) {
    if (depth > max_depth) stop("nesting deeper than 64 levels");
    skip_space();
    switch (peek()) {
      case '{': return read_object(depth);
      case '[': return read_array(depth);
      case '"': return Json(read_string());
      case 't': return word("true", true);
      case 'f': return word("false", false);
      case 'n': return word("null", nullptr);
      default: return read_number();
    }
  }

  Json read_object(int depth) {
    ++at_;
    Json::Object members;
    if (take('}')) return Json(std::move(members));
    do {
      skip_space();
      if (peek() != '"') stop("expected a member's name");
      std::string name = read_string();
      if (!take(':')) stop("expected ':'");
      members.push_back({std::move(name), read_value(depth + 1)});
    } while (take(','));
    if (!take('}')) stop("expected ',' or '}'");
    check_names(members);
    return Json(std::move(members));
  }

  void check_names(const Json::Object& members) const {
    // Sorting pointers keeps a hostile header with a million members from taking quadratic time.
    std::vector<const std::string*> names;
    names.reserve(members.size());
    for (const Json::Member& member : members) names.push_back(&member.name);
    std::sort(names.begin(), names.end(), [](const std::string* a, const std::string* b) { return *a < *b; });
    for (std::size_t i = 1; i < names.size(); ++i)
      if (*names[i] == *names[i - 1]) fail("[json] ", name_, ": member \"", *names[i], "\" appears twice");
  }

  Json read_array(int depth) {
    ++at_;
    Json::Array values;
    if (take(']')) return Json(std::move(values));
    do values.push_back(read_value(depth + 1));
    while (take(','));
    if (!take(']')) stop("expected ',' or ']'");
    return Json(std::move(values));
  }

  unsigned read_hex() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (c >= '0' && c <= '9')
        code = code * 16 + static_cast<unsigned>(c - '0');
      else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        code = code * 16 + static_cast<unsigned>((c | 32) - 'a' + 10);
      else
        stop("expected four hexadecimal digits");
    }
    return code;
  }

  void read_escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
      case '"':
      case '\\':
      case '/': out += c; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: --at_; stop("unknown escape");
    }
    unsigned code = read_hex();
    if (code >= 0xdc00 && code < 0xe000) stop("half of a surrogate pair");
    if (code >= 0xd800 && code < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") stop("half of a surrogate pair");
      at_ += 2;
      const unsigned low = read_hex();
      if (low < 0xdc00 || low >= 0xe000) stop("half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    const auto byte = [&](unsigned bits) { out += static_cast<char>(bits); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) return byte(0xc0 | code >> 6), byte(0x80 | (code & 63));
    if (code < 0x10000) return byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
    byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
  }

  std::string read_string() {
    ++at_;
    std::string out;
    while (true) {
      if (at_ >= text_.size()) stop("string without an end");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) stop("control character in a string");
      ++at_;
      if (c == '"') return out;
      if (c == '\\')
        read_escape(out);
      else
        out += c;
    }
  }

  bool digits() {
    const std::size_t first = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > first;
  }

  Json read_number() {
    const std::size_t first = at_;
    bool whole = true;
    if (peek() == '-') ++at_;
    if (peek() == '0')
      ++at_;  // no digits may follow a leading zero
    else if (!digits())
      stop("expected a value");
    if (peek() == '.') {
      whole = false;
      ++at_;
      if (!digits()) stop("expected digits");
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) stop("expected digits");
    }
    const char *begin = text_.data() + first, *end = text_.data() + at_;
    const bool minus_zero = end - begin == 2 && begin[0] == '-' && begin[1] == '0';  // a number, not the integer 0
    if (std::int64_t integer = 0; whole && !minus_zero && std::from_chars(begin, end, integer).ec == std::errc())
      return Json(integer);
    double number = 0;
    if (std::from_chars(begin, end, number).ec != std::errc()) stop("number out of range");
    return Json(number);
  }

  std::string_view text_, name_;
  std::size_t at_ = 0;
};

}  // namespace detail

inline Json Json::parse(std::string_view text, std::string_view name) { return detail::JsonReader(text, name).read(); }

}  // namespace contrastive
