// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/batch.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/search/content_hash.hpp"
#include "contrastive/train/image_text.hpp"

namespace contrastive {

/// What comes of reading an image file once: the hash of its bytes, and why it is no image where it is none.
struct ReadImage {
  ContentHash hash;
  bool read = false;      // the bytes are there
  bool decoded = false;   // and are an image
  std::string complaint;  // one sentence where one of the two is not
};

/// A file as search sees and shows it: `decode_image`, but what is transparent is white, and blended at its edges, as on a
/// page. Its colour there is whatever a program left, often black.
inline Image decode_to_search(std::span<const std::uint8_t> file, const std::string& name, const CropPlan& plan = {}) {
  if (!detail::starts_with(file, "GIF8")) {
    const bool may_be_clear = detail::starts_with(file, "\x89PNG");
    return may_be_clear ? decode_on_white(file, name) : decode_image(file, name, plan);
  }
  detail::check_gif(file, name);
  return detail::decode_by_stb(file, name, max_image_pixels, true);
}

namespace detail {

/// An image in memory as a sample, decoded as far as `plan` asks.
inline Sample sample_of(std::span<const std::uint8_t> file, const std::string& name, const CropPlan& plan) {
  Sample sample;
  const CropPlan noting = [&](int height, int width) {
    sample.full = {height, width};
    return plan ? plan(height, width) : whole(height, width);
  };
  sample.image = decode_to_search(file, name, noting);
  if (sample.full.height == 0) sample.full = {sample.image.height, sample.image.width};
  return sample;
}

/// Prepares an image in memory for row `k` of the views; the complaint where it cannot be decoded.
inline std::string prepare_image(const AnyAugment& view, std::span<const std::uint8_t> file, const std::string& name,
                                 Views& views, std::size_t k) {
  try {
    read_views(view, Rng(0) / "search", views, k,
               [&](const CropPlan& plan) { return std::optional(sample_of(file, name, plan)); });
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace detail

/// Unit rows (n, D) f32 of image files that are all there, for queries. Throws where one cannot be read.
inline Tensor encode_image_files(const ImageTextModel& model, const std::vector<std::string>& paths) {
  const NoGrad no_grad;
  const Eval eval;
  Views views = detail::room_for(model.view, paths.size());
  for (std::size_t k = 0; k < paths.size(); ++k) {
    const std::vector<std::byte> file = read_file(paths[k]);
    detail::read_views(model.view, Rng(0) / "search", views, k, [&](const CropPlan& plan) {
      return std::optional(detail::sample_of(detail::bytes_of(file), paths[k], plan));
    });
  }
  return model.image_rows(views.view[0]).detach().to(DType::f32).to(Device::cpu);
}

/// Reads and hashes files; `wanted(k, hash)` says whether file k is to be encoded as well. Returns the rows (m, D) of
/// those that are and can be decoded, in their order.
template <class Wanted>
Tensor encode_new_files(const ImageTextModel& model, const std::vector<std::string>& paths,
                        std::vector<ReadImage>& results, Wanted&& wanted) {
  const NoGrad no_grad;
  const Eval eval;
  results.assign(paths.size(), {});
  Views views = detail::room_for(model.view, paths.size());
  parallel_for(static_cast<std::int64_t>(paths.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      ReadImage& result = results[k];
      std::vector<std::byte> file;
      try {
        file = read_file(paths[k]);
      } catch (const std::exception& error) {
        result.complaint = error.what();
        continue;
      }
      result.read = true;
      result.hash = content_hash(file);
      if (!wanted(k, result.hash)) continue;
      result.complaint = detail::prepare_image(model.view, detail::bytes_of(file), paths[k], views, k);
      result.decoded = result.complaint.empty();
    }
  });
  std::int64_t filled = 0;
  const Tensor& view = views.view[0];
  for (std::size_t k = 0; k < paths.size(); ++k) {
    if (!results[k].decoded) continue;
    const auto from = static_cast<std::int64_t>(k);
    if (filled != from) view.slice(filled, filled + 1).copy_from(view.slice(from, from + 1));
    ++filled;
  }
  if (filled == 0) return {};
  return model.image_rows(view.slice(0, filled)).detach().to(DType::f32).to(Device::cpu);
}

}  // namespace contrastive
