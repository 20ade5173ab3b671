// SPDX-License-Identifier: MIT

// Phrases of captions with their boxes: places by characters, equal words in two places, both forms of file, and what is
// refused.

#include "contrastive/data/phrase_boxes.hpp"

#include "support/catch.hpp"

using namespace contrastive;

namespace {

std::string line_with(const std::string& phrases, const std::string& caption = "a dog and a dog") {
  return "{\"image\": \"a.png\", \"caption\": \"" + caption + "\", \"width\": 40, \"height\": 30, \"phrases\": [" +
         phrases + "]}";
}
std::string coco_with(const std::string& annotation) {
  return R"({"images": [{"id": 3, "file_name": "a.png", "width": 40, "height": 30, "caption": "a dog and a dog"}],)"
         R"("annotations": [)" +
         annotation + "]}";
}

}  // namespace

TEST_CASE("equal words in two places of a caption are two phrases") {
  const std::string lines = line_with(R"({"start": 0, "end": 5, "boxes": [[1, 2, 10, 12]]},)"
                                      R"({"start": 10, "end": 15, "boxes": [[20, 2, 10, 12], [22, 2, 9, 12]]})");
  const std::string coco = coco_with(R"({"image_id": 3, "bbox": [20, 2, 10, 12], "tokens_positive": [[10, 15]]},)"
                                     R"({"image_id": 3, "bbox": [1, 2, 10, 12], "tokens_positive": [[0, 5]]},)"
                                     R"({"image_id": 3, "bbox": [22, 2, 9, 12], "tokens_positive": [[10, 15]]})");
  for (const auto& images : {parse_phrase_lines("\n" + lines + "\n", "f"), parse_phrase_json(coco, "f")}) {
    REQUIRE(images.size() == 1);
    CHECK(images[0].phrases == std::vector<std::string>{"a dog", "a dog"});
    const auto& boxes = images[0].boxed.boxes;
    REQUIRE(boxes.size() == 3);
    for (std::size_t b = 0; b < 3; ++b) CHECK(boxes[b].box.label == (b == 0 ? 0 : 1));
    CHECK(boxes[0].box.left == 1);
    CHECK(boxes[0].box.right == 11);
    CHECK(boxes[2].box.bottom == 14);
  }
}

TEST_CASE("places in a caption count characters, not bytes") {
  const auto of = [](const std::string& caption, int begin, int end) {
    return parse_phrase_lines(
               line_with(join(R"({"start": )", begin, R"(, "end": )", end, R"(, "boxes": []})"), caption), "f")[0]
        .phrases[0];
  };
  CHECK(of("ein Mädchen und ein Hund", 16, 24) == "ein Hund");
  CHECK(of("日本語 と 犬", 6, 7) == "犬");
  CHECK(of("😀 a dog", 2, 7) == "a dog");
  const auto several = parse_phrase_json(
      coco_with(R"({"image_id": 3, "bbox": [1, 2, 3, 4], "tokens_positive": [[10, 11], [2, 5]]})"), "f");
  CHECK(several[0].phrases == std::vector<std::string>{"dog a"});
}

TEST_CASE("a file of phrases that is wrong is refused with its place") {
  const auto refused = [](const std::string& phrases, const std::string& words) {
    CHECK_THROWS_WITH(parse_phrase_lines("\n" + line_with(phrases), "file.jsonl"),
                      Contains("file.jsonl:2") && Contains(words));
  };
  refused(R"({"start": 0, "end": 16, "boxes": []})", "[0, 16) is no part of a caption of 15 characters");
  refused(R"({"start": 4, "end": 4, "boxes": []})", "[4, 4) is no part");
  refused(R"({"start": -1, "end": 4, "boxes": []})", "[-1, 4) is no part");
  refused(R"({"start": 1, "end": 2, "boxes": []})", "holds blanks alone");
  refused(R"({"start": 0, "end": 5, "boxes": [[35, 2, 10, 12]]})", "lies outside its image of 40 x 30");
  refused(R"({"start": 0, "end": 5, "boxes": [[5, 2, -1, 12]]})", "has a negative side");
  refused(R"({"start": 0, "end": 5, "boxes": [[5, 2, 1]]})", "expected a box [x, y, width, height]");
  refused("", "expected a list of phrases, one or more");
  const auto coco_refused = [](const std::string& annotation, const std::string& words) {
    CHECK_THROWS_WITH(parse_phrase_json(coco_with(annotation), "file.json"),
                      Contains("file.json: annotations[0]") && Contains(words));
  };
  coco_refused(R"({"image_id": 4, "bbox": [1, 2, 3, 4], "tokens_positive": [[0, 5]]})", "4 is the id of no image");
  coco_refused(R"({"image_id": 3, "bbox": [1, 2, 3, 4], "tokens_positive": []})", "expected tokens_positive");
  coco_refused(R"({"image_id": 3, "bbox": [1, 2, 3, 4], "tokens_positive": [[0, 99]]})", "no part of a caption");
  coco_refused(R"({"image_id": 3, "bbox": [1, 2, 300, 4], "tokens_positive": [[0, 5]]})", "outside its image");
  CHECK_THROWS_WITH(parse_phrase_lines("\n{", "file.jsonl"), Contains("file.jsonl:2"));
}
