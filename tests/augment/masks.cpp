// SPDX-License-Identifier: MIT

// Image and labels cut and mirrored alike.

#include "contrastive/augment/mask_view.hpp"

#include "contrastive/augment/recipes.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// Each pixel's label is also its red: label k is red 40 k.
Sample striped(int height, int width, int classes) {
  Sample sample;
  sample.image = Image(height, width, 3);
  sample.mask = LabelMap(height, width);
  sample.full = {height, width};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int label = (x / 8 + y / 8 * 3) % classes;
      sample.mask.labels[static_cast<std::size_t>(y * width + x)] = static_cast<std::uint16_t>(label);
      sample.image.row(y)[3 * x] = static_cast<std::uint8_t>(40 * label);
    }
  return sample;
}

struct Both {
  Tensor image, map;
};
template <class View>
Both make(const MaskView<View>& view, const Sample& sample, Rng rng, Drawn* drawn = nullptr) {
  const auto specs = view.views();
  Both both{Tensor(specs[0].one, specs[0].dtype), Tensor(specs[1].one, specs[1].dtype)};
  void* const out[] = {both.image.view().data, both.map.view().data};
  std::vector<Drawn> record(2);
  view(sample, rng, out, record);
  if (drawn) *drawn = record[0];
  return both;
}

}  // namespace

TEST_CASE("a mask is cut and mirrored as its image is", "[augment]") {
  const Sample sample = striped(48, 64, 6);
  const MaskView view(
      Compose(RandomResizedCrop{.size = 40, .area = {0.3, 0.8}, .filter = Filter::nearest}, RandomFlip{}),
      LabelNumbers::same(6));
  CHECK(view.parts() == (Part::image | Part::mask));
  CHECK(view.views()[1].kind == ViewKind::map);
  int flipped = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Drawn drawn;
    const Both both = make(view, sample, Rng(seed), &drawn);
    flipped += drawn.flipped;
    int wrong = 0;
    for (int p = 0; p < 1600; ++p)
      wrong += std::lround(both.image.data<float>()[3 * p] * 255 / 40) != both.map.data<std::int64_t>()[p];
    CHECK(wrong == 0);
  }
  CHECK((flipped > 3 && flipped < 17));
}

TEST_CASE("labels take the numbers of a list, and what does not fit is one sentence", "[augment]") {
  Sample sample = striped(16, 16, 4);
  sample.mask.labels[0] = LabelMap::nothing;
  const CenterView middle(CenterCrop{16, 16}, Normalize{});
  const Both plain = make(MaskView(middle, LabelNumbers{{2, -1, 0, 1}, 3}), sample, Rng(0));
  CHECK(plain.map.data<std::int64_t>()[0] == 3);
  CHECK(plain.map.data<std::int64_t>()[1] == 2);    // class 0
  CHECK(plain.map.data<std::int64_t>()[8] == -1);   // class 1
  CHECK(plain.map.data<std::int64_t>()[128] == 1);  // class 3
  CHECK_THROWS_WITH(make(MaskView(middle, LabelNumbers::same(3)), sample, Rng(0)),
                    "[mask_view] unknown label id 3: the set has 3 classes");
  sample.mask = LabelMap(16, 12);
  CHECK_THROWS_WITH(make(MaskView(middle, LabelNumbers::same(4)), sample, Rng(0)),
                    "[mask_view] the mask is 16 x 12, its image 16 x 16");
}
