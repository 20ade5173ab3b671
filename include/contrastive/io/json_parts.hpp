// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/compiled.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/io/json.hpp"

namespace contrastive {

namespace detail {

/// What nlohmann's parser tells about a text, put together and checked. Its own `parse` with a callback takes quadratic
/// time over the members of an object, and without one it takes repeated names.
class JsonBuilder {
 public:
  explicit JsonBuilder(std::string_view file) : file_(file) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // not in a text
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    name_ = std::move(name);
    return true;
  }

  bool end_object() {
    std::set<std::string_view> names;
    for (const auto& [name, value] : open_.back()->get_ref<const Json::object_t&>())
      require(names.insert(name).second, "[json] ", file_, ": member \"", name, "\" appears twice");
    return close();
  }

  [[noreturn]] bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    fail("[json] ", file_, ": ", sentence_of(error));
  }

  Json root;

 private:
  Json& put(Json value) {
    if (open_.empty()) return root = std::move(value);
    if (open_.back()->is_array()) return open_.back()->emplace_back(std::move(value));
    return open_.back()->get_ref<Json::object_t&>().emplace_back(std::move(name_), std::move(value)).second;
  }

  bool add(Json value) {
    put(std::move(value));
    return true;
  }

  bool open(Json value) {
    require(open_.size() < 64, "[json] ", file_, ": nesting deeper than 64 levels");
    open_.push_back(&put(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view file_;
  std::string name_;         // of the member that comes
  std::vector<Json*> open_;  // what is not complete yet, outermost first
};

}  // namespace detail

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE Json parse_json(std::string_view text, std::string_view name) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) fail("[json] ", name, ": UTF-16, expected UTF-8");
  require(text.find('\0') == text.npos, "[json] ", name, ": a byte 0, where nlohmann-json would end");
  detail::JsonBuilder builder(name);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder.root);
}

CONTRASTIVE_ONCE std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
