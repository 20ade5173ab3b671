// SPDX-License-Identifier: MIT

// `image_search train`, as a user runs it: from titles to a folder that is searched.

#include "contrastive/io/safetensors.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "programs/search_support.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace programs;

namespace {

std::string train(const std::string& out, const std::string& more = "") {
  return program("image_search") +
         " train --data shapes --image-size 16 --samples 1024 --batch 128 --epochs 1 --threads 2 --text-width 32"
         " --text-heads 1 --text-layers 1 --dimension 32 --context-length 16 --out " +
         out + " " + more;
}

}  // namespace

TEST_CASE("image_search train ends with the command that searches a folder, and it works") {
  Folder folder;
  const std::string out = folder / "run";
  const Outcome trained = run(train(out, "--epochs 3"));
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  CHECK_THAT(trained.text, Contains("text to image") && Contains("image to text") && Contains("R@10"));
  CHECK_THAT(trained.text, Contains("chance                  0.1 %      0.5 %      1.0 %"));  // of 1,000 titles
  const std::string command = "image_search FOLDER \"a red flower\" --weights " + out;
  CHECK_THAT(trained.text, Contains(command));
  CHECK_THAT(contents(out + "/config.json"),
             Contains("\"projection\": \"residual\"") && Contains("\"method\": \"clip\""));

  write_pictures(folder, 6);
  const Outcome found =
      run(program("image_search") + " " + (folder / "photos") + " 'a red circle' --json --weights " + out);
  INFO(found.text);
  CHECK(found.status == 0);
  CHECK_THAT(found.text, Contains("\"rank\":1"));
  CHECK_THAT(run(program("retrieve") + " " + out).text, Contains("of equal scores the lower index"));
  CHECK_THAT(run(program("zero_shot") + " " + out + " --templates simple").text, Contains("templates simple"));
}

TEST_CASE("image_search train, killed in the middle, ends with the same bits", "[resume]") {
  for (const char* more : {"", "--accumulate 4 --text-encoder bag"}) {
    INFO(more);
    Folder folder;
    const std::string flags = std::string("--no-evaluation --knn-every 0 --epochs 6 --save-every 4 ") + more;
    REQUIRE(run(train(folder / "whole", flags)).status == 0);
    run("sh -c '" + train(folder / "cut", flags) + " & child=$!; while [ ! -e " +
        (folder / "cut/checkpoint.safetensors") + " ] && kill -0 $child; do sleep 0.02; done; kill -9 $child; wait'");
    const Outcome rest = run(train(folder / "cut", flags + " --resume"));
    INFO(rest.text);
    REQUIRE(rest.status == 0);
    CHECK_THAT(rest.text, Contains("resuming after step"));
    CHECK((contents(folder / "cut/checkpoint.safetensors") == contents(folder / "whole/checkpoint.safetensors")));
  }
}

TEST_CASE("encoders of a self-supervised run and of published texts are where a run starts, and are trained") {
  using namespace contrastive;
  Folder folder;
  REQUIRE(run(tiny("byol", folder / "byol", "--image-size 16")).status == 0);
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

  const std::string starts = " --start-image " + (folder / "byol") + " --start-text " + (folder / "published");
  const auto distances = [&](const std::string& more) {
    const Outcome outcome =
        run(train(folder / "run", "--no-evaluation --knn-every 0 --warmup-epochs 0" + starts + more));
    INFO(outcome.text);
    REQUIRE(outcome.status == 0);
    const Safetensors from = load_safetensors(folder / "byol/checkpoint.safetensors"),
                      to = load_safetensors(folder / "run/checkpoint.safetensors");
    std::string first;
    for (const auto& [name, values] : from.tensors)
      if (first.empty() && name.starts_with("model.encoder.") && is_float(values.dtype()) && values.rank() == 4)
        first = name;
    REQUIRE(!first.empty());
    return std::pair(
        largest_difference(to.tensors.at("model.0." + first.substr(6)), from.tensors.at(first)),
        largest_difference(to.tensors.at("model.1.encoder.positional_embedding"), model.text.positional_embedding));
  };
  const auto [image_stays, text_stays] = distances(" --lr 1e-9");
  CHECK(image_stays < 1e-6);
  CHECK(text_stays < 1e-6);
  fs::remove_all(folder / "run");
  const auto [image_moves, text_moves] = distances(" --lr 1e-3");
  CHECK(image_moves > 1e-4);
  CHECK(text_moves > 1e-4);
  CHECK(run(program("retrieve") + " " + (folder / "run")).status == 0);

  check_refused(train(folder / "x", starts + " --lock-image " + (folder / "byol")), 2, "stands still (--lock-image)");
  check_refused(train(folder / "x", starts + " --lock-text " + (folder / "published")), 2,
                "stands still (--lock-text)");
  check_refused(train(folder / "x", "--start-image " + (folder / "published")), 2,
                "expected a run that learned from images");
  check_refused(train(folder / "x", "--start " + (folder / "published")), 2, "brings both encoders");
  check_refused(train(folder / "x", "--projection deep"), 2, "--projection must be one of linear, residual, got deep");
  check_refused(train(folder / "x", "--projection-dropout 1"), 2, "--projection-dropout");
  check_refused(train(folder / "x", "--text-encoder set"), 2,
                "--text-encoder must be one of transformer, bag, got set");
  check_refused(program("image_search") + " train --data clipart --root /nowhere --out " + (folder / "x"), 1,
                "[clipart] /nowhere: no such folder: install the package openclipart-png");
  check_refused(program("image_search") + " train --data photos --out " + (folder / "x"), 1, "unknown data set photos");
}
