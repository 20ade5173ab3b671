// SPDX-License-Identifier: MIT

// GroupViT: what it is made of, groups and words that form from captions alone, and the control that must fail.

#include "contrastive/methods/group_vit.hpp"

#include <algorithm>

#include "contrastive/augment/prompt_view.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/caption_nouns.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/eval/adjusted_rand.hpp"
#include "contrastive/eval/group_segmentation.hpp"
#include "contrastive/eval/segmentation.hpp"
#include "contrastive/optim/schedule.hpp"
#include "contrastive/train/gradient_cache.hpp"
#include "methods/train_on.hpp"
#include "support/differences.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

/// A number for each word: 1 to 1023 by a hash; 0 pads.
struct HashTokenizer {
  void write(std::string_view text, std::span<std::int32_t> row) const {
    std::ranges::fill(row, 0);
    std::size_t place = 0;
    for (std::size_t begin = 0; begin < text.size() && place < row.size();) {
      const std::size_t end = std::min(text.find_first_of(" ,", begin), text.size());
      if (end > begin)
        row[place++] = static_cast<std::int32_t>(1 + (Rng(0) / text.substr(begin, end - begin)).key() % 1023);
      begin = end + 1;
    }
  }
};
/// The mean of the vectors of a text's words.
struct BagOfWords {
  Embedding table;
  explicit BagOfWords(Rng rng) : table(1024, 32, rng, 0.1) {}
  std::int64_t features() const { return 32; }
  Tensor operator()(const Tensor& ids) const { return mean(table(ids), 1); }
  template <class F>
  void members(F&& f) {
    f("table", table);
  }
};

/// Images of 16 pixels in two colours, one at the left or at the top, with the words of both.
struct Halves {
  std::size_t count;
  std::uint64_t seed;

  struct Drawn {
    std::size_t first, second;
    bool across;
    Stream noise;
  };
  Drawn draw(std::size_t i) const {
    Stream stream(Rng(seed) / "halves" / i);
    const auto first = static_cast<std::size_t>(stream.below(6)), step = static_cast<std::size_t>(stream.below(5));
    return {first, (first + 1 + step) % 6, stream.chance(0.5), stream};
  }
  static bool in_first(const Drawn& d, int y, int x) { return (d.across ? x : y) < 8; }

  std::size_t size() const { return count; }
  int label(std::size_t i) const { return static_cast<int>(draw(i).first); }
  std::vector<std::string> class_names() const { return {"red", "green", "blue", "yellow", "white", "black"}; }
  std::string name() const { return "halves"; }
  std::vector<std::string> texts(std::size_t i) const {
    const Drawn d = draw(i);
    return {"a " + class_names()[d.first] + " and a " + class_names()[d.second]};
  }
  LabelMap mask(std::size_t i) const {
    const Drawn d = draw(i);
    LabelMap mask(16, 16);
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x)
        mask.labels[static_cast<std::size_t>(16 * y + x)] =
            static_cast<std::uint16_t>(in_first(d, y, x) ? d.first : d.second);
    return mask;
  }
  Image image(std::size_t i) const {
    constexpr int colours[6][3] = {{200, 40, 40},  {40, 180, 40},   {40, 40, 200},
                                   {200, 200, 40}, {220, 220, 220}, {30, 30, 30}};
    Drawn d = draw(i);
    Image image(16, 16, 3);
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x)
        for (int c = 0; c < 3; ++c)
          image.row(y)[3 * x + c] = static_cast<std::uint8_t>(colours[in_first(d, y, x) ? d.first : d.second][c] +
                                                              static_cast<int>(d.noise.below(41)) - 20);
    return image;
  }
};

GroupVitConfig tiny_encoder() {
  GroupVitConfig config;
  config.image_size = 16, config.patch = 4, config.width = 32, config.heads = 2;
  config.depths = {1, 1, 1}, config.tokens = config.groups = {8, 4};
  return config;
}
GroupVitSettings tiny() {
  GroupVitSettings settings;
  settings.dimension = 32, settings.projector_hidden = 64, settings.prompts = 2;
  return settings;
}
auto views(const Halves& set, std::int64_t prompts = 2) {
  const OfPrompts texts(
      HashTokenizer(), 24,
      [find = CaptionNouns(set.class_names())](const std::string& caption) {
        std::vector<std::vector<std::string>> all;
        for (const std::string& noun : find(caption)) all.push_back({"a " + noun, "one " + noun});
        return all;
      },
      prompts);
  return SampleViews(clip_train(16), texts);
}
auto tiny_method(const Halves& set, std::uint64_t seed, const GroupVitSettings& settings = tiny()) {
  const Rng rng(seed);
  return group_vit(GroupVit(tiny_encoder(), rng / "image"), BagOfWords(rng / "text"), views(set, settings.prompts),
                   settings, rng);
}

struct Found {
  double iou = 0, rand = 0;
};
/// Of images that training did not show: words of pixels, and groups beside the truth.
template <class M>
Found segmented(const M& method, const Halves& test) {
  const NoGrad no_grad;
  const Eval eval;
  const HashTokenizer tokenizer;
  const auto V = static_cast<std::int64_t>(test.class_names().size());
  const Tensor ids = Tensor::zeros({V, 24}, DType::i32);
  for (std::int64_t v = 0; v < V; ++v)
    tokenizer.write("a " + test.class_names()[static_cast<std::size_t>(v)], ids.slice(v, v + 1).span<std::int32_t>());
  const Tensor words = method.online.template tower<1>()(ids);
  const OneView<CenterView> view = clip_view(16);
  SegmentationCounts counts(V);
  Found found;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const Tensor image({1, 16, 16, 3});
    view(test.image(i), Rng(0), std::vector<float*>{image.data<float>()}, {});
    const GroupRows rows = group_rows(method.online.template tower<0>(), image);
    const Tensor groups = pixel_groups(patch_groups(rows.soft), 4, 16, 16).reshape({16 * 16}), named = groups.clone();
    const auto word = words_of_groups(
        group_word_scores(rows.groups.reshape({4, 32}), rows.image, words, method.objective.scale.value()));
    for (std::int64_t& one : named.span<std::int64_t>()) one = word[static_cast<std::size_t>(one)];
    const Tensor truth({16 * 16}, DType::i64);
    const LabelMap mask = test.mask(i);
    for (std::size_t p = 0; p < mask.labels.size(); ++p) truth.span<std::int64_t>()[p] = mask.labels[p];
    counts.add(named, truth);
    found.rand += adjusted_rand_index(groups, truth) / static_cast<double>(test.size());
  }
  found.iou = counts.mean_iou();
  return found;
}

/// With a warm-up and half a cosine: at a constant rate, groups come and go until the end.
template <class M>
void train(M& method, const Halves& set, std::uint64_t seed, std::int64_t steps) {
  const WarmupCosine rate{.peak = 3e-3, .steps = static_cast<double>(steps), .warmup = 50};
  train_on(method, set, 32, seed, steps,
           [&](std::int64_t step) { return warmup_cosine(static_cast<double>(step), rate); });
}

}  // namespace

TEST_CASE("GroupViT's pixels take the words of captions alone; with another image's captions they do not", "[learns]") {
  const Halves learned{4000, seeded(11)}, test{100, seeded(12)};
  const std::uint64_t seed = seeded(1);
  auto method = tiny_method(learned, seed);
  const Found before = segmented(method, test);
  train(method, learned, seed, 1200);
  const Found after = segmented(method, test);
  GroupVitSettings control = tiny();
  control.shuffle_captions = true;
  auto shuffled = tiny_method(learned, seed, control);
  train(shuffled, learned, seed, 1200);
  const Found wrong = segmented(shuffled, test);
  std::printf("GroupViT, mIoU (ARI): %.3f (%.3f); before %.3f (%.3f), other captions %.3f (%.3f)\n", after.iou,
              after.rand, before.iou, before.rand, wrong.iou, wrong.rand);
  check_above("GroupViT's mIoU less that with another image's captions", after.iou - wrong.iou, 0);
  check_above("GroupViT's mIoU less that of an untrained one", after.iou - before.iou, 0);
}

TEST_CASE("GroupViT looks at images and texts alone, and every part of it learns") {
  const Halves set{32, 1};
  auto method = tiny_method(set, 3);
  CHECK(method.augment.parts() == (Part::image | Part::texts));  // no masks, no boxes, no labels
  Loader loader(set, method.augment, {.batch = 8, .threads = 0});
  const Views batch = loader.next()->views;
  CHECK(batch.view[1].shape() == Shape{8, 3, 24});
  // The group tokens of the second stage begin at 0 and move as all else does.
  const Tensor loss = method.loss(batch);
  CHECK(std::isfinite(loss.item()));
  loss.backward();
  each_parameter(method, [&](const std::string& name, Parameter& p) {
    INFO(name);
    CHECK((p.grad().defined() && largest(p.grad()) > 0));
  });
  const Embeddings z = method.embed(batch);
  CHECK(z.online[0].shape() == Shape{8, 32});
  CHECK(z.online[1].shape() == Shape{8, 3 * 32});
}

TEST_CASE("the objective is CLIP's loss and the multi-label loss; its options do what they say") {
  const std::int64_t N = 5, P = 3, D = 6;
  Embeddings z;
  z.online = {normalize(init::normal({N, D}, 1, Rng(1))),
              normalize(init::normal({N * (1 + P), D}, 1, Rng(2))).reshape({N, (1 + P) * D})};
  const Tensor ids({N, 1 + P, 2}, DType::i32);
  for (std::int64_t i = 0; i < ids.count(); ++i) ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(i);
  z.view = {Tensor::zeros({N, 4, 4, 3}), ids};
  const Tensor texts = z.online[1].reshape({N, 1 + P, D}), captions = narrow(texts, 1, 0, 1).reshape({N, D}),
               prompts = narrow(texts, 1, 1, 1 + P);
  CaptionAndPrompts both;
  both.prompt_scale.log_scale.copy_from(Tensor::full({}, 1.0));
  const double clip = clip_loss(z.online[0], captions, both.scale.log_scale).item();
  const auto near = [](double got, double want) { CHECK(std::abs(got - want) < 1e-5); };
  near(both(z).item(), clip + multi_label_loss(z.online[0], prompts, both.prompt_scale.log_scale).item());
  both.prompt_weight = 0.5, both.one_scale = true;
  near(both(z).item(), clip + 0.5 * multi_label_loss(z.online[0], prompts, both.scale.log_scale).item());
  both.shuffle_captions = true;
  const auto next = [](const Tensor& x) { return concat({x.slice(1, x.size(0)), x.slice(0, 1)}); };
  near(both(z).item(), clip_loss(z.online[0], next(captions), both.scale.log_scale).item() +
                           0.5 * multi_label_loss(z.online[0], next(prompts), both.scale.log_scale).item());
  both.shuffle_captions = false;
  // Two images with one caption: no negatives of each other, unless asked for.
  for (int k = 0; k < 2; ++k) ids.data<std::int32_t>()[(1 + P) * 2 + k] = ids.data<std::int32_t>()[k];
  both.prompt_weight = 0;
  CHECK(both(z).item() < clip - 1e-3);
  both.equal_are_negatives = true;
  near(both(z).item(), clip);
}

TEST_CASE("a batch in chunks sees the same noise twice, so that its gradient is of the loss that it gave") {
  // One image a chunk and no batch norm between: the image side alone.
  GroupVit net(tiny_encoder(), Rng(4));
  const Tensor images = init::normal({6, 16, 16, 3}, 1, Rng(5));
  std::vector<Tensor> first;
  {
    const NoGrad no_grad;
    for (int c = 0; c < 3; ++c) first.push_back(net(images.slice(2 * c, 2 * c + 2)));
  }
  const KeepStatistics again;
  for (int c = 0; c < 3; ++c) {
    CHECK(largest_difference(net(images.slice(2 * c, 2 * c + 2)), first[static_cast<std::size_t>(c)]) == 0);
    clear_tape();
  }
}

TEST_CASE("several texts of a sample go through one tower, side by side") {
  const EachText<BagOfWords> each{BagOfWords(Rng(6))};
  const Tensor ids({2, 3, 4}, DType::i32);
  for (std::int64_t i = 0; i < ids.count(); ++i) ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(7 * i % 31);
  const Tensor rows = each(ids), single = each(ids.reshape({6, 4}));
  CHECK(rows.shape() == Shape{2, 96});
  CHECK(largest_difference(rows.reshape({6, 32}), single) == 0);
  CHECK_THROWS_WITH(each(Tensor::zeros({2, 3, 4, 5}, DType::i32)),
                    Contains("[each_text] expected token ids (N, T, L)"));
}
