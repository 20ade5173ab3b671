// SPDX-License-Identifier: MIT

// Words of pixels from a run of CLIP that never learned them, alone and by the patches of a run of DINO.

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/image.hpp"
#include "programs/support.hpp"

using namespace programs;

TEST_CASE("a run of CLIP gives pixels words by the patches of a run of DINO, and its scores have controls") {
  Folder folder;
  const std::string clip = folder / "clip", dino = folder / "dino", small = folder / "small",
                    few =
                        " --data shape_scenes --samples 64 --image-size 16 --batch 32 --epochs 1 --threads 2 "
                        "--knn-every 0 --no-evaluation --out ",
                    text = " --text-encoder bag --text-width 16 --dimension 16";
  REQUIRE(run(program("clip") + few + clip + text + " --patch 4 --patch-dropout 0.5").status == 0);
  REQUIRE(run(program("clip") + few + small + text + " --encoder small").status == 0);
  REQUIRE(run(program("dino") + few + dino + " --encoder vit_micro --patch 2 --locals 0 --prototypes 16").status == 0);

  const Outcome scores = run(program("segment") + " " + clip + " --proxy " + dino);
  INFO(scores.text);
  CHECK(scores.status == 0);
  for (const char* words : {"all of the last block", "values alone", "values, by the proxy", "one word for the image",
                            "chance", "named by truth", "new names"})
    CHECK_THAT(scores.text, Contains(words));

  contrastive::Image picture(20, 20, 3);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = i % 3 == 0 ? 200 : 30;
  contrastive::write_file(folder / "red.png", contrastive::encode_png(picture));
  const std::string asked = " --picture " + (folder / "red.png") + " --labels circle,star --out " + (folder / "f.png");
  for (const std::string& proxy : {std::string(), " --proxy " + dino}) {
    const Outcome found = run(program("segment") + " " + clip + proxy + asked);
    INFO(found.text);
    CHECK(found.status == 0);
    CHECK_THAT(found.text, Contains("circle") && Contains("star"));
  }
  CHECK(contents(folder / "f.png").substr(1, 3) == "PNG");

  const std::string segment = program("segment") + " ";
  check_refused(segment + small + asked, 2, "need a run of clip with a vision transformer");
  check_refused(segment + dino + asked, 2,
                "this needs a run that gives pixels words (lseg, group_vit, clip), got one of dino");
  check_refused(segment + clip + asked + " --proxy /nope", 2, "--proxy expected a run");
  check_refused(segment + clip + " --picture " + (folder / "red.png"), 2, "need --picture, --labels and --out");
}
