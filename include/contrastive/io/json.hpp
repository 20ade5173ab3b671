// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/utf8.hpp"

namespace contrastive {

/// A small JSON value (RFC 8259): enough for the headers of weight files and the notes that a run leaves behind.
/// Objects keep the order of their members. Whole numbers that fit are int64, all others double.
class Json {
 public:
  using Array = std::vector<Json>;
  struct Member;
  using Object = std::vector<Member>;

  Json();
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  Json(std::nullptr_t);
  Json(bool value);
  Json(std::integral auto value);
  Json(std::floating_point auto value);
  Json(const char* value);
  Json(std::string_view value);
  Json(std::string value);
  Json(Array value);
  Json(Object value);

  static Json array();
  static Json object();

  bool is_null() const { return kind_ == Kind::null; }
  bool is_bool() const { return kind_ == Kind::boolean; }
  bool is_integer() const { return kind_ == Kind::integer; }
  bool is_number() const { return kind_ == Kind::integer || kind_ == Kind::number; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  /// The value as a type; throws `[json] expected a number, got a string`.
  bool as_bool() const { return expect(is_bool(), "true or false").integer_ != 0; }
  std::int64_t as_integer() const { return expect(is_integer(), "a whole number").integer_; }
  double as_number() const {
    return is_integer() ? static_cast<double>(integer_) : expect(is_number(), "a number").number_;
  }
  const std::string& as_string() const { return expect(is_string(), "a string").string_; }
  const Array& as_array() const { return expect(is_array(), "an array").array_; }
  const Object& as_object() const { return expect(is_object(), "an object").object_; }

  /// The member of that name, or null when there is none or this is no object.
  const Json* find(std::string_view name) const;

  /// The member of that name; throws when there is none.
  const Json& at(std::string_view name) const;

  /// The member of that name, added when there is none; null becomes an object.
  Json& operator[](std::string_view name);

  /// Appends to an array; null becomes one.
  void push_back(Json value);

  /// `indent` 0: one line, else that many spaces a level (arrays of plain values stay on one line). NaN and infinite
  /// numbers, which JSON lacks, become null.
  std::string dump(int indent = 0) const;

  /// Reads one complete text; `name` is the file's, for messages. Throws on anything that is not strict JSON, on
  /// repeated member names and beyond 64 levels of nesting. A byte-order mark of UTF-8 at the start is skipped.
  static Json parse(std::string_view text, std::string_view name = "text");

  /// "a string", for messages.
  const char* kind() const {
    constexpr const char* names[] = {"null",     "true or false", "a whole number", "a number",
                                     "a string", "an array",      "an object"};
    return names[static_cast<int>(kind_)];
  }

 private:
  enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

  const Json& expect(bool good, const char* expected) const {
    require(good, "[json] expected ", expected, ", got ", kind());
    return *this;
  }

  void write(std::string& out, int indent, int level) const;

  Kind kind_ = Kind::null;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::string string_;
  Array array_;
  Object object_;
};

struct Json::Member {
  std::string name;
  Json value;
};

// Here rather than in the class: a vector of Member needs its definition.
inline Json::Json() = default;
inline Json::Json(const Json&) = default;
inline Json::Json(Json&&) noexcept = default;
inline Json& Json::operator=(const Json&) = default;
inline Json& Json::operator=(Json&&) noexcept = default;
inline Json::~Json() = default;
inline Json::Json(std::nullptr_t) {}
inline Json::Json(bool value) : kind_(Kind::boolean), integer_(value) {}
Json::Json(std::integral auto value) : kind_(Kind::integer), integer_(static_cast<std::int64_t>(value)) {}
Json::Json(std::floating_point auto value) : kind_(Kind::number), number_(static_cast<double>(value)) {}
inline Json::Json(const char* value) : kind_(Kind::string), string_(value) {}
inline Json::Json(std::string_view value) : kind_(Kind::string), string_(value) {}
inline Json::Json(std::string value) : kind_(Kind::string), string_(std::move(value)) {}
inline Json::Json(Array value) : kind_(Kind::array), array_(std::move(value)) {}
inline Json::Json(Object value) : kind_(Kind::object), object_(std::move(value)) {}
inline Json Json::array() { return Json(Array{}); }
inline Json Json::object() { return Json(Object{}); }

inline const Json* Json::find(std::string_view name) const {
  for (const Member& member : object_)
    if (member.name == name) return &member.value;
  return nullptr;
}

inline const Json& Json::at(std::string_view name) const {
  const Json* member = find(name);
  require(member, "[json] no member \"", name, "\" in ", kind());
  return *member;
}

inline Json& Json::operator[](std::string_view name) {
  if (is_null()) kind_ = Kind::object;
  expect(is_object(), "an object");
  for (Member& member : object_)
    if (member.name == name) return member.value;
  object_.push_back({std::string(name), Json()});
  return object_.back().value;
}

inline void Json::push_back(Json value) {
  if (is_null()) kind_ = Kind::array;
  expect(is_array(), "an array");
  array_.push_back(std::move(value));
}

namespace detail {

/// Bytes that are not UTF-8 are taken for Latin-1: a JSON text is UTF-8 whatever it quotes.
inline void write_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (char c : as_utf8(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", c);
      out += code;
    }
  }
  out += '"';
}

/// The shortest decimal that reads back as the same double.
inline std::string shortest(double value) {
  char digits[40];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace detail

inline std::string Json::dump(int indent) const {
  std::string out;
  write(out, indent, 0);
  return out;
}

inline void Json::write(std::string& out, int indent, int level) const {
  const auto line = [&](int depth) {
    if (indent) out += '\n', out.append(static_cast<std::size_t>(indent * depth), ' ');
  };
  switch (kind_) {
    case Kind::null: out += "null"; return;
    case Kind::boolean: out += integer_ ? "true" : "false"; return;
    case Kind::integer: out += std::to_string(integer_); return;
    case Kind::number: out += std::isfinite(number_) ? detail::shortest(number_) : "null"; return;
    case Kind::string: detail::write_json_string(out, string_); return;
    case Kind::array: {
      bool plain = true;
      for (const Json& value : array_) plain = plain && !value.is_array() && !value.is_object();
      out += '[';
      for (std::size_t i = 0; i < array_.size(); ++i) {
        if (i) out += plain && indent ? ", " : ",";
        if (!plain) line(level + 1);
        array_[i].write(out, indent, level + 1);
      }
      if (!plain) line(level);
      out += ']';
      return;
    }
    case Kind::object:
      out += '{';
      for (std::size_t i = 0; i < object_.size(); ++i) {
        if (i) out += ',';
        line(level + 1);
        detail::write_json_string(out, object_[i].name);
        out += indent ? ": " : ":";
        object_[i].value.write(out, indent, level + 1);
      }
      if (!object_.empty()) line(level);
      out += '}';
  }
}

}  // namespace contrastive

#include "contrastive/io/json_reader.hpp"  // IWYU pragma: export
