// SPDX-License-Identifier: MIT

// Boxes cut and mirrored as their image is.

#include "contrastive/augment/box_view.hpp"

#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/square.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// A red rectangle on black, and its box of class 1.
Sample rectangle(int height, int width, const Box& box) {
  Sample sample;
  sample.image = Image(height, width, 3);
  sample.full = {height, width};
  for (int y = static_cast<int>(box.top); y < static_cast<int>(box.bottom); ++y)
    for (int x = static_cast<int>(box.left); x < static_cast<int>(box.right); ++x) sample.image.row(y)[3 * x] = 255;
  sample.boxes = {box};
  return sample;
}

struct Made {
  Tensor image, boxes, labels;
  Drawn drawn;
  Box box(std::int64_t b) const {
    const float* p = boxes.data<float>() + 4 * b;
    return {p[0], p[1], p[2], p[3], static_cast<int>(labels.data<std::int64_t>()[b])};
  }
};
template <class View>
Made make(const BoxView<View>& view, const Sample& sample, Rng rng) {
  const auto specs = view.views();
  Made made{Tensor(specs[0].one, specs[0].dtype),
            Tensor(specs[1].one, specs[1].dtype),
            Tensor(specs[2].one, specs[2].dtype),
            {}};
  void* const out[] = {made.image.view().data, made.boxes.view().data, made.labels.view().data};
  std::vector<Drawn> record(3);
  view(sample, rng, out, record);
  made.drawn = record[0];
  return made;
}

/// The least box around the red pixels of a view.
Box bounds(const Tensor& image) {
  const std::int64_t side = image.size(0);
  Box box{1e9F, 1e9F, -1, -1, 1};
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      if (image.data<float>()[3 * (y * side + x)] > 0.5F) {
        box.left = std::min(box.left, static_cast<float>(x)), box.top = std::min(box.top, static_cast<float>(y));
        box.right = std::max(box.right, static_cast<float>(x + 1));
        box.bottom = std::max(box.bottom, static_cast<float>(y + 1));
      }
  return box;
}

}  // namespace

TEST_CASE("a box stays around what it is around, wherever the image is cut, stretched and mirrored", "[augment]") {
  const BoxView crops(
      Compose(RandomResizedCrop{.size = 96, .area = {0.3, 0.9}, .filter = Filter::nearest}, RandomFlip{}),
      LabelNumbers::same(2));
  CHECK(crops.parts() == (Part::image | Part::boxes));
  int flipped = 0, dropped = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Sample sample = rectangle(120, 160, {30, 40, 110, 90, 1});
    const Made made = make(crops, sample, Rng(seed));
    const Box seen = bounds(made.image), found = made.box(0);
    flipped += made.drawn.flipped;
    CHECK(made.labels.data<std::int64_t>()[1] == -1);
    if (found.label < 0) {
      ++dropped;
      continue;
    }
    INFO(seed);
    CHECK(found.label == 1);
    const float pixel = 2.6F;  // nearest neighbour puts an edge at a pixel of the image, which is up to 1.6 of the view
    CHECK(std::abs(found.left - seen.left) <= pixel);
    CHECK(std::abs(found.top - seen.top) <= pixel);
    CHECK(std::abs(found.right - seen.right) <= pixel);
    CHECK(std::abs(found.bottom - seen.bottom) <= pixel);
  }
  CHECK((flipped > 15 && flipped < 45));
  CHECK(dropped < 10);

  // The middle of 40 x 80 in 20 pixels: half the size, 10 pixels of each side cut off.
  const BoxView middle(CenterView(CenterCrop{20, 20}, Normalize{}), LabelNumbers::same(2));
  const Made made = make(middle, rectangle(40, 80, {10, 4, 50, 40, 1}), Rng(0));
  CHECK(made.box(0).left == 0.0F);
  CHECK(made.box(0).top == 2.0F);
  CHECK(made.box(0).right == 15.0F);
  CHECK(made.box(0).bottom == 20.0F);
  const BoxView squashed(Compose<Squash, Normalize>(Squash{20}, Normalize{}), LabelNumbers::same(2));
  const Made flat = make(squashed, rectangle(40, 80, {10, 4, 50, 40, 1}), Rng(0));
  CHECK(flat.box(0).left == 2.5F);
  CHECK(flat.box(0).right == 12.5F);
  CHECK(flat.box(0).top == 2.0F);
}

TEST_CASE("boxes take the numbers of a list, the largest stay, and little of one does not count", "[augment]") {
  Sample sample = rectangle(32, 32, {0, 0, 4, 4, 0});
  sample.boxes = {{0, 0, 4, 4, 0}, {8, 8, 20, 20, 1}, {0, 0, 30, 30, 2}, {5, 5, 5, 9, 0}, {1, 1, 9, 9, 0}};
  const CenterView middle(CenterCrop{32, 32}, Normalize{});
  const Made two = make(BoxView(middle, LabelNumbers{{5, 7, -1}, -1}, {.most = 2}), sample, Rng(0));
  CHECK(two.box(0).label == 7);  // class 2 is held out
  CHECK(two.box(0).left == 8.0F);
  CHECK(two.box(1).label == 5);
  CHECK(two.box(1).right == 9.0F);
  const Made all = make(BoxView(middle, LabelNumbers::same(3), {.most = 8}), sample, Rng(0));
  CHECK(all.box(3).label == 0);
  CHECK(all.box(4).label == -1);  // the one without an area is no box
  CHECK(all.box(4).right == 0.0F);

  // Of 64 x 32, the middle 32 columns are seen: a quarter of the first box and half of the second.
  Sample wide = rectangle(32, 64, {0, 0, 4, 4, 0});
  wide.boxes = {{4, 0, 20, 20, 0}, {8, 0, 24, 20, 1}};
  const Made some = make(BoxView(middle, LabelNumbers::same(2)), wide, Rng(0));
  CHECK(some.box(0).label == 1);
  CHECK(some.box(1).label == -1);
}

TEST_CASE("a box that cannot be is one sentence", "[augment]") {
  const BoxView view(CenterView(CenterCrop{32, 32}, Normalize{}), LabelNumbers::same(2));
  const auto refused = [&](const Box& box, const std::string& words) {
    Sample sample = rectangle(32, 32, {0, 0, 4, 4, 0});
    sample.boxes = {box};
    CHECK_THROWS_WITH(make(view, sample, Rng(0)), words);
  };
  refused({9, 2, 4, 8, 0}, "[boxes] the box (9, 2, 4, 8) has a negative side");
  refused({2, 9, 4, 8, 0}, "[boxes] the box (2, 9, 4, 8) has a negative side");
  refused({2, 2, 33, 8, 0}, "[boxes] the box (2, 2, 33, 8) lies outside its image of 32 x 32");
  refused({2, -1, 4, 8, 0}, "[boxes] the box (2, -1, 4, 8) lies outside its image of 32 x 32");
  refused({2, 2, std::nanf(""), 8, 0}, "[boxes] the box (2, 2, nan, 8) is not finite");
  refused({2, 2, 4, 8, 2}, "[box_view] unknown class 2: the set has 2 classes");
  refused({2, 2, 4, 8, -1}, "[box_view] unknown class -1: the set has 2 classes");
  CHECK_THROWS_WITH(BoxView(CenterView(CenterCrop{32, 32}, Normalize{}), LabelNumbers::same(2), {.most = 0}),
                    Contains("[box_view] expected 1 to 4096 boxes"));
}
