// SPDX-License-Identifier: MIT

// A run that finds boxes, asked with free phrases.

#include "contrastive/data/decode.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/image.hpp"
#include "programs/support.hpp"

using namespace programs;

namespace {

std::string trainer(const std::string& method, const std::string& out, const std::string& more) {
  return program(method) + " --samples 64 --image-size 16 --batch 16 --epochs 1 --threads 2 --knn-every 0" +
         " --no-evaluation --out " + out + " " + more;
}

}  // namespace

TEST_CASE("ground finds a box of each phrase in pixels of the picture, and draws it") {
  Folder folder;
  const std::string picture = folder / "wide.png", drawn = folder / "boxes.png";
  contrastive::Image image(20, 40, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(7 * i);
  contrastive::write_file(picture, contrastive::encode_png(image));

  const std::string glip = folder / "glip", vild = folder / "vild";
  const Outcome trained = run(trainer("glip", glip,
                                      "--data shape_scenes --fusion-depth 1 --region-width 16 --text-width 16 "
                                      "--text-layers 1 --fusion-heads 2 --context-length 4"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  const Outcome other = run(trainer("vild", vild, "--data shape_scenes_whole --word-rows random --crops none"));
  INFO(other.text);
  REQUIRE(other.status == 0);

  // Standard output alone, without the notes on data sets.
  const auto printed = [](const std::string& command) { return run("(" + command + " 2>/dev/null)"); };
  const auto ground = [&](const std::string& of, const std::string& more) {
    return program("ground") + " " + of + " --threads 2 --picture " + picture + " " + more;
  };
  for (const std::string& of : {glip, vild}) {
    const Outcome found = printed(ground(of, "--phrases \"red star, circle\" --json --out " + drawn));
    INFO(found.text);
    REQUIRE(found.status == 0);
    const contrastive::Json list = contrastive::parse_json(found.text, "ground");
    REQUIRE(list.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(list[k].at("index").get<int>() == static_cast<int>(k));
      CHECK(list[k].at("phrase").get<std::string>() == (k == 0 ? "red star" : "circle"));
      const double score = list[k].at("score").get<double>();
      CHECK((score > 0 && score <= 1));
      const auto box = list[k].at("box").get<std::vector<double>>();
      REQUIRE(box.size() == 4);
      CHECK((box[0] >= 0 && box[0] < box[2] && box[2] <= 40 && box[1] >= 0 && box[1] < box[3] && box[3] <= 20));
    }
    const contrastive::Image shown = contrastive::read_image(drawn);
    CHECK((shown.width == 480 && shown.height == 240));
  }
  const Outcome lines = printed(ground(glip, "--phrases star,circle --most 3 --least 0.0001"));
  INFO(lines.text);
  CHECK(lines.status == 0);
  CHECK_THAT(lines.text, Contains("   0  star ") && Contains("   1  circle "));
  CHECK(printed(ground(glip, "--phrases star --least 1")).text.empty());

  check_refused(ground(glip, "--phrases \"\""), 2, "--phrases has an empty word");
  check_refused(ground(glip, "--phrases \"star,,circle\""), 2, "--phrases has an empty word: star,,circle");
  check_refused(ground(glip, "--phrases \"star,star\""), 2, "--phrases names star twice");
  check_refused(ground(glip, "--phrases \"a very small star of blue paper\""), 1, "tokens, expected at most 4");
  check_refused(ground(glip, "--phrases star --most 0"), 2, "--most");
  check_refused(program("ground") + " " + glip + " --phrases star --picture /nope.png", 1, "/nope.png");

  const std::string clip = folder / "clip";
  REQUIRE(run(trainer("clip", clip, "--data shape_scenes --text-width 32 --text-heads 1 --text-layers 1")).status == 0);
  check_refused(ground(clip, "--phrases star"), 2,
                "this needs a run that finds boxes by words (glip, vild), got one of clip");
}
