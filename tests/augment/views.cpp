// SPDX-License-Identifier: MIT
//
// Whole augmentations: the concept, the draws' independence, the recipes, odd pictures.
#include <cmath>
#include <cstring>

#include "augment/golden_image.hpp"
#include "contrastive/augment/image_ops.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/square.hpp"
#include "contrastive/io/json.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

struct NotAnAugmentation {
  std::vector<ViewSpec> views() const { return {}; }
};
static_assert(!Augment<NotAnAugmentation>);
static_assert(!Transform<int> && Transform<RandomFlip> && Transform<RandomApply<ColorJitter>> && !Transform<Normalize>);
static_assert(OutputStep<Normalize> && CropStep<RandomResizedCrop> && CropStep<CenterCrop> && !CropStep<RandomFlip>);
static_assert(PlannedAugment<TwoViews<SimClrView>> && PlannedAugment<MultiCrop<DinoView, DinoView, DinoView>> &&
              PlannedAugment<OneView<CenterView>> && PlannedAugment<TwoViews<SimClrView, MocoV1View>>);

/// A step of one's own.
struct Darken {
  void operator()(Canvas& canvas, Stream& stream, Drawn&) const {
    const auto by = static_cast<std::uint8_t>(1 + stream.below(4));
    for (int c = 0; c < canvas.channels(); ++c)
      for (std::int64_t i = 0; i < canvas.count(); ++i)
        canvas.plane(c)[i] = static_cast<std::uint8_t>(canvas.plane(c)[i] / by);
  }
};

template <class A>
std::vector<std::vector<float>> run(const A& a, const Image& image, Rng rng, std::vector<Drawn>* drawn = nullptr) {
  std::vector<std::vector<float>> views;
  std::vector<float*> out;
  for (const ViewSpec& spec : a.views()) views.emplace_back(static_cast<std::size_t>(spec.one.count()), NAN);
  for (auto& view : views) out.push_back(view.data());
  if (drawn) drawn->assign(views.size(), Drawn{});
  a(image, rng, std::span<float* const>(out), drawn ? std::span<Drawn>(*drawn) : std::span<Drawn>());
  return views;
}

template <class A>
void check_recipe(const A& a, std::size_t count, std::size_t globals) {
  CHECK(a.views().size() == count);
  CHECK(a.globals() == globals);
  std::vector<Image> images{formula_image("recipe", 50, 60), formula_image("recipe", 1, 1),
                            formula_image("recipe", 3, 5), formula_image("recipe", 1, 400),
                            formula_image("recipe", 300, 2)};
  images.push_back(to_grayscale(images[0]));
  for (const Image& image : images)
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      std::vector<Drawn> drawn;
      const auto first = run(a, image, Rng(seed), &drawn), again = run(a, image, Rng(seed));
      for (std::size_t v = 0; v < first.size(); ++v) {
        for (const float x : first[v]) REQUIRE((std::isfinite(x) && std::fabs(x) < 4));
        CHECK(std::memcmp(first[v].data(), again[v].data(), first[v].size() * sizeof(float)) == 0);
        CHECK(drawn[v].crop == a.crop(v, {image.height, image.width}, Rng(seed)));
        const CropBox& box = drawn[v].crop;
        CHECK((box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
               box.top + box.height <= image.height && box.left + box.width <= image.width));
      }
    }
}

}  // namespace

TEST_CASE("every recipe makes its views of any picture", "[augment]") {
  check_recipe(simclr(32), 2, 2);
  check_recipe(simclr_v1(32, 0.5), 2, 2);
  check_recipe(simclr_cifar(), 2, 2);
  check_recipe(simclr_grey(), 2, 2);
  check_recipe(moco_v1(40), 2, 2);
  check_recipe(moco_v2(40), 2, 2);
  check_recipe(moco_v2_cifar(), 2, 2);
  check_recipe(simsiam_cifar(), 2, 2);
  check_recipe(instdisc(40), 1, 1);
  check_recipe(instdisc_cifar(), 1, 1);
  check_recipe(invaspread(), 2, 2);
  check_recipe(cmc(40), 1, 1);
  check_recipe(cmc_ycbcr(40, 0.08), 1, 1);
  check_recipe(cmc_center_view(20, 24), 1, 1);
  check_recipe(cmc_ycbcr_center_view(20, 24), 1, 1);
  check_recipe(cpc(), 1, 1);
  check_recipe(cpc(32, 36, 3), 1, 1);
  check_recipe(byol(33), 2, 2);
  check_recipe(byol_cifar(), 2, 2);
  check_recipe(swav(48, 21), 8, 2);
  check_recipe(dino(48, 20), 10, 2);
  check_recipe(mae(50), 1, 1);
  check_recipe(center_view(28, 32, imagenet_statistics), 1, 1);
  check_recipe(clip_view(32), 1, 1);
}

TEST_CASE("the recipes' settings", "[augment]") {
  CHECK(simclr(224).first.step<RandomApply<GaussianBlur>>().step.kernel == 23);
  CHECK(simclr(224, 0.5).first.step<RandomApply<ColorJitter>>().step.hue == Approx(0.1));
  CHECK(simclr_cifar().first.step<RandomApply<GaussianBlur>>().p == 0.0);
  CHECK(simclr_v1().first.step<RandomApply<ColorJitter>>().step.additive);
  CHECK(instdisc().first.step<ColorJitter>().hue == Approx(0.4));
  CHECK(instdisc_cifar().first.step<RandomFlip>().p == 0.0);
  CHECK(invaspread().second.step<RandomFlip>().p == 0.5);
  CHECK(invaspread().first.crop_step().area.low == 0.2);
  CHECK(byol().first.step<RandomApply<GaussianBlur>>().p == 1.0);
  CHECK(byol().second.step<RandomSolarize>().p == 0.2);
  CHECK(moco_v2().first.crop_step().area.low == 0.2);
  CHECK(swav().views()[2].size() == 96);
  CHECK(swav().local.crop_step().area.high == 0.14);
  CHECK(dino().views().size() == 10);
  CHECK(dino().second.step<RandomSolarize>().p == 0.2);
  CHECK(dino().local.step<RandomApply<PillowBlur>>().p == 0.5);
  CHECK(simclr_grey().views()[0].channels() == 1);
}

TEST_CASE("views differ from each other and between pictures' streams", "[augment]") {
  const Image image = formula_image("views", 64, 64);
  const auto a = simclr(32);
  const auto one = run(a, image, Rng(1) / 7), other = run(a, image, Rng(1) / 8);
  CHECK(one[0] != one[1]);
  CHECK(one[0] != other[0]);
  // View v draws from rng / v alone: the first view is the same with and without the others.
  CHECK(run(OneView(a.first), image, Rng(1) / 7)[0] == one[0]);
  CHECK(run(TwoViews(a.first, moco_v1(32).first), image, Rng(1) / 7)[0] == one[0]);
}

TEST_CASE("the batch does not depend on order or threads", "[augment]") {
  std::vector<Image> images;
  std::vector<std::int64_t> sample;
  for (int n = 0; n < 13; ++n) {
    images.push_back(formula_image("batch" + std::to_string(n), 20 + 3 * n, 50 - 2 * n));
    sample.push_back(100 + 7 * n);
  }
  const auto a = dino(32, 16, 3);
  const Views all = make_views(a, std::span<const Image>(images), std::span<const std::int64_t>(sample), Rng(3), true);
  REQUIRE(all.view.size() == 5);
  CHECK(all.view[0].shape() == Shape{13, 32, 32, 3});
  CHECK(all.view[4].shape() == Shape{13, 16, 16, 3});
  CHECK(all.globals == 2);
  CHECK(all.drawn[12][4].crop.height > 0);

  const int before = threads();
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    std::vector<Image> turned(images.rbegin(), images.rend());
    std::vector<std::int64_t> turned_sample(sample.rbegin(), sample.rend());
    const Views back =
        make_views(a, std::span<const Image>(turned), std::span<const std::int64_t>(turned_sample), Rng(3));
    for (std::size_t v = 0; v < 5; ++v) {
      const std::int64_t size = all.view[v].count() / 13;
      for (std::int64_t n = 0; n < 13; ++n)
        CHECK(std::memcmp(all.view[v].data<float>() + n * size, back.view[v].data<float>() + (12 - n) * size,
                          static_cast<std::size_t>(size) * sizeof(float)) == 0);
    }
  }
  set_threads(before);
}

TEST_CASE("a view is its steps one after another", "[augment]") {
  const Image image = formula_image("steps", 47, 71);
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::vector<Drawn> drawn;
    const auto views = run(moco_v2(37), image, Rng(seed), &drawn);
    for (std::size_t v = 0; v < 2; ++v) {
      const Drawn& d = drawn[v];
      Image expected = resized_crop(image, d.crop, 37, 37);
      for (const std::int8_t op : d.order) {
        if (op == 0) expected = adjust_brightness(expected, d.brightness);
        if (op == 1) expected = adjust_contrast(expected, d.contrast);
        if (op == 2) expected = adjust_saturation(expected, d.saturation);
        if (op == 3) expected = adjust_hue(expected, d.hue);
      }
      if (d.grey) expected = to_grayscale(expected, 3);
      if (d.sigma > 0) expected = pillow_blur(expected, d.sigma);
      if (d.flipped) expected = hflip(expected);
      double worst = 0;
      for (std::size_t i = 0; i < views[v].size(); ++i) {
        const std::size_t c = i % 3;
        const double x = (expected.pixels[i] / 255.0 - imagenet_statistics.mean[c]) / imagenet_statistics.std[c];
        worst = larger(worst, std::fabs(views[v][i] - static_cast<float>(x)));
      }
      CHECK(worst < 1e-6f);
    }
  }
}

TEST_CASE("CLIP's view is the official one, normalised", "[augment]") {
  const Golden golden = load_golden("augment/clip_preprocess.safetensors");
  for (const std::string name : {"p0", "p1"}) {
    const auto view = run(clip_view(32), golden_image(golden, name + "/input"), Rng(0))[0];
    const auto expected = golden.tensor(name + "/normalised").span<float>();  // (3, 32, 32)
    double worst = 0;
    for (std::size_t i = 0; i < view.size(); ++i)
      worst = larger(worst, std::fabs(view[i] - expected[(i % 3) * 1024 + i / 3]));
    CHECK(worst < 1e-6f);
  }
}

TEST_CASE("draws depend on the full size alone, so a reduced decode sees the same part", "[augment]") {
  const Image image = formula_image("reduced", 120, 160);
  Image half(60, 80, 3);
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 80 * 3; ++x) {
      const int left = (x / 3 * 2) * 3 + x % 3;
      half.row(y)[x] = static_cast<std::uint8_t>((image.row(2 * y)[left] + image.row(2 * y)[left + 3] +
                                                  image.row(2 * y + 1)[left] + image.row(2 * y + 1)[left + 3] + 2) /
                                                 4);
    }
  const OneView view(MaeView(RandomResizedCrop{24, {0.3, 1.0}}, RandomFlip{}, Normalize{}));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> whole(24 * 24 * 3), reduced(24 * 24 * 3);
    std::array<float*, 1> out{whole.data()}, out_reduced{reduced.data()};
    Drawn a, b;
    view(image, Rng(seed), out, std::span<Drawn>(&a, 1));
    view(half, {120, 160}, Rng(seed), out_reduced, std::span<Drawn>(&b, 1));
    CHECK(a.crop == b.crop);
    CHECK(a.flipped == b.flipped);
    double difference = 0, contrast = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      difference += std::fabs(whole[i] - reduced[i]);
      contrast += std::fabs(whole[i] - whole[(i + 3 * 24 * 7) % whole.size()]);
    }
    CHECK(difference < 0.25 * contrast);
  }
}

TEST_CASE("composition: own steps, a view without Normalize, wrong use", "[augment]") {
  const Image image = formula_image("own", 30, 30);
  const Compose view{RandomResizedCrop{16, {0.5, 1.0}}, Darken{}, RandomApply{0.5, Equalize{}},
                     RandomApply{0.5, Posterize{3}}};
  std::vector<float> out(16 * 16 * 3);
  view(image, Rng(2), out.data());
  for (const float x : out) REQUIRE((x >= 0 && x <= 1));
  CHECK_THROWS_WITH((Compose{RandomResizedCrop{0}}), Contains("[compose] expected"));
  CHECK_THROWS_WITH(run(simclr(8), Image(), Rng(0)), Contains("picture"));
  const std::array<float*, 1> one{out.data()};
  CHECK_THROWS_WITH(simclr(8)(image, Rng(0), one, {}), Contains("expected 2 views, got 1"));
}

namespace {

TEST_CASE("a view is put back to the picture it was made of", "[augment]") {
  const Normalize half{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}, uneven{{0.1, 0.4, 0.7}, {0.3, 0.2, 0.9}};
  const auto check = [](const auto& a, const Image& image) {
    const std::vector<ViewSpec> specs = a.views();
    for (std::size_t v = 0; v < specs.size(); ++v) {
      Tensor view(specs[v].shape(1));
      std::ranges::copy(run(a, image, Rng(1))[v], view.data<float>());
      const Image back = pictures_of(specs[v], view)[0];
      REQUIRE((back.height == image.height && back.width == image.width && back.channels == image.channels));
      int far = 0;
      for (std::size_t i = 0; i < image.pixels.size(); ++i)
        far = std::max(far, std::abs(back.pixels[i] - image.pixels[i]));
      CHECK(far <= 1);
    }
  };
  const Image image = formula_image("put back", 24, 24), grey = to_grayscale(image);
  for (const Normalize& normalize : {half, uneven, Normalize{}}) {
    check(center_view(24, 24, normalize), image);
    check(center_view(24, 24, normalize, 1), grey);
    for (const ResizeMode mode : {ResizeMode::shortest, ResizeMode::longest, ResizeMode::squash})
      check(Square(24, mode, Filter::bicubic, normalize), image);
  }
  check(OneView(Compose(CenterCrop{24})), image);
  check(cmc_center_view(24), image);
  check(cmc_ycbcr_center_view(24), image);
  // Numbers that no pixel has are cut.
  const std::vector<float> wild{-9, 9, NAN};
  CHECK(half.picture(wild.data(), 1, 1, 3).pixels == std::vector<std::uint8_t>{0, 255, 0});
  CHECK_THROWS_WITH(pictures_of({}, Tensor({2, 4, 4})), Contains("[pictures_of] expected pictures"));
}

// The examples of docs/guides/add-an-augmentation.md.

struct RandomChannel {
  double p = 0.1;

  void operator()(Canvas& canvas, Stream& stream, Drawn&) const {
    if (!stream.chance(p) || canvas.channels() != 3) return;
    const int kept = static_cast<int>(stream.below(3));
    for (int c = 0; c < 3; ++c)
      if (c != kept) std::memcpy(canvas.plane(c), canvas.plane(kept), static_cast<std::size_t>(canvas.count()));
  }
};

struct CleanAndDegraded {
  Compose<RandomResizedCrop, RandomFlip> clean;
  Compose<RandomResizedCrop, RandomFlip, RandomGrayscale, RandomApply<GaussianBlur>> degraded;

  std::vector<ViewSpec> views() const { return {clean.view(), degraded.view()}; }
  std::size_t globals() const { return 2; }
  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    clean(image, rng, out[0], drawn.empty() ? nullptr : &drawn[0]);
    degraded(image, rng, out[1], drawn.empty() ? nullptr : &drawn[1]);  // the same stream: the same crop and flip
  }
};
static_assert(Augment<CleanAndDegraded> && !PlannedAugment<CleanAndDegraded>);

}  // namespace

TEST_CASE("the guide's examples", "[augment]") {
  const Image image = formula_image("guide", 40, 40);
  const Compose one_channel{RandomResizedCrop{16}, RandomChannel{1.0}};
  std::vector<float> out(16 * 16 * 3);
  one_channel(image, Rng(1), out.data());
  for (std::size_t i = 0; i < out.size(); i += 3) REQUIRE((out[i] == out[i + 1] && out[i] == out[i + 2]));

  const RandomResizedCrop crop{16};
  const CleanAndDegraded pair{Compose{crop, RandomFlip{}}, Compose{crop, RandomFlip{}, RandomGrayscale{0.5},
                                                                   RandomApply{0.5, GaussianBlur{{1, 2}, 5}}}};
  int changed = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<Drawn> drawn;
    const auto views = run(pair, image, Rng(seed), &drawn);
    CHECK(drawn[0].crop == drawn[1].crop);
    CHECK(drawn[0].flipped == drawn[1].flipped);
    const bool same = !drawn[1].grey && drawn[1].sigma == 0;
    CHECK((views[0] == views[1]) == same);
    changed += !same;
  }
  CHECK((changed > 5 && changed < 20));
}

namespace {
Image transposed(const Image& image) {
  Image turned(image.width, image.height, image.channels);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c)
        turned.row(x)[y * image.channels + c] = image.row(y)[x * image.channels + c];
  return turned;
}
}  // namespace

/// The numbers are of Pillow 13, which resizes the rows first where the height shrinks much more than the width: image 1,
/// padded or squashed. We keep the order of the releases before it, so that image is turned, resized and turned back.
TEST_CASE("an image becomes a square as in open_clip, in three ways", "[golden]") {
  const Golden golden = load_golden("augment/clip_resize_modes.safetensors");
  for (int n = 0; n < 4; ++n) {
    const Image image = golden_image(golden, "in_" + std::to_string(n));
    for (const auto& [mode, name] : {std::pair(ResizeMode::shortest, std::string("shortest")),
                                     {ResizeMode::longest, "longest"},
                                     {ResizeMode::squash, "squash"}}) {
      INFO(name << " of image " << n);
      const bool rows_first = n == 1 && mode != ResizeMode::shortest;
      std::vector<float> view(24 * 24 * 3);
      const auto made = [&, mode = mode](Filter filter, const Normalize& normalize) {
        float* const out[] = {view.data()};
        Square(24, mode, filter, normalize)(rows_first ? transposed(image) : image, Rng(0), out, {});
        if (!rows_first) return;
        for (int y = 0; y < 24; ++y)
          for (int x = 0; x < y; ++x)
            for (int c = 0; c < 3; ++c)
              std::swap(view[static_cast<std::size_t>((y * 24 + x) * 3 + c)],
                        view[static_cast<std::size_t>((x * 24 + y) * 3 + c)]);
      };
      for (const auto& [filter, kind] :
           {std::pair(Filter::bicubic, std::string("bicubic")), {Filter::bilinear, "bilinear"}}) {
        made(filter, {{0, 0, 0}, {1 / 255.0, 1 / 255.0, 1 / 255.0}});
        const Image want = golden_image(golden, name + "_" + kind + "_" + std::to_string(n));
        std::size_t off = 0;
        for (std::size_t i = 0; i < view.size(); ++i) off += std::lround(view[i]) != want.pixels[i];
        CHECK(off == 0);
      }
      made(Filter::bicubic, clip_statistics);
      const Tensor& normalised = golden.tensor(name + "_normalised_" + std::to_string(n));  // (3, 24, 24)
      double worst = 0;
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = 0; i < 24 * 24; ++i)
          worst = std::max(worst,
                           std::abs(static_cast<double>(view[3 * i + c]) - normalised.data<float>()[c * 24 * 24 + i]));
      CHECK(worst < 2e-6);
    }
  }
}
