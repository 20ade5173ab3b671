// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/text/shared_file.hpp"

namespace contrastive {

/// A template such as "a photo of a {}." with a class's name in each place of `{}`. Throws if it has none.
inline std::string fill_template(std::string_view text, std::string_view name) {
  std::string out;
  std::size_t places = 0;
  for (;; ++places) {
    const std::size_t at = text.find("{}");
    out += text.substr(0, at);
    if (at == text.npos) break;
    out += name;
    text.remove_prefix(at + 2);
  }
  require(places > 0, "[templates] \"", text, "\" has no {} for the name of a class");
  return out;
}

namespace detail {

struct NumberedLine {
  std::size_t number;
  std::string text;
};

/// The lines of a text file that are not empty, without \r at their end.
inline std::vector<NumberedLine> lines_of(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<NumberedLine> lines;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ++number;
    if (!line.empty()) lines.push_back({number, line});
    begin = end + 1;
  }
  return lines;
}

/// A list that comes with the library, if `name` has neither a folder nor a dot in it, else the file of that path.
inline std::string list_path(const std::string& folder, const std::string& name) {
  return name.find_first_of("/.") == name.npos ? shared_file(folder + "/" + name + ".txt") : name;
}

}  // namespace detail

/// Prompt templates: `imagenet80` and `imagenet7` (Radford et al. 2021), `cifar`, `stl10`, `mnist`, `eurosat`, `dtd` and
/// `food101` (openai/CLIP, data/prompts.md), `simple`, or the path of a text file with one a line.
/// Throws `[share]` or `[read]` if there is no such list, `[templates]` with file and line if one has no `{}`.
inline std::vector<std::string> load_templates(const std::string& name) {
  const std::string path = detail::list_path("templates", name);
  std::vector<std::string> templates;
  for (const detail::NumberedLine& line : detail::lines_of(path)) {
    require(line.text.find("{}") != line.text.npos, "[templates] ", path, ", line ", line.number, ": \"", line.text,
            "\" has no {} for the name of a class");
    templates.push_back(line.text);
  }
  require(!templates.empty(), "[templates] ", path, " has no template");
  return templates;
}

/// Names of classes in the order of their labels: `imagenet` (OpenAI's 1,000, of which two occur twice), `cifar10`,
/// `cifar100`, `stl10`, `mnist`, `eurosat`, `dtd`, `food101`, or the path of a text file with one a line.
inline std::vector<std::string> load_class_names(const std::string& name) {
  const std::string path = detail::list_path("classes", name);
  std::vector<std::string> names;
  for (const detail::NumberedLine& line : detail::lines_of(path)) names.push_back(line.text);
  require(!names.empty(), "[classes] ", path, " has no name");
  return names;
}

}  // namespace contrastive
