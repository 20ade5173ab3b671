// SPDX-License-Identifier: MIT
#include "contrastive/eval/zero_shot.hpp"

#include <map>

#include "contrastive/eval/retrieval.hpp"
#include "contrastive/nn/init.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

TEST_CASE("a classifier made of words is CLIP_benchmark's", "[golden]") {
  const Golden g = load_golden("clip_zeroshot.safetensors");
  const Tensor& prompts = g.tensor("prompt_embeddings_raw");  // (C T, D)
  std::map<std::string, std::int64_t> row_of;
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f"}, templates{"one {}", "two {}", "three {}"};
  for (const std::string& name : names)
    for (const std::string& text : templates)
      row_of.emplace(fill_template(text, name), static_cast<std::int64_t>(row_of.size()));
  // The golden rows are in the order of names, then templates.
  const auto encode = [&](const std::vector<std::string>& texts) {
    std::vector<Tensor> rows;
    for (const std::string& text : texts) {
      const auto name = std::ranges::find(names, text.substr(text.rfind(' ') + 1)) - names.begin();
      std::int64_t which = 0;
      while (fill_template(templates[static_cast<std::size_t>(which)], names[static_cast<std::size_t>(name)]) != text)
        ++which;
      rows.push_back(prompts.slice(name * 3 + which, name * 3 + which + 1));
    }
    return concat(rows);
  };
  const Tensor classifier = zero_shot_classifier(names, templates, encode);
  CHECK(largest_difference(permute(classifier, {1, 0}), g.tensor("classifier")) < 1e-12);
  const Tensor& images = g.tensor("image_raw");
  CHECK(largest_difference(100 * matmul(normalize(images), classifier, false, true), g.tensor("logits")) < 1e-10);
  const ZeroShotResult result = zero_shot(images, classifier, Labels(g.tensor("labels")));
  CHECK(result.top1 == g.tensor("top1").item());
  CHECK(result.top5 == g.tensor("top5").item());
}

TEST_CASE("recall of each class, confusions and ties of zero-shot classification") {
  // Classes along the axes; images 0 and 1 are class 0, image 2 is class 1 and lies between 0 and 1.
  const Tensor classifier = Tensor::from<double>(std::vector<double>{1, 0, 0, 1}, {2, 2});
  const Tensor images = Tensor::from<double>(std::vector<double>{2, 0, 0, 3, 1, 1}, {3, 2});
  const ZeroShotResult result = zero_shot(images, classifier, std::vector<std::int64_t>{0, 0, 1});
  CHECK(result.predictions == std::vector<std::int64_t>{0, 1, 0});
  CHECK(result.top1 == Approx(1 / 3.0));
  CHECK(std::isnan(result.top5));
  CHECK(result.mean_per_class_recall == Approx(0.25));
  CHECK(result.confusions == std::vector<std::vector<std::int64_t>>{{1, 1}, {1, 0}});
  CHECK_THROWS_WITH(zero_shot(images, classifier, std::vector<std::int64_t>{0, 2, 1}),
                    Contains("[zero_shot] image 1 is of class 2, and there are 2"));
}

TEST_CASE("retrieval is CLIP_benchmark's", "[golden]") {
  const Golden g = load_golden("clip_retrieval.safetensors");
  const Retrieval result = retrieval(normalize(g.tensor("image_raw")), normalize(g.tensor("text_raw")),
                                     Labels(g.tensor("text_image_index")));
  for (const int k : {1, 3, 5}) {
    CHECK(recall_at(result.text_to_image.ranks, k) ==
          Approx(g.tensor("image_retrieval_recall@" + std::to_string(k)).item()).epsilon(1e-12));
    CHECK(recall_at(result.image_to_text.ranks, k) ==
          Approx(g.tensor("text_retrieval_recall@" + std::to_string(k)).item()).epsilon(1e-12));
  }
}

TEST_CASE("equal scores go to the lower index, in either direction, and images without a text are left out") {
  const Tensor images = Tensor::from<float>(std::vector<float>{1, 0, 1, 0, 1, 0, 0, 1}, {4, 2});
  const Tensor texts = Tensor::from<float>(std::vector<float>{1, 0, 1, 0, 1, 0}, {3, 2});
  const Retrieval result = retrieval(images, texts, std::vector<std::int64_t>{2, 0, 1});
  CHECK(result.text_to_image.ranks == std::vector<std::int64_t>{2, 0, 1});
  CHECK(result.image_to_text.ranks == std::vector<std::int64_t>{1, 2, 0});
  CHECK(result.text_to_image.r1 == Approx(1 / 3.0));
  CHECK(result.text_to_image.r5 == 1);
  CHECK(result.text_to_image.median_rank == 1);
  CHECK_THROWS_WITH(retrieval(images, texts, std::vector<std::int64_t>{2, 0, 4}),
                    Contains("[retrieval] text 2 is of image 4, and there are 4"));
}

TEST_CASE("ranks that are counted in blocks are those of the whole matrix") {
  const Tensor images = normalize(Tensor(init::normal({300, 8}, 1, Rng(1)))),
               texts = normalize(Tensor(init::normal({5000, 8}, 1, Rng(2))));
  std::vector<std::int64_t> image_of;
  for (std::int64_t m = 0; m < 5000; ++m) image_of.push_back(m * 7 % 300);
  const Retrieval result = retrieval(images, texts, image_of);
  const auto dot = [&](std::int64_t n, std::int64_t m) {
    const Tensor row = matmul(images.slice(n, n + 1), texts.slice(m, m + 1), false, true);
    return row.item();
  };
  for (const std::int64_t m : {0, 1234, 4999}) {
    const std::int64_t own = image_of[static_cast<std::size_t>(m)];
    std::int64_t ahead = 0;
    for (std::int64_t n = 0; n < 300; ++n) ahead += dot(n, m) > dot(own, m) + 1e-6;
    CHECK(std::abs(result.text_to_image.ranks[static_cast<std::size_t>(m)] - ahead) <= 1);
  }
}
