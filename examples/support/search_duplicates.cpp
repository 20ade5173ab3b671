// SPDX-License-Identifier: MIT
#include <cstdio>
#include <filesystem>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/search/duplicates.hpp"
#include "contrastive/search/printable.hpp"
#include "support/search.hpp"
#include "support/search_progress.hpp"

namespace app {

namespace {

using Sketches = std::vector<std::optional<SketchedImage>>;

/// Of the images that count; one that has gone since has none.
Sketches sketch_images(const SearchSession& session) {
  Sketches sketches(session.index().size());
  parallel_for(std::ssize(sketches), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      if (!session.allowed()[static_cast<std::size_t>(n)]) continue;
      const std::string file = session.full_path(n);
      try {
        const std::vector<std::byte> bytes = read_file(file);
        ImageSize full;
        const Image image = decode_to_search(contrastive::detail::bytes_of(bytes), file, [&](int height, int width) {
          full = {height, width};
          Region region = whole(height, width);
          region.reduce = reduction_for(height, width, 256);
          return region;
        });
        if (full.height == 0) full = {image.height, image.width};  // of formats that are decoded whole
        sketches[static_cast<std::size_t>(n)] = SketchedImage{PictureSketch(image), full};
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", printable(error.what()).c_str());
      }
    }
  });
  return sketches;
}

void print_json(const SearchSession& session, const DuplicateGroup& group, const Sketches& sketches) {
  Json images = Json::array();
  for (const Hit& hit : group.images) {
    const ImageSize size = sketches[static_cast<std::size_t>(hit.row)]->size;
    Json image;
    add_path(image, session.full_path(hit.row));
    image["width"] = size.width;
    image["height"] = size.height;
    image["score"] = hit.score;
    images.push_back(std::move(image));
  }
  Json line;
  line["images"] = std::move(images);
  std::printf("%s\n", dump_json(line).c_str());
}

void print_group(const SearchSession& session, const DuplicateGroup& group, const Sketches& sketches) {
  for (const Hit& hit : group.images) {
    const ImageSize size = sketches[static_cast<std::size_t>(hit.row)]->size;
    std::printf("%6d x %-6d %.2f  %s\n", size.width, size.height, hit.score,
                printable(session.full_path(hit.row)).c_str());
  }
  std::printf("\n");
}

}  // namespace

void print_duplicates(const SearchSession& session, const SearchOptions& options) {
  const Sketches sketches = sketch_images(session);
  IndexProgress bar;
  const std::vector<SamePair> pairs =
      same_pairs(session.index(), session.rows().table, session.allowed(), sketches, {.bound = options.threshold},
                 [&](std::size_t done, std::size_t all) { bar.show(done, all); });
  bar.finish();
  const std::vector<DuplicateGroup> groups = duplicate_groups(pairs, sketches);
  std::size_t more = 0;
  std::vector<std::vector<std::int64_t>> rows;
  for (const DuplicateGroup& group : groups) {
    more += group.images.size() - 1;
    rows.emplace_back();
    for (const Hit& hit : group.images) rows.back().push_back(hit.row);
    if (options.paths || options.zero) {
      for (std::size_t i = 1; i < group.images.size(); ++i) {
        const std::string path = session.full_path(group.images[i].row);
        std::fwrite(path.data(), 1, path.size(), stdout);  // its own bytes: another program reads them
        std::fputc(options.zero ? '\0' : '\n', stdout);
      }
    } else if (options.json) {
      print_json(session, group, sketches);
    } else {
      print_group(session, group, sketches);
    }
  }
  constexpr std::size_t most_lines = 100;  // a picture of more is too tall to look at
  if (rows.size() > most_lines) rows.resize(most_lines);
  if (!options.sheet.empty() && !rows.empty()) write_sheet(session, rows, options.sheet);
  require(std::fflush(stdout) == 0, "[write] the duplicates could not be written in full");
  std::fprintf(stderr, "%s: %zu images, %zu pictures more than once, %zu images beside the largest of each\n",
               printable(options.folder).c_str(), session.searched(), groups.size(), more);
}

}  // namespace app
