// SPDX-License-Identifier: MIT
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "programs/support.hpp"
#include "support/catch.hpp"

using namespace programs;

namespace {

std::vector<std::string> methods() {
  std::vector<std::string> names;
  std::istringstream list(run(program("train") + " --list").text);
  for (std::string line; std::getline(list, line);)
    if (!line.empty() && line[0] != ' ') names.push_back(line.substr(0, line.find(' ')));
  return names;
}

/// A few steps of any method on small procedural pictures.
std::string few_steps(const std::string& method, const std::string& out, const std::string& more) {
  if (method == "cpc_audio")
    return program("train") +
           " cpc_audio --window 1600 --predictions 3 --channels 16 --context 8 --batch 128 --epochs 1" +
           " --seed 3 --threads 2 --save-every 2 --out " + out + " " + more;
  std::string flags =
      " --data shapes --samples 1152 --epochs 1 --knn-every 0 --image-size 16 --batch 128 --seed 3 --threads 2"
      " --save-every 2";
  if (method == "moco_v1" || method == "moco_v2" || method == "nnclr") flags += " --queue 1024";
  if (method == "swav") flags += " --queue 1024 --queue-start 0.3";
  if (method == "swav" || method == "dino") flags += " --locals 2";
  if (method == "cmc" || method == "instdisc") flags += " --negatives 512";
  if (method == "clip" || method == "siglip")
    flags += " --text-width 32 --text-heads 1 --text-layers 1 --context-length 16";
  if (method == "lseg") flags += " --data shape_scenes --label-rows random";
  if (method == "vild") flags += " --data shape_scenes_whole --word-rows random --crops none";
  if (method == "group_vit")
    flags += " --text-width 16 --text-heads 1 --text-layers 1 --context-length 16 --dimension 16" +
             std::string(" --embed-width 16 --heads 1 --depth1 1 --depth2 1 --projector-hidden 16");
  if (method == "glip")
    flags += std::string(" --data shape_scenes --fusion-depth 1 --region-width 16 --text-width 16") +
             " --text-layers 1 --fusion-heads 2";
  if (method == "cpc") flags += " --image-size 20 --predictions 1 --batch 128";
  return program("train") + " " + method + flags + " --out " + out + " " + more;
}

}  // namespace

TEST_CASE("every method trains, and killed in the middle ends with the same bits", "[resume]") {
  std::vector<std::pair<std::string, std::string>> runs;
  for (const std::string& method : methods()) runs.push_back({method, ""});
  REQUIRE(runs.size() >= 21);
  runs.push_back({"instdisc", "--loss softmax"});
  runs.push_back({"cpc", "--autoregressor gru"});
  runs.push_back({"cmc", "--views y,cb,cr --graph core"});
  runs.push_back({"moco_v2", "--symmetric --precision bf16"});
  runs.push_back({"clip", "--encoder small --precision bf16"});
  runs.push_back({"clip", "--patch-dropout 0.5 --accumulate 4"});
  runs.push_back({"group_vit", "--accumulate 4 --drop-path 0.1"});
  runs.push_back({"dino", "--encoder vit_micro --patch 8 --local-size 8 --drop-path 0.1"});
  std::size_t cut_short = 0;
  for (const auto& [method, more] : runs) {
    INFO(method << " " << more);
    Folder folder;
    const Outcome whole = run(few_steps(method, folder / "whole", more + " --no-evaluation"));
    INFO(whole.text);
    REQUIRE(whole.status == 0);
    // Killed once it has saved, at whatever step it has then come to.
    run("sh -c '" + few_steps(method, folder / "cut", more + " --no-evaluation") + " & child=$!; while [ ! -e " +
        (folder / "cut/checkpoint.safetensors") + " ] && kill -0 $child; do sleep 0.02; done; kill -9 $child; wait'");
    const Outcome rest = run(few_steps(method, folder / "cut", more + " --no-evaluation --resume"));
    INFO(rest.text);
    REQUIRE(rest.status == 0);
    const std::string words = "resuming after step ";
    const std::size_t at = rest.text.find(words);
    REQUIRE(at != std::string::npos);
    cut_short += std::stoi(rest.text.substr(at + words.size())) < 9;
    CHECK(contents(folder / "cut/checkpoint.safetensors") == contents(folder / "whole/checkpoint.safetensors"));
  }
  CHECK(cut_short > runs.size() / 2);  // of 9 steps; on a busy machine a kill may come late
}

TEST_CASE("the tables of methods in the documents are those that the programs give (cmake/tables.sh writes them)") {
  for (const auto& [file, option] : {std::pair("docs/methods.md", " --table"), {"README.md", " --readme"}}) {
    INFO(file);
    const Outcome table = run(program("train") + option);
    REQUIRE(table.status == 0);
    CHECK(contents(CONTRASTIVE_GOLDEN_DIR "/../../" + std::string(file)).find(table.text) != std::string::npos);
  }
  for (const std::string& method : methods()) {
    INFO(method);
    CHECK(fs::exists(CONTRASTIVE_GOLDEN_DIR "/../../docs/methods/" + method + ".md"));
  }
}

TEST_CASE("each published recipe is a configuration that a run can be started from") {
  const fs::path folder = CONTRASTIVE_GOLDEN_DIR "/../../configs";
  const std::string table = contents((folder / "README.md").string());
  std::string files;
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().stem().string();
    INFO(name);
    CHECK(table.find("| `" + name + "` |") != std::string::npos);
    files += " " + entry.path().string();
    ++count;
  }
  CHECK(count >= 35);
  const Outcome checked = run(program("train") + " --check" + files);
  INFO(checked.text);
  CHECK(checked.status == 0);
  // FOLDER/METHOD_*.json: METHOD
  std::istringstream lines(checked.text);
  for (std::string line; std::getline(lines, line); --count) {
    const std::string method = line.substr(line.find(": ") + 2);
    CHECK_THAT(line, Contains("/" + method + "_"));
  }
  CHECK(count == 0);

  Folder own;
  const auto refused = [&](const std::string& text, const std::string& words) {
    const std::string file = own / "mine.json";
    std::ofstream(file) << text;
    check_refused(program("train") + " --check " + file, 2, words);
  };
  const std::string moco = R"({"method": "moco_v2", )";
  refused(moco + R"("target-momentun": 0.9})", "mine.json: unknown setting \"target-momentun\" of moco_v2");
  refused(moco + R"("batch": 1})", "--batch");
  refused(moco + R"("batch": 768, "groups": 1})", "--queue must be a multiple of 768");
  refused(moco + R"("batch": 4096, "symmetric": true})",
          "--queue must be a multiple of 8192 (--batch 4096, twice with --symmetric)");
  refused(moco + R"("groups": 3})", "--groups must divide --batch, got 3");
  refused(R"({"method": "instdisc", "loss": "", "negatives": 0})", "--loss must be one of nce, softmax, got ");
  refused(R"({"method": "instdisc", "negatives": 0})", "--loss softmax takes all pictures");
  refused(R"({"method": "instdisc", "temperature": 0.0029})", "--temperature must be 0.003 to 10000 with --loss nce");
  refused(R"({"method": "nope"})", "unknown method nope");
  refused(R"({"batch": 64})", "names no method");
}

TEST_CASE("runs side by side; a method with two encoders, and one on patches, are read by the companions") {
  Folder folder;
  // Settings that shape the networks: the companions read them back.
  for (const auto& [method, more] : {std::pair<std::string, std::string>{"cmc", "--views l,a,b"},
                                     {"cpc", "--autoregressor gru"},
                                     {"dino", "--encoder vit_micro --heads 6"}}) {
    const Outcome outcome = run(few_steps(method, folder / method, more + " --samples 5000"));
    INFO(outcome.text);
    REQUIRE(outcome.status == 0);
    CHECK(fs::exists(folder / (method + "/report.html")));
    CHECK(run(program("knn") + " " + (folder / method)).status == 0);
  }
  CHECK_THAT(contents(folder / "dino/report.html"), Contains("head 6"));
  CHECK_THAT(contents(folder / "dino/report.html"), Contains("Attention maps"));
  const Outcome tuned = run(program("finetune") + " " + (folder / "cpc") + " --share 0.02 --epochs 1 --student small" +
                            " --student-epochs 1");
  INFO(tuned.text);
  CHECK(tuned.status == 0);
  CHECK_THAT(tuned.text, Contains("fine-tuned on 102 labels") && Contains("its student small"));
  const Outcome scratch =
      run(program("finetune") + " " + (folder / "dino") + " --share 0.02 --epochs 1 --from-scratch");
  INFO(scratch.text);
  CHECK(scratch.status == 0);
  CHECK_THAT(scratch.text, Contains("from scratch on 102 labels"));
  const Outcome side = run(program("compare") + " --out " + (folder / "side") + " " + (folder / "cmc") + " " +
                           (folder / "cpc") + " " + (folder / "dino"));
  CHECK(side.status == 0);
  CHECK_THAT(side.text, Contains("| cmc |"));
  CHECK(fs::exists(folder / "side/report.html"));
  CHECK(run(program("compare") + " " + (folder / "nothing")).status == 1);
  CHECK(run(program("compare")).status == 2);
}

TEST_CASE("kNN on the bank of a run") {
  Folder folder;
  const std::string flags =
      " --data shapes --epochs 1 --knn-every 0 --image-size 12 --batch 512 --no-evaluation --out ";
  REQUIRE(run(program("instdisc") + flags + (folder / "run") + " --loss softmax").status == 0);
  const std::string knn = program("knn") + " " + (folder / "run") + " --bank";
  const Outcome scored = run(knn + " --k 50");
  INFO(scored.text);
  CHECK(scored.status == 0);
  CHECK_THAT(scored.text, Contains("kNN on the memory bank (k 50"));
  CHECK(run(knn + " --data emoji").status == 2);

  REQUIRE(run(program("simclr") + flags + (folder / "other")).status == 0);
  const Outcome refused = run(program("knn") + " " + (folder / "other") + " --bank");
  CHECK(refused.status == 2);
  CHECK(refused.text == "[knn] --bank expected a run of instdisc, with one bank, got one of simclr\n");
}

TEST_CASE("settings that a method cannot take are one sentence") {
  Folder folder;
  const auto refused = [&](const std::string& command, int status, const std::string& words) {
    const Outcome outcome = run(program("train") + " " + command + " --out " + (folder / "run"));
    INFO(command << "\n" << outcome.text);
    CHECK(outcome.status == status);
    CHECK_THAT(outcome.text, Contains(words));
    CHECK(std::count(outcome.text.begin(), outcome.text.end(), '\n') == 1);
  };
  refused("nope --data shapes", 2, "unknown method nope");
  refused("cmc --data fashion", 2, "grey");
  refused("instdisc --data shapes --negatives 6000", 2, "5000 pictures");
  refused("cpc --data shapes --image-size 16", 2, "--predictions");
  refused("mae --data shapes --image-size 18 --patch 4", 2, "does not divide");
  refused("mae --data shapes --encoder resnet18", 2, "vision transformer");
  refused("moco_v2 --data shapes --symmetric --queue 256", 2, "--queue");
  refused("swav --data shapes --queue 100", 2, "--queue");
  refused("nnclr --data shapes --queue 100", 2, "--queue");
  refused("moco_v1 --data shapes --queue 100", 2, "--queue");
  refused("swav --data shapes --image-size 16 --locals 2 --local-size 20", 2, "--local-size");
  refused("dino --data shapes --image-size 16 --encoder vit_micro --local-size 10", 2, "multiple of the patch");
  refused("instdisc --data shapes --loss info_nce", 2, "must be one of nce, softmax, got ");
  refused("cmc --data shapes --loss info_nce", 2, "must be one of nce, softmax, got ");
  refused("instdisc --data shapes --negatives 0", 2, "--loss softmax takes all pictures");
  refused("cmc --data shapes --views l,b", 2, "--views must be one of l,ab; l,a,b; y,cbcr; y,cb,cr, got l,b");
  refused("cmc --data shapes --graph ring", 2, "--graph must be one of full, core, got ring");
  refused("cpc --data shapes --autoregressor lstm", 2, "--autoregressor must be one of pixelcnn, gru, got lstm");
  refused("moco_v3 --data shapes --encoder vit_micro --image-size 16 --heads 5", 2,
          "5 heads do not divide a width of 192");
  refused("moco_v3 --data shapes --heads 4", 2, "heads (--heads) are for vision transformers");
  refused("byol --data shapes --channel-groups 7", 2, "--channel-groups");
  refused("byol --data shapes --batch 6000", 2, "--batch 6000 is larger than shapes train with its 5000 pictures");
  refused("simclr --data shapes --width 2", 2, "--width");
  refused("mae --data shapes --image-size 16 --mask-ratio 0.99", 2, "--mask-ratio must leave one of 16 patches");
  refused("swav --data shapes --queue-start nan", 2, "--queue-start");
  refused("byol --data shapes --queue 512", 2, "--queue");  // a setting of other methods
  refused("glip --data shapes --label shape", 2, "and no boxes: --data scenes has");
  refused("glip --data shape_scenes --context-length 1", 2, "expected at most 1 (--context-length)");
  refused("glip --data shape_scenes --fusion-heads 3", 2,
          "--fusion-heads 3 must divide --text-width and --region-width");
  refused("simclr --data shapes --schedule step --milestones 3,x", 2, "--milestones");
}
