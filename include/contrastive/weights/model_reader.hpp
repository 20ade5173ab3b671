// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/weights/layouts.hpp"
#include "contrastive/weights/model_facts.hpp"

/// What a model's sizes are read with, from its tensors and from what is known beside them. Both gather what is missing, so
/// that one sentence tells all of it.
namespace contrastive::detail {

inline std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

/// Reads sizes off shapes, by our names; what is missing or has another number of axes is told by `finish`.
class SizeReader {
 public:
  SizeReader(const TensorMap& tensors, WeightLayout layout, bool siglip_image, std::string file)
      : tensors_(tensors), layout_(layout), siglip_image_(siglip_image), file_(std::move(file)) {}

  bool has(const std::string& ours) const { return tensors_.contains(piece(ours).name); }
  std::int64_t operator()(const std::string& ours, int axis, int rank) {
    const WeightPiece where = piece(ours);
    const auto found = tensors_.find(where.name);
    const int there = rank + (where.leading_one ? 1 : 0);
    if (found == tensors_.end()) return problem(join("missing ", where.name));
    if (found->second.rank() != there || found->second.count() == 0)
      return problem(join(where.name, " ", found->second.shape(), " instead of ", there, " axes"));
    if (where.transposed) axis = 1 - axis;
    const std::int64_t size = found->second.size(axis + (where.leading_one ? 1 : 0));
    return axis == 0 ? size * 3 / (where.last - where.first) : size;
  }
  /// How many different numbers follow a name, as in `visual.transformer.resblocks.`.
  int numbers_after(const std::string& ours_before, const std::string& ours_after) {
    const std::string sample = piece(ours_before + "0" + ours_after).name;
    const std::string before = sample.substr(0, sample.find("0."));
    std::set<std::string> numbers;
    for (auto at = tensors_.lower_bound(before); at != tensors_.end() && at->first.starts_with(before); ++at)
      numbers.insert(at->first.substr(before.size(), at->first.find('.', before.size()) - before.size()));
    if (numbers.empty()) problem(join("missing ", before, "*"));
    return static_cast<int>(numbers.size());
  }
  /// The side of a square grid of positions, of which `more` are no cells.
  int grid_side(const std::string& ours, int more) {
    const std::int64_t rows = (*this)(ours, 0, 2) - more;
    const auto side =
        static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(std::max<std::int64_t>(rows, 0)))));
    if (tensors_.contains(piece(ours).name) && (side < 1 || side * side != rows))
      problem(join(piece(ours).name, " has positions for ", rows, " cells, which is no square"));
    return static_cast<int>(std::max<std::int64_t>(side, 1));
  }
  void finish() const {
    require(problems_.empty(), "[weights] ", file_, ": the model's sizes cannot be read: ", joined(problems_));
  }

 private:
  WeightPiece piece(const std::string& ours) const {
    const auto pieces = pieces_of(layout_, ours, siglip_image_);
    return pieces.empty() ? WeightPiece{ours} : pieces.front();
  }
  std::int64_t problem(std::string text) {
    if (std::find(problems_.begin(), problems_.end(), text) == problems_.end()) problems_.push_back(std::move(text));
    return 1;
  }

  const TensorMap& tensors_;
  WeightLayout layout_;
  bool siglip_image_;
  std::string file_;
  std::vector<std::string> problems_;
};

/// Takes what is needed from the facts; what is not there is told by `finish`, with its flag.
class FactReader {
 public:
  FactReader(const ModelFacts& facts, std::string file) : facts_(facts), file_(std::move(file)) {}

  template <class T>
  T need(const std::optional<T>& fact, const char* what, const char* flag) {
    if (!fact) unknown_.insert(join("the ", what, " (--", flag, ")"));
    return fact.value_or(T());
  }
  int heads(const std::optional<std::int64_t>& known, std::int64_t width, const char* tower) {
    const std::int64_t head = facts_.head_width.value_or(0);
    if (!known && head > 0)
      require(width % head == 0, "[weights] ", file_, ": a head width of ", head, " does not divide the ", tower,
              " tower's width of ", width);
    const std::optional<std::int64_t> count = known ? known : head > 0 ? std::optional(width / head) : std::nullopt;
    const std::int64_t heads = need(count, "width of an attention head", "head-width");
    require(!count || (heads >= 1 && width % heads == 0), "[weights] ", file_, ": ", heads, " heads do not divide the ",
            tower, " tower's width of ", width);
    return static_cast<int>(heads);
  }
  /// A configuration that says something else than the tensors is another model's.
  void same(const std::optional<std::int64_t>& said, std::int64_t seen, const char* what) const {
    require(!said || *said == seen, "[weights] ", file_, ": the configuration says ", said.value_or(0), " for the ",
            what, ", the tensors ", seen, ": is it another model's?");
  }
  void only(bool available, const char* what) const {
    require(available, "[weights] ", file_, ": this ", what, " is not available for its towers");
  }
  void finish() const {
    const std::vector<std::string> all(unknown_.begin(), unknown_.end());
    require(all.empty(), "[weights] ", file_, ": its tensors do not say ", joined(all),
            ", and neither do its metadata or a configuration file next to it; a flag can (--like openai says all for ",
            "OpenAI's weights)");
  }

 private:
  const ModelFacts& facts_;
  std::string file_;
  std::set<std::string> unknown_;
};

}  // namespace contrastive::detail
