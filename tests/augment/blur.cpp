// SPDX-License-Identifier: MIT
#include "contrastive/augment/blur.hpp"

#include <cmath>

#include "augment/golden_image.hpp"
#include "contrastive/augment/image_ops.hpp"

using namespace contrastive;

TEST_CASE("pillow_blur gives Pillow's bytes", "[augment]") {
  const Golden golden = load_golden("augment/blur.safetensors");
  for (const std::string set : {"sq", "big"})
    for (const std::string sigma : {"0.1", "0.5", "0.8", "1", "1.7", "2"}) {
      INFO(set << " " << sigma);
      CHECK(largest_difference(pillow_blur(golden_image(golden, "input/" + set), std::stod(sigma)),
                               golden_image(golden, "pil/" + set + "/" + sigma)) == 0);
    }
  CHECK(largest_difference(pillow_blur(golden_image(golden, "input/tiny"), 2), golden_image(golden, "pil/tiny/2")) ==
        0);
}

TEST_CASE("gaussian_blur is torchvision's to rounding at the half", "[augment]") {
  const Golden golden = load_golden("augment/blur.safetensors");
  for (const std::string sigma : {"0.1", "0.5", "0.8", "1", "1.7", "2"}) {
    INFO(sigma);
    const Image out = gaussian_blur(golden_image(golden, "input/sq"), std::stod(sigma), 23);
    const Image expected = golden_image(golden, "torchvision23/sq/" + sigma);
    int different = 0;
    for (std::size_t i = 0; i < out.pixels.size(); ++i) different += out.pixels[i] != expected.pixels[i];
    CHECK(largest_difference(out, expected) <= 1);
    CHECK(different <= 2);
  }
  CHECK(largest_difference(gaussian_blur(golden_image(golden, "input/tiny"), 0.8, 3),
                           golden_image(golden, "torchvision3/tiny/0.8")) <= 1);
  // Where the exact value is not within 1e-3 of a half, the byte is the rounded exact value.
  for (const std::string name : {"sq/1.7", "sq/2", "big/2"}) {
    const auto exact = golden.tensor("torchvision23_float/" + name).span<float>();
    const Image out = gaussian_blur(golden_image(golden, "input/" + name.substr(0, name.find('/'))),
                                    std::stod(name.substr(name.find('/') + 1)), 23);
    int wrong = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const double v = static_cast<double>(exact[i]), half = std::fabs(v - std::floor(v) - 0.5);
      wrong += half > 1e-3 && out.pixels[i] != static_cast<int>(std::floor(v + 0.5));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("blurs keep constant pictures and any size", "[augment]") {
  for (const int height : {1, 2, 5, 17})
    for (const int width : {1, 3, 16, 40}) {
      Image image(height, width, 3);
      std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{77});
      for (const double sigma : {0.1, 0.7, 2.0, 9.0}) {
        CHECK(largest_difference(gaussian_blur(image, sigma, 23), image) == 0);
        CHECK(largest_difference(pillow_blur(image, sigma), image) == 0);
      }
    }
}

TEST_CASE("blurs treat planes alone and commute with the mirror", "[augment]") {
  const Image image = formula_image("blur", 8, 40);
  const Image grey = to_grayscale(image), grey3 = to_grayscale(image, 3);
  for (const double sigma : {0.3, 1.1, 2.0, 6.0}) {
    CHECK(largest_difference(to_grayscale(gaussian_blur(grey3, sigma, 9)), gaussian_blur(grey, sigma, 9)) == 0);
    CHECK(largest_difference(to_grayscale(pillow_blur(grey3, sigma)), pillow_blur(grey, sigma)) == 0);
    CHECK(largest_difference(hflip(gaussian_blur(image, sigma, 9)), gaussian_blur(hflip(image), sigma, 9)) == 0);
    CHECK(largest_difference(hflip(pillow_blur(image, sigma)), pillow_blur(hflip(image), sigma)) == 0);
  }
  CHECK_THROWS_WITH(gaussian_blur(image, 1.0, 4), Contains("odd kernel"));
  CHECK_THROWS_WITH(gaussian_blur(image, 0.0, 5), Contains("positive sigma"));
}
