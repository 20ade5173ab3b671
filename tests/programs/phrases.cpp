// SPDX-License-Identifier: MIT

// GLIP on captions whose phrases have boxes, as a user runs it, and answers by the index of a phrase.

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/image.hpp"
#include "programs/support.hpp"

using namespace programs;

TEST_CASE("GLIP learns from captions whose phrases have boxes, and ground answers by index") {
  Folder folder;
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    contrastive::Image picture(32, 32, 3);
    const int x = i % 8, y = 2 + i % 5;
    for (int row = y; row < y + 12; ++row)
      for (int column = x; column < x + 24; ++column)
        picture.pixels[static_cast<std::size_t>((row * 32 + column) * 3 + (column < x + 12 ? 0 : 2))] = 220;
    const std::string name = contrastive::join("p", i, ".png");
    contrastive::write_file(folder / name, contrastive::encode_png(picture));
    lines += contrastive::join(R"({"image": ")", name, R"(", "caption": "Würfel: red box, blue box", "split": ")",
                               i < 32 ? "train" : "test", R"(", "width": 32, "height": 32, "phrases": [)",
                               R"({"start": 8, "end": 15, "boxes": [[)", x, ", ", y, R"(, 12, 12]]}, )",
                               R"({"start": 17, "end": 25, "boxes": [[)", x + 12, ", ", y, ", 12, 12]]}]}\n");
  }
  contrastive::write_file(folder / "p.jsonl", lines);
  const std::string glip = program("glip") + " --data phrases --root " + (folder / ".") +
                           " --image-size 32 --batch 8 " +
                           "--epochs 2 --threads 2 --fusion-depth 1 --region-width 16 --text-width 16 " +
                           "--fusion-heads 2 --text-layers 1 --out " + (folder / "run") + " --captions ";
  const Outcome trained = run(glip + (folder / "p.jsonl"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  CHECK_THAT(trained.text, Contains("the test part"));
  const contrastive::Json summary =
      contrastive::parse_json(contrastive::read_text(folder / "run/summary.json"), "summary.json");
  CHECK(summary.at("phrases_test").get<int>() == 16);

  const Outcome found = run(program("ground") + " " + (folder / "run") + " --picture " + (folder / "p0.png") +
                            " --phrases \"blue box,red box\" --json");
  INFO(found.text);
  REQUIRE(found.status == 0);
  const contrastive::Json list = contrastive::parse_json(found.text, "found");
  REQUIRE(list.size() == 2);
  for (std::size_t p = 0; p < 2; ++p) CHECK(list[p].at("index") == p);
  CHECK(list[1].at("phrase") == "red box");

  contrastive::write_file(folder / "bad.jsonl",
                          "\n{\"image\": \"p0.png\", \"caption\": \"a\", \"phrases\": [{\"start\": 0, "
                          "\"end\": 2, \"boxes\": []}]}\n");
  check_refused(glip + (folder / "bad.jsonl"), 1, "bad.jsonl:2: phrases[0]: the span [0, 2) is no part of a caption");
}
