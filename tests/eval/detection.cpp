// SPDX-License-Identifier: MIT
#include "contrastive/eval/detection.hpp"

#include <map>

#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

Box box_of(const Json& bbox, int label) {
  const double x = bbox.at(0).get<double>(), y = bbox.at(1).get<double>();
  return {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + bbox.at(2).get<double>()),
          static_cast<float>(y + bbox.at(3).get<double>()), label};
}

}  // namespace

TEST_CASE("average precision is pycocotools'", "[golden]") {
  const std::string path = golden_path("coco_ap.json");
  const Json golden = parse_json(read_text(path), path);
  const Json& set = golden.at("ground_truth");
  std::map<std::int64_t, std::size_t> image, label;
  for (const Json& one : set.at("images")) image.emplace(one.at("id").get<std::int64_t>(), 0);
  std::size_t next = 0;
  for (auto& [id, place] : image) place = next++;
  for (const Json& one : set.at("categories")) label.emplace(one.at("id").get<std::int64_t>(), label.size());
  std::vector<std::vector<TrueBox>> truth(image.size());
  std::vector<std::vector<Detection>> found(image.size());
  const auto class_of = [&](const Json& one) {
    return static_cast<int>(label.at(one.at("category_id").get<std::int64_t>()));
  };
  for (const Json& one : set.at("annotations"))
    truth[image.at(one.at("image_id").get<std::int64_t>())].push_back(
        {box_of(one.at("bbox"), class_of(one)), one.at("area").get<double>(), one.at("iscrowd").get<int>() == 1});
  for (const Json& one : golden.at("detections"))
    found[image.at(one.at("image_id").get<std::int64_t>())].push_back(
        {box_of(one.at("bbox"), class_of(one)), one.at("score").get<double>()});
  const DetectionScores scores = coco_average_precision(found, truth, static_cast<int>(label.size()));
  const Json& want = golden.at("summary");
  for (const auto& [name, value] : {std::pair("AP", scores.ap),
                                    {"AP50", scores.ap50},
                                    {"AP75", scores.ap75},
                                    {"AP_small", scores.ap_small},
                                    {"AP_medium", scores.ap_medium},
                                    {"AP_large", scores.ap_large},
                                    {"AR1", scores.ar1},
                                    {"AR10", scores.ar10},
                                    {"AR100", scores.ar100},
                                    {"AR_small", scores.ar_small},
                                    {"AR_medium", scores.ar_medium},
                                    {"AR_large", scores.ar_large}}) {
    INFO(name);
    CHECK(value == Approx(want.at(name).get<double>()).epsilon(1e-9));
  }
  for (const auto& [id, place] : label)
    CHECK(scores.ap_per_class[place] ==
          Approx(golden.at("ap_per_category").at(std::to_string(id)).get<double>()).epsilon(1e-9));
}

TEST_CASE("what no set has is -1, and boxes that cannot be are named") {
  const Box good{0, 0, 50, 50, 0};
  const DetectionScores perfect = coco_average_precision({{{good, 0.5}}}, {{{good}}}, 2);
  CHECK(perfect.ap == Approx(1));
  CHECK(perfect.ap_medium == Approx(1));
  CHECK(perfect.ap_small == -1);
  CHECK(perfect.ap_per_class[1] == -1);
  CHECK_THROWS_WITH(coco_average_precision({{{{0, 0, 5, 5, 2}, 1}}}, {{}}, 2),
                    Contains("image 0 has a box of class 2"));
  CHECK_THROWS_WITH(coco_average_precision({{}}, {{{{5, 0, 1, 5, 1}}}}, 2), Contains("a negative side"));
}
