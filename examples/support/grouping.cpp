// SPDX-License-Identifier: MIT
#include "support/grouping.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>

#include "contrastive/data/subset.hpp"
#include "contrastive/eval/adjusted_rand.hpp"
#include "contrastive/eval/group_segmentation.hpp"
#include "contrastive/media/draw.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

/// The place of the ground in the list, -1 if it is not there, and all other words.
std::pair<std::int64_t, std::vector<std::string>> without_ground(const std::vector<std::string>& list,
                                                                 const std::string& ground) {
  std::vector<std::string> words = list;
  const auto at = std::ranges::find(words, ground);
  if (at == words.end()) return {-1, words};
  const std::int64_t place = at - words.begin();
  words.erase(at);
  return {place, words};
}

/// Scores of each kind of grouping.
struct GroupScores {
  SegmentationCounts named, by_truth;
  double rand = 0, images = 0;
  double rand_of_objects = 0, several = 0;  // of images that show objects of two classes or more

  explicit GroupScores(std::int64_t words) : named(words), by_truth(words) {}

  /// groups, found and truth: i64 (H, W) of one image; `ground` is the label of what is no object.
  void add(const Tensor& groups, const Tensor& found, const Tensor& truth, std::int64_t ground) {
    named.add(found, truth);
    by_truth.add(named_by_truth(groups, truth), truth);
    rand += adjusted_rand_index(groups, truth);
    const Tensor objects = truth.clone();
    for (std::int64_t& one : objects.span<std::int64_t>())
      if (one == ground) one = -1;
    ++images;
    const auto all = objects.span<std::int64_t>();
    const std::int64_t largest = *std::ranges::max_element(all);
    if (std::ranges::all_of(all, [&](std::int64_t one) { return one < 0 || one == largest; })) return;
    rand_of_objects += adjusted_rand_index(groups, objects);
    ++several;
  }
};

/// The labels of groups to those of pixels.
Tensor of_pixels(const Tensor& groups, std::span<const std::int64_t> words) {
  const Tensor found = groups.clone();
  for (std::int64_t& one : found.span<std::int64_t>()) one = words[static_cast<std::size_t>(one)];
  return found;
}

Gallery group_gallery(const GroupModel& model, const Segmenter& segmenter, const AnyDataset& set,
                      const std::function<void()>& alive) {
  Gallery gallery{
      "Groups and their words",
      "Each row: an image, its segments' groups after the first stage and after the second, and the word of "
      "each group. Masks took no part in training.",
      {"image", "first stage", "second stage", "words"},
      {}};
  Subset some{set, {}};
  for (std::size_t i = 0; i < std::min<std::size_t>(12, set.size()); ++i) some.indices.push_back(i);
  std::vector<std::string> words = segmenter.words;
  if (segmenter.ground >= 0) words[static_cast<std::size_t>(segmenter.ground)].clear();
  for_each_masked_batch(
      segmenter, some, alive, [&](const Tensor& images, const Tensor&, const std::vector<std::int64_t>& samples) {
        const GroupRows rows = model.groups(images);
        const Tensor first = model.pixel_groups(rows, images, 1),
                     second = model.pixel_groups(rows, images, rows.soft.size()),
                     found = model.named(second, rows, segmenter.words);
        std::vector<std::string> numbers;
        for (std::int64_t g = 0; g < rows.soft[0].size(2); ++g) numbers.push_back(join(g + 1));
        const std::vector<Image> shown = pictures_of(segmenter.view.view(), images);
        for (std::int64_t n = 0; n < std::ssize(samples); ++n) {
          const Image& image = shown[static_cast<std::size_t>(n)];
          const int factor = std::max(1, 256 / std::max(image.height, image.width));
          const auto drawn = [&](const Tensor& labels, const std::vector<std::string>& names) {
            return Picture(labelled_image(image, labels.slice(n, n + 1).span<std::int64_t>(), names, factor), 256);
          };
          gallery.rows.push_back({set.describe(static_cast<std::size_t>(samples[n])),
                                  {Picture(enlarged(image, factor), 256), drawn(first, numbers), drawn(second, numbers),
                                   drawn(found, words)}});
        }
      });
  return gallery;
}

}  // namespace

Tensor GroupModel::pixel_groups(const GroupRows& rows, const Tensor& images, std::size_t stages) const {
  const std::int64_t H = images.size(1), W = images.size(2);
  return contrastive::pixel_groups(patch_groups(std::span(rows.soft).first(stages)), H / patch, H, W);
}

std::vector<std::int64_t> GroupModel::words_of(const GroupRows& rows, const std::vector<std::string>& list) const {
  const auto [place, names] = without_ground(list, ground);
  const std::int64_t N = rows.groups.size(0), G = rows.groups.size(1), D = rows.groups.size(2);
  if (names.empty()) return std::vector<std::int64_t>(static_cast<std::size_t>(N * G), place);
  const Tensor text = words(names);
  std::vector<std::int64_t> all;
  for (std::int64_t n = 0; n < N; ++n) {
    const Tensor scores =
        group_word_scores(rows.groups.slice(n, n + 1).reshape({G, D}), rows.image.slice(n, n + 1), text, scale());
    for (std::int64_t word : words_of_groups(scores, place < 0 ? 0 : background)) {
      if (word < 0)
        word = place;
      else if (place >= 0 && word >= place)
        ++word;  // the list has the ground before it
      all.push_back(word);
    }
  }
  return all;
}

Tensor GroupModel::named(const Tensor& groups_of_pixels, const GroupRows& rows,
                         const std::vector<std::string>& list) const {
  const std::vector<std::int64_t> word = words_of(rows, list);
  const auto G = static_cast<std::size_t>(rows.groups.size(1));
  const Tensor found(groups_of_pixels.shape(), DType::i64);
  for (std::int64_t n = 0; n < found.size(0); ++n)
    found.slice(n, n + 1).copy_from(
        of_pixels(groups_of_pixels.slice(n, n + 1), std::span(word).subspan(static_cast<std::size_t>(n) * G, G)));
  return found;
}

Tensor GroupModel::segment(const Tensor& images, const std::vector<std::string>& list) const {
  const GroupRows rows = groups(images);
  return named(pixel_groups(rows, images, rows.soft.size()), rows, list);
}

void evaluate_groups(const GroupModel& trained, const GroupModel& untrained, const Segmenter& segmenter,
                     const OwnEvaluation& own) {
  if (!own.sets.test.defined() || !own.sets.test.parts().contains(Part::image | Part::mask)) {
    std::printf("no scores of groups: %s has no masks to compare them with\n", own.sets.train.name().c_str());
    return;
  }
  const AnyDataset test = random_subset(own.sets.test, 1000, Rng(own.settings.seed) / "eval limit" / "test");
  const auto V = static_cast<std::int64_t>(segmenter.words.size());
  GroupScores ours(V), began(V), whole(V);
  std::vector<std::string> objects = segmenter.words;
  if (segmenter.ground >= 0) objects.erase(objects.begin() + segmenter.ground);
  const Tensor text = trained.words(objects);
  for_each_masked_batch(
      segmenter, test, own.alive, [&](const Tensor& images, const Tensor& truth, const std::vector<std::int64_t>&) {
        const auto add = [&](GroupScores& scores, const GroupModel& model) {
          const GroupRows rows = model.groups(images);
          const Tensor groups = model.pixel_groups(rows, images, rows.soft.size()),
                       found = model.named(groups, rows, segmenter.words);
          for (std::int64_t n = 0; n < images.size(0); ++n)
            scores.add(groups.slice(n, n + 1), found.slice(n, n + 1), truth.slice(n, n + 1), segmenter.ground);
          return rows;
        };
        const GroupRows rows = add(ours, trained);
        add(began, untrained);
        const Tensor nearest = argmax(matmul(rows.image, text, false, true), 1);
        for (std::int64_t n = 0; n < images.size(0); ++n) {
          const Tensor one = truth.slice(n, n + 1), same = Tensor::zeros(one.shape(), DType::i64);
          std::int64_t word = nearest.data<std::int64_t>()[n];
          if (segmenter.ground >= 0 && word >= segmenter.ground) ++word;
          whole.add(same, of_pixels(same, std::span(&word, 1)), one, segmenter.ground);
        }
      });
  std::vector<std::int64_t> classes;
  for (std::int64_t c = 0; c < V; ++c)
    if (c != segmenter.ground && ours.named.shown(c)) classes.push_back(c);
  if (classes.empty()) return;
  std::printf("\n  %-24s %8s %14s %8s %12s\n", "groups of the test part", "mIoU", "named by truth", "ARI",
              "of objects");
  for (const auto& [what, key, scores] : {std::tuple("trained", "", &ours),
                                          {"as they began", "_untrained", &began},
                                          {"one word for the image", "_whole_image", &whole}}) {
    const double miou = scores->named.mean_iou(classes), best = scores->by_truth.mean_iou(classes),
                 rand = scores->rand / scores->images,
                 inside = scores->rand_of_objects / std::max(1.0, scores->several);
    std::printf("  %-24s %6.1f %% %12.1f %% %8.3f %12.3f\n", what, 100 * miou, 100 * best, rand, inside);
    own.summary[join("groups_mean_iou", key)] = miou;
    own.summary[join("groups_mean_iou_by_truth", key)] = best;
    own.summary[join("groups_ari", key)] = rand;
    own.summary[join("groups_ari_objects", key)] = inside;
  }
  std::fflush(stdout);
  own.report.galleries.push_back(group_gallery(trained, segmenter, test, own.alive));
}

}  // namespace app
