// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/search/printable.hpp"
#include "support/search.hpp"

namespace app {

namespace {

void print_json(const SearchSession& session, const SearchAnswer& answer) {
  std::size_t rank = 0;
  for (const FoldedHit& folded : answer.hits) {
    const double share = answer.background.share_at_least(folded.hit.score);
    Json line;
    line["rank"] = ++rank;
    add_path(line, session.full_path(folded.hit.row));
    line["score"] = folded.hit.score;
    line["top_percent"] = 100 * share;
    line["match"] = answer.background.chance_of_best(folded.hit.score) < match_chance;
    line["words"] = answer.words(folded.hit);
    Json like_it = Json::array();
    for (const Hit& other : folded.like_it)
      like_it.push_back(contrastive::detail::as_utf8(session.full_path(other.row)));
    line["like_it"] = std::move(like_it);
    std::printf("%s\n", dump_json(line).c_str());
  }
}

void print_rows(const SearchSession& session, const SearchAnswer& answer, const SearchOptions& options) {
  if (!answer.matches)
    std::printf("nothing in %s looks like that; the nearest of %zu images:\n", printable(options.folder).c_str(),
                session.searched());
  std::size_t rank = 0;
  for (const FoldedHit& folded : answer.hits) {
    std::printf("%3zu  %-13s  %-12s  %s\n", ++rank, answer.words(folded.hit), answer.share(folded.hit).c_str(),
                printable(session.full_path(folded.hit.row)).c_str());
    if (!folded.like_it.empty())
      std::printf("       and %zu that look%s the same: %s%s\n", folded.like_it.size(),
                  folded.like_it.size() == 1 ? "s" : "", printable(session.full_path(folded.like_it[0].row)).c_str(),
                  folded.like_it.size() > 1 ? ", ..." : "");
  }
}

}  // namespace

void add_path(Json& line, const std::string& path) {
  line["path"] = contrastive::detail::as_utf8(path);
  if (line["path"] != path) line["path_base64"] = base64(path);
}

void write_sheet(const SearchSession& session, const std::vector<std::vector<std::int64_t>>& lines,
                 const std::string& path) {
  constexpr int side = 224, gap = 8;
  std::size_t columns = 0;
  for (const std::vector<std::int64_t>& line : lines) columns = std::max(columns, line.size());
  Image sheet(static_cast<int>(lines.size()) * (side + gap) + gap, static_cast<int>(columns) * (side + gap) + gap, 3);
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), std::uint8_t{245});
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (std::size_t k = 0; k < lines[i].size(); ++k) {
      Image small(side, side, 3);
      std::fill(small.pixels.begin(), small.pixels.end(), std::uint8_t{200});
      try {
        const std::string file = session.full_path(lines[i][k]);
        const std::vector<std::byte> bytes = read_file(file);
        const Image image = decode_to_search(contrastive::detail::bytes_of(bytes), file, [](int height, int width) {
          Region region = whole(height, width);
          region.reduce = reduction_for(height, width, side);
          return region;
        });
        small = thumbnail(image, side);
      } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", printable(error.what()).c_str());
      }
      const int top = gap + static_cast<int>(i) * (side + gap) + (side - small.height) / 2;
      const int left = gap + static_cast<int>(k) * (side + gap) + (side - small.width) / 2;
      for (int y = 0; y < small.height; ++y)
        for (int x = 0; x < small.width; ++x)
          for (int c = 0; c < 3; ++c)
            sheet.row(top + y)[(left + x) * 3 + c] = small.row(y)[x * small.channels + (small.channels == 3 ? c : 0)];
    }
  write_file(path, encode_png(sheet));
}

void print_answer(const SearchSession& session, const SearchAnswer& answer, const SearchOptions& options) {
  if (options.paths || options.zero) {
    for (const FoldedHit& folded : answer.hits) {
      const std::string path = session.full_path(folded.hit.row);
      std::fwrite(path.data(), 1, path.size(), stdout);  // its own bytes: another program reads them
      std::fputc(options.zero ? '\0' : '\n', stdout);
    }
  } else if (options.json) {
    print_json(session, answer);
  } else {
    print_rows(session, answer, options);
  }
  if (!options.sheet.empty()) {
    const auto columns = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(answer.hits.size()))));
    std::vector<std::vector<std::int64_t>> lines;
    for (std::size_t i = 0; i < answer.hits.size(); ++i) {
      if (i % columns == 0) lines.emplace_back();
      lines.back().push_back(answer.hits[i].hit.row);
    }
    write_sheet(session, lines, options.sheet);
  }
  require(std::fflush(stdout) == 0, "[write] the results could not be written in full");
}

void print_labels(const SearchSession& session, const SearchOptions& options) {
  const std::vector<std::string> names = load_class_names(options.classes);
  require(!names.empty(), "[classes] ", options.classes, " has no names");
  const Tensor classes = zero_shot_classifier(session.model().model, names, load_templates(options.templates));
  const RowTable& table = session.rows().table;
  const std::int64_t C = classes.size(0), D = table.dimension, block = 1024;
  const Tensor rows({block, D});
  for (std::int64_t begin = 0; begin < table.count; begin += block) {
    const std::int64_t count = std::min(block, table.count - begin);
    for (std::int64_t n = 0; n < count; ++n) std::copy_n(table.row(begin + n), D, rows.data<float>() + n * D);
    const Tensor scores = matmul(rows.slice(0, count), classes, false, true);  // (count, C)
    for (std::int64_t n = 0; n < count; ++n) {
      if (!session.allowed()[static_cast<std::size_t>(begin + n)]) continue;
      const float* const row = scores.data<float>() + n * C;
      const std::int64_t best = std::max_element(row, row + C) - row;
      const std::string& name = names[static_cast<std::size_t>(best)];
      if (options.json) {
        Json line;
        add_path(line, session.full_path(begin + n));
        line["label"] = name;
        line["score"] = row[best];
        std::printf("%s\n", dump_json(line).c_str());
      } else {
        std::printf("%s\t%.4f\t%s\n", name.c_str(), row[best], printable(session.full_path(begin + n)).c_str());
      }
    }
  }
  require(std::fflush(stdout) == 0, "[write] the labels could not be written in full");
}

}  // namespace app
