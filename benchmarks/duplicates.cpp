// SPDX-License-Identifier: MIT
//
// What each step of `image_search duplicates` is worth, on a folder that benchmarks/peers/duplicates.py has made and searched
// (its names say which image is a copy of which): the encoder's cosine alone, the same less the mean cosine to its near
// images (score normalisation as in SSCD, Pizzi et al. 2022), the pixels after it, and the pixels after an encoder whose rows
// were shuffled, which must find less. A cosine is judged at the bound that is best on this very folder, pixels at the default.
//
//   duplicates WORK
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "contrastive/core/rng.hpp"
#include "contrastive/search/duplicates.hpp"
#include "contrastive/search/read_images.hpp"

using namespace contrastive;

namespace {

using Pair = std::pair<std::int64_t, std::int64_t>;

constexpr const char* kinds[] = {"part", "mirror", "jpeg", "half", "bars", "three"};

struct Folder {
  IndexFile index;
  std::vector<std::optional<SketchedImage>> sketches;
  std::vector<std::vector<float>> small;  // 32 x 32 grey values
  std::map<Pair, int> copies;             // their kind

  explicit Folder(const std::string& path)
      : index(IndexFile::open(path + "/.image_search.duplicates")), sketches(index.size()), small(index.size()) {
    require(!index.models().empty(), "[duplicates] ", path, ": its index has no rows");
    parallel_for(std::ssize(sketches), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
        const std::string file = path + "/" + std::string(index.path(n));
        const std::vector<std::byte> bytes = read_file(file);
        const Image image = decode_to_search(detail::bytes_of(bytes), file);
        sketches[n] = SketchedImage{PictureSketch(image), {image.height, image.width}};
        detail::sample_part(detail::grey_picture(image, 64), {}, 32, false, small[n]);
      }
    });
    for (std::size_t n = 0; n < index.size(); ++n) {
      const std::string name(index.path(n));  // 123456-00010.jpg is a copy of 00010.png
      if (name.size() != 16 || name[6] != '-') continue;
      const std::optional<std::size_t> original = index.find(name.substr(7, 5) + ".png");
      require(original.has_value(), "[duplicates] ", name, ": its original is not there");
      copies[place(n, *original)] = std::atoi(name.substr(7, 5).c_str()) / 10 % 6;
    }
    require(!copies.empty(), "[duplicates] ", path, ": no copies of benchmarks/peers/duplicates.py");
  }

  template <class N>
  static Pair place(N a, N b) {
    return {static_cast<std::int64_t>(std::min(a, b)), static_cast<std::int64_t>(std::max(a, b))};
  }

  /// Two pictures that were in the folder before, and differ by no more than noise: neither right nor wrong.
  bool own_duplicate(const Pair& pair) const {
    if (copies.contains(pair)) return false;
    const std::vector<float>& a = small[static_cast<std::size_t>(pair.first)];
    const std::vector<float>& b = small[static_cast<std::size_t>(pair.second)];
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    return sum <= 4 * static_cast<double>(a.size());
  }
};

void report(const Folder& folder, const char* what, const std::set<Pair>& pairs) {
  std::size_t said = 0, right = 0;
  int hit[6] = {}, all[6] = {};
  for (const auto& [pair, kind] : folder.copies) {
    ++all[kind];
    if (pairs.contains(pair)) ++hit[kind], ++right;
  }
  for (const Pair& pair : pairs) said += folder.own_duplicate(pair) ? 0 : 1;
  std::printf("%-34s precision %5.1f  recall %5.1f  ", what, 100.0 * right / std::max<std::size_t>(1, said),
              100.0 * right / folder.copies.size());
  for (int kind = 0; kind < 6; ++kind) std::printf(" %s %.0f", kinds[kind], 100.0 * hit[kind] / std::max(1, all[kind]));
  std::printf("\n");
}

/// Pairs of near images with their cosine, less `share` of the mean cosine that both have to their 10 nearest after the first.
std::map<Pair, double> cosines(const std::vector<std::vector<Hit>>& near, double share) {
  std::vector<double> usual;
  for (const std::vector<Hit>& hits : near) {
    double sum = 0;
    for (std::size_t i = 2; i < 12; ++i) sum += hits[i].score / 10;  // [0] is the image itself
    usual.push_back(sum);
  }
  std::map<Pair, double> scores;
  for (std::size_t n = 0; n < near.size(); ++n)
    for (const Hit& hit : near[n])
      if (hit.row != static_cast<std::int64_t>(n))
        scores[Folder::place(static_cast<std::int64_t>(n), hit.row)] =
            hit.score - share * (usual[n] + usual[static_cast<std::size_t>(hit.row)]) / 2;
  return scores;
}

/// The pairs above the bound that has the best F1.
std::set<Pair> best_above(const Folder& folder, const std::map<Pair, double>& scores) {
  std::vector<std::pair<double, Pair>> sorted;
  for (const auto& [pair, score] : scores)
    if (!folder.own_duplicate(pair)) sorted.push_back({score, pair});
  std::ranges::sort(sorted, std::greater<>());
  std::size_t right = 0, best = 0;
  double best_f1 = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    right += folder.copies.count(sorted[i].second);
    const double f1 = 2.0 * static_cast<double>(right) / static_cast<double>(i + 1 + folder.copies.size());
    if (f1 > best_f1) best_f1 = f1, best = i + 1;
  }
  std::set<Pair> pairs;
  for (std::size_t i = 0; i < best; ++i) pairs.insert(sorted[i].second);
  return pairs;
}

/// The largest image of each group that the command prints, with each of the others.
std::set<Pair> by_pixels(const Folder& folder, const RowTable& table) {
  const std::vector<std::uint8_t> allowed(folder.index.size(), 1);
  std::set<Pair> pairs;
  for (const DuplicateGroup& group :
       duplicate_groups(same_pairs(folder.index, table, allowed, folder.sketches), folder.sketches))
    for (std::size_t i = 1; i < group.images.size(); ++i)
      pairs.insert(Folder::place(group.images[0].row, group.images[i].row));
  return pairs;
}

void measure(const std::string& path) {
  const Folder folder(path);
  const RowTable& table = folder.index.models()[0].table;
  require(table.count > 32, "[duplicates] ", path, ": only ", table.count, " images");
  const Tensor queries({table.count, table.dimension});
  for (std::int64_t n = 0; n < table.count; ++n)
    std::copy_n(table.row(n), table.dimension, queries.data<float>() + n * table.dimension);
  const std::vector<std::vector<Hit>> near = search_rows(table, queries, 32);
  std::printf("%lld images, %zu copies; percent\n", static_cast<long long>(table.count), folder.copies.size());
  std::set<Pair> proposed;
  for (std::size_t n = 0; n < near.size(); ++n)
    for (std::size_t i = 0; i < DuplicateOptions().neighbours + 1; ++i)
      if (near[n][i].row != static_cast<std::int64_t>(n))
        proposed.insert(Folder::place(static_cast<std::int64_t>(n), near[n][i].row));
  report(folder, "proposed by the encoder", proposed);
  report(folder, "cosine at its best bound", best_above(folder, cosines(near, 0)));
  report(folder, "normalised cosine, likewise", best_above(folder, cosines(near, 1)));
  report(folder, "pixels (the command)", by_pixels(folder, table));

  std::vector<std::int64_t> order(static_cast<std::size_t>(table.count));
  std::iota(order.begin(), order.end(), 0);
  Stream stream(Rng(1) / "shuffle");
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(stream.uniform() * static_cast<double>(i))]);
  std::vector<f16> rows;
  for (const std::int64_t n : order) rows.insert(rows.end(), table.row(n), table.row(n) + table.width());
  report(folder, "pixels, rows shuffled",
         by_pixels(folder, {rows.data(), nullptr, nullptr, table.count, table.dimension}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: duplicates WORK, a folder that benchmarks/peers/duplicates.py has made\n");
    return 2;
  }
  try {
    measure(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
