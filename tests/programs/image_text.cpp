// SPDX-License-Identifier: MIT

// Programs of images and texts, as a user runs them.

#include "contrastive/io/safetensors.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "programs/support.hpp"
#include "support/differences.hpp"

using namespace programs;

namespace {

std::string clip(const std::string& out, const std::string& more = "") {
  return program("clip") +
         " --data shapes --image-size 16 --encoder small --samples 1024 --batch 128 --epochs 1 --threads 2" +
         " --text-width 32 --text-heads 1 --text-layers 1 --dimension 32 --context-length 16 --out " + out + " " + more;
}

}  // namespace

TEST_CASE("a run of images and texts is watched, kept at its best, evaluated and asked with words") {
  Folder folder;
  const std::string out = folder / "run";
  const Outcome trained = run(clip(out, "--epochs 2 --save-minutes 0.0001"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  for (const char* words : {"text to image", "image to text", "zero-shot", "among 6 names, chance 16.7 %"})
    CHECK_THAT(trained.text, Contains(words));
  CHECK_THAT(contents(out + "/metrics.csv"), Contains("R@1") && Contains("scale"));
  CHECK_THAT(contents(out + "/summary.json"), Contains("text_to_image_r1") && Contains("modality_gap"));
  for (const char* part :
       {"From text to image", "From image to text", "Similarity of 32 pairs", "Zero-shot confusions"})
    CHECK_THAT(contents(out + "/report.html"), Contains(part));
  for (const std::string& model : {out, out + "/best.safetensors"}) {
    CHECK_THAT(run(program("retrieve") + " " + model).text, Contains("of equal scores the lower index"));
    CHECK_THAT(run(program("zero_shot") + " " + model + " --templates cifar").text,
               Contains("templates cifar (18), images 16 x 16, shortest side, bicubic"));
  }
  const Outcome picture = run(program("zero_shot") + " " + out + " --confusions " + (folder / "c.png"));
  CHECK(picture.status == 0);
  CHECK(contents(folder / "c.png").substr(1, 3) == "PNG");
  std::ofstream(folder.path / "texts.txt") << "a red circle\n\na blue star\n";
  CHECK_THAT(
      run(program("embed") + " " + out + " --texts " + (folder / "texts.txt") + " --out " + (folder / "t.npy")).text,
      Contains("32 numbers for each of 2 texts"));
  CHECK_THAT(run(program("knn") + " " + out).text, Contains("top-1"));
}

TEST_CASE("another run's encoder stands still, with its rows kept, and a resumed run ends with the same bits") {
  Folder folder;
  REQUIRE(run(tiny("simclr", folder / "simclr", "--image-size 16")).status == 0);
  const std::string lock = "--no-evaluation --epochs 12 --save-every 4 --lock-image " + (folder / "simclr");
  REQUIRE(run(clip(folder / "whole", lock)).status == 0);
  run("sh -c '" + clip(folder / "cut", lock) + " & child=$!; while [ ! -e " + (folder / "cut/checkpoint.safetensors") +
      " ] && kill -0 $child; do sleep 0.02; done; kill -9 $child; wait'");
  const Outcome rest = run(clip(folder / "cut", lock + " --resume"));
  INFO(rest.text);
  REQUIRE(rest.status == 0);
  CHECK_THAT(rest.text, Contains("resuming after step"));
  CHECK((contents(folder / "cut/checkpoint.safetensors") == contents(folder / "whole/checkpoint.safetensors")));
}

TEST_CASE("fine-tuning from a run or from published weights keeps the share that it is told") {
  using namespace contrastive;
  Folder folder;
  REQUIRE(run(clip(folder / "run", "--no-evaluation")).status == 0);
  const auto weight = [](const std::string& file, const std::string& name) {
    return load_safetensors(file).tensors.at("model." + name);
  };
  const std::string name = "1.projector.proj";
  const Tensor start = weight(folder / "run/checkpoint.safetensors", name);
  const auto tuned = [&](double keep) {
    const std::string out = folder / join("keep-", keep);
    const Outcome outcome =
        run(clip(out, join("--no-evaluation --lr 1e-3 --warmup-epochs 0 --start ", folder / "run", " --keep ", keep)));
    INFO(outcome.text);
    REQUIRE(outcome.status == 0);
    return std::pair(weight(out + "/kept.safetensors", name), weight(out + "/checkpoint.safetensors", name));
  };
  CHECK(largest_difference(tuned(1).first, start) == 0);
  const auto [half, end] = tuned(0.5);
  CHECK(largest_difference(end, start) > 1e-4);
  CHECK(largest_difference(half, start * 0.5 + end * 0.5) < 1e-6);
  check_refused(clip(folder / "x", "--keep 0.5"), 2, "--keep is a share of the weights of --start");
  check_refused(clip(folder / "x", "--start " + (folder / "run") + " --dimension 16"), 2, "does not fit these towers");

  // A teacher that is the student's own start at first agrees with it, and the loss is another.
  const Outcome taught = run(clip(folder / "taught", "--no-evaluation --teacher " + (folder / "run")));
  INFO(taught.text);
  REQUIRE(taught.status == 0);
  CHECK((contents(folder / "taught/checkpoint.safetensors") != contents(folder / "run/checkpoint.safetensors")));
  check_refused(clip(folder / "x", "--image-size 24 --teacher " + (folder / "run")), 2, "the student of (24, 24, 3)");

  DualEncoderConfig config;
  config.image = ClipVisionConfig{.image_size = 16, .patch = 8, .width = 32, .layers = 1, .heads = 1};
  config.text = TextTransformerConfig{.width = 32, .layers = 1, .heads = 1};
  config.dimension = 24;
  config.images.size = 16;
  DualEncoder model(ClipVision(std::get<ClipVisionConfig>(config.image), Rng(1)), UnitProjection(32, 24, Rng(2)),
                    TextTransformer(std::get<TextTransformerConfig>(config.text), Rng(3)),
                    UnitProjection(32, 24, Rng(4)));
  TensorMap tensors;
  for (const auto& [key, tensor] : state_of(model)) tensors[key] = tensor;
  save_dual_encoder(folder / "published", config, tensors, WeightLayout::open_clip);
  CHECK_THAT(run(program("retrieve") + " " + (folder / "published") + " --data shapes").text,
             Contains("text to image"));
  const Outcome further =
      run(clip(folder / "further", "--no-evaluation --lr 1e-5 --keep 0.5 --start " + (folder / "published")));
  INFO(further.text);
  REQUIRE(further.status == 0);
  CHECK(weight(folder / "further/kept.safetensors", "0.projector.proj").shape() == Shape{32, 24});
}

TEST_CASE("what cannot be asked is refused in one sentence") {
  Folder folder;
  REQUIRE(run(clip(folder / "run", "--no-evaluation --knn-every 0")).status == 0);
  REQUIRE(run(tiny("simclr", folder / "simclr")).status == 0);
  const std::string zero_shot = program("zero_shot") + " " + (folder / "run");
  check_refused(program("retrieve") + " " + (folder / "simclr"), 2, "needs a run of images and texts");
  check_refused(zero_shot + " --templates nope", 1, "templates/nope.txt");
  std::ofstream(folder.path / "templates.txt") << "a {}\na photo\n";
  check_refused(zero_shot + " --templates " + (folder / "templates.txt"), 1, "line 2: \"a photo\" has no {}");
  std::ofstream(folder.path / "classes.txt") << "circle\nsquare\n";
  check_refused(zero_shot + " --classes " + (folder / "classes.txt"), 1, "has 2 names, shapes test has 6 classes");
  std::ofstream(folder.path / "twice.txt") << "a\nb\na\nc\nd\ne\n";
  CHECK_THAT(run(zero_shot + " --classes " + (folder / "twice.txt")).text,
             Contains("classes 0 and 2 are both called a"));
  check_refused(program("clip") + " --data shapes --lock-image /nowhere --out " + (folder / "x"), 2, "/nowhere");
  check_refused(program("clip") + " --data fashion --out " + (folder / "x"), 1, "the views are made of image, texts");
  check_refused(program("tokenize") + " --ids 12 x", 2, "--ids expected whole numbers, got x");
  check_refused(program("tokenize") + " --ids 99999999", 1, "[decode] ids are 0 to 49407");
  std::ofstream(folder.path / "pickle.pt") << "\x80\x02}q";
  check_refused(program("zero_shot") + " " + (folder / "pickle.pt") + " --data shapes", 1, "pickle.pt");
}
