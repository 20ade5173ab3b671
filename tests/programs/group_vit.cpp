// SPDX-License-Identifier: MIT

// GroupViT as a user runs it: scores of its groups beside the controls, pictures of them, and other programs on its run.

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/image.hpp"
#include "programs/support.hpp"

using namespace programs;

namespace {

std::string group_vit(const std::string& out, const std::string& more = "") {
  return program("group_vit") +
         " --data shape_scenes --samples 256 --image-size 16 --batch 64 --epochs 1 --threads 2 --embed-width 16 "
         "--heads 1" +
         " --depth1 1 --depth2 1 --text-width 16 --text-heads 1 --text-layers 1 --dimension 16 --projector-hidden 16" +
         " --templates simple --out " + out + " " + more;
}

}  // namespace

TEST_CASE("a run of GroupViT tells of its groups beside the controls, shows them, and gives pixels words") {
  Folder folder;
  const std::string out = folder / "run";
  const Outcome trained = run(group_vit(out, "--knn-every 0"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  for (const char* words : {"groups of the test part", "as they began", "one word for the image", "new names"})
    CHECK_THAT(trained.text, Contains(words));
  const contrastive::Json summary =
      contrastive::parse_json(contrastive::read_text(out + "/summary.json"), "summary.json");
  for (const char* key : {"groups_mean_iou", "groups_mean_iou_untrained", "groups_ari", "groups_ari_objects_untrained",
                          "mean_iou_combinations"})
    CHECK(summary.at(key).is_number());
  CHECK(summary.at("groups_ari_whole_image").get<double>() == 0);  // one part tells nothing apart
  CHECK(summary.at("groups_ari_objects_whole_image").get<double>() == 0);
  CHECK_THAT(contents(out + "/report.html"), Contains("Groups and their words") && Contains("Found labels"));

  contrastive::Image picture(20, 20, 3);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = i % 3 == 0 ? 200 : 30;
  contrastive::write_file(folder / "red.png", contrastive::encode_png(picture));
  const Outcome found = run(program("segment") + " " + out + " --picture " + (folder / "red.png") +
                            " --labels circle,background,star --out " + (folder / "found.png"));
  INFO(found.text);
  CHECK(found.status == 0);
  for (const char* word : {"circle", "background", "star"}) CHECK_THAT(found.text, Contains(word));
  CHECK(contents(folder / "found.png").substr(1, 3) == "PNG");
  CHECK_THAT(run(program("retrieve") + " " + out).text, Contains("text to image"));
}

TEST_CASE("what GroupViT cannot do is refused in one sentence") {
  Folder folder;
  const std::string out = folder / "x";
  check_refused(group_vit(out, "--encoder small"), 2, "--encoder of GroupViT is group_vit, got small");
  check_refused(group_vit(out, "--nouns /nope.txt"), 2, "/nope.txt");
  check_refused(group_vit(out, "--ground star"), 2, "--ground star is a class of the set too");
  check_refused(group_vit(out, "--image-size 18"), 2, "a patch of 4 pixels does not divide an image of 18");
  check_refused(group_vit(out, "--heads 5"), 2, "5 heads do not divide a width of 16");
  check_refused(group_vit(out, "--assignment both"), 2, "--assignment must be one of hard, soft, got both");
}
