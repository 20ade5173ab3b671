// SPDX-License-Identifier: MIT
#include "contrastive/kernels/cuda.hpp"
#include "programs/support.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace programs;

namespace {

void write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("wrong usage is status 2 and names the flag") {
  Folder folder;
  const std::string simclr = program("simclr") + " --data shapes --image-size 12 --out " + (folder / "run") + " ";
  check_refused(simclr + "--learning-rat 3", 2, "--learning-rat");
  check_refused(simclr + "--lr nan", 2, "--lr");
  check_refused(simclr + "--lr -1", 2, "--lr");
  check_refused(simclr + "--batch 1", 2, "--batch");
  check_refused(simclr + "--batch many", 2, "--batch");
  check_refused(simclr + "--temperature 0", 2, "--temperature");
  check_refused(simclr + "--optimizer rmsprop", 2, "--optimizer");
  check_refused(simclr + "--precision f8", 2, "--precision");
  check_refused(program("moco_v2") + " --data shapes --queue 1000 --batch 128 --out " + (folder / "run"), 2, "--queue");
  CHECK(run(program("simclr") + " --help").status == 0);
  CHECK_THAT(run(program("simclr") + " --help").text, Contains("--temperature"));
}

TEST_CASE("data that is not there or not right is one sentence naming it") {
  Folder folder;
  const auto simclr = [&](const std::string& flags) {
    return program("simclr") + " --image-size 12 --batch 64 --out " + (folder / "run") + " " + flags;
  };
  check_refused(simclr("--data nothing"), 1, "nothing");
  check_refused(simclr("--data folder --root " + (folder / "missing")), 1, folder / "missing");
  fs::create_directories(folder.path / "empty");
  check_refused(simclr("--data folder --root " + (folder / "empty")), 1, folder / "empty");
  write(folder / "texts/a/notes.txt", "no picture");
  check_refused(simclr("--data folder --root " + (folder / "texts")), 1, folder / "texts");
  write(folder / "cifar/data_batch_1.bin", "short");
  check_refused(simclr("--data cifar10 --root " + (folder / "cifar")), 1, "data_batch_1.bin");
  check_refused(simclr("--data shapes --batch 100000"), 2, "--batch 100000");
  check_refused(simclr("--data shapes --encoder resnet19"), 2, "resnet19");
  if (!contrastive::cuda_available()) check_refused(simclr("--data shapes --device cuda"), 1, "[cuda]");
}

TEST_CASE("IDX files whose dimensions lie are named") {
  Folder folder;
  const std::string header{"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1c", 16};  // 60,000 pictures of 28 x 28
  write(folder / "train-images-idx3-ubyte", header + "and some bytes");
  write(folder / "train-labels-idx1-ubyte", header);
  check_refused(program("simclr") + " --data idx --root " + folder.path.string() + " --out " + (folder / "run"), 1,
                "train-images-idx3-ubyte: the header says 60000 x 28 x 28, but 14 bytes follow it");
}

TEST_CASE("pictures that cannot be read are named once, skipped and counted; --strict stops at the first") {
  Folder folder;
  const fs::path golden = fs::path(CONTRASTIVE_GOLDEN_DIR) / "decode";
  const std::vector<std::string> broken{"truncated.png", "truncated_half.jpg", "text.jpg"};
  for (const std::string name : {"rgb.png", "rgba.png", "grey16.png", "palette.png", "rgb.bmp", "progressive.jpg",
                                 "exif6.jpg", "one_pixel.jpg", "q75_420.jpg"})
    for (const char* label : {"a", "b"}) {
      fs::create_directories(folder.path / "pictures" / label);
      fs::copy(golden / name, folder.path / "pictures" / label / name);
    }
  for (const std::string& name : broken) fs::copy(golden / name, folder.path / "pictures/a" / name);
  const std::string train = program("simclr") + " --data folder --root " + (folder / "pictures") +
                            " --image-size 12 --batch 8 --epochs 2 --knn-every 0 --no-evaluation --out " +
                            (folder / "run");
  const Outcome outcome = run(train);
  INFO(outcome.text);
  CHECK(outcome.status == 0);
  for (const std::string& name : broken) {
    const std::string path = folder / ("pictures/a/" + name);
    const std::size_t at = outcome.text.find(path);
    CHECK(at != std::string::npos);
    CHECK(outcome.text.find(path, at + 1) == std::string::npos);
  }
  CHECK_THAT(outcome.text, Contains("3 samples could not be read"));
  check_refused(train + " --strict", 1, folder / "pictures/a/t");
}

TEST_CASE("a folder without class folders trains, and evaluation says that it needs labels") {
  Folder folder;
  fs::create_directories(folder.path / "pictures");
  for (int i = 0; i < 16; ++i)
    fs::copy(fs::path(CONTRASTIVE_GOLDEN_DIR) / "decode/rgb.png",
             folder.path / "pictures" / (std::to_string(i) + ".png"));
  const Outcome outcome = run(program("simclr") + " --data folder --root " + (folder / "pictures") +
                              " --image-size 12 --batch 8 --epochs 1 --out " + (folder / "run"));
  INFO(outcome.text);
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.text, Contains("labels (a folder for each class)"));
  CHECK(fs::file_size(folder.path / "run/report.html") > 0);
  check_refused(program("knn") + " " + (folder / "run"), 1, "evaluation needs a test part with labels");
}

TEST_CASE("an output folder that cannot be written is named before any work is done") {
  Folder folder;
  write(folder / "file", "in the way");
  check_refused(program("simclr") + " --data shapes --image-size 12 --out " + (folder / "file/run"), 1, "--out");
  if (fs::exists("/dev/full"))  // a full disk
    check_refused("ln -s /dev/full " + (folder / "full") + "; " + program("simclr") +
                      " --data shapes --image-size 12 --epochs 1 --out " + (folder / "full"),
                  1, folder / "full");
}

TEST_CASE("a disk that is full at the next checkpoint is named, and the last checkpoint stays") {
  Folder folder;
  REQUIRE(run(tiny("simclr", folder / "run")).status == 0);
  const std::string before = contents(folder / "run/checkpoint.safetensors");
  // A limit on the size of files fails a write as a full disk does.
  check_refused("trap '' XFSZ; ulimit -f 64; " + tiny("simclr", folder / "run", "--resume --epochs 2"), 1,
                folder / "run/checkpoint");
  CHECK(contents(folder / "run/checkpoint.safetensors") == before);
}

TEST_CASE("checkpoints that are broken, foreign or of another run are refused and left alone") {
  Folder folder;
  const std::string checkpoint = folder / "run/checkpoint.safetensors";
  REQUIRE(run(tiny("simclr", folder / "run")).status == 0);
  const std::string whole = contents(checkpoint), settings = contents(folder / "run/config.json");

  check_refused(tiny("simclr", folder / "run", "--resume --encoder resnet20"), 1, "with --encoder small;");
  check_refused(tiny("byol", folder / "run", "--resume"), 2, "is of method simclr");
  check_refused(tiny("simclr", folder / "run", "--resume --batch 64"), 1, "--batch 128; this one has --batch 64");
  CHECK(contents(checkpoint) == whole);
  CHECK(contents(folder / "run/config.json") == settings);

  write(checkpoint, whole.substr(0, whole.size() / 2));
  check_refused(tiny("simclr", folder / "run", "--resume"), 1, checkpoint);
  CHECK(contents(checkpoint).size() == whole.size() / 2);
  write(checkpoint, "not a checkpoint at all, but long enough to have a header");
  check_refused(tiny("simclr", folder / "run", "--resume"), 1, checkpoint);
  check_refused(program("knn") + " " + checkpoint, 1, checkpoint);
  const std::string foreign = contents(CONTRASTIVE_GOLDEN_DIR "/decode/pillow_pixels.safetensors");
  write(checkpoint, foreign);
  check_refused(tiny("simclr", folder / "run", "--resume"), 1, checkpoint);
  check_refused(program("embed") + " " + checkpoint, 1, checkpoint);
  CHECK(contents(checkpoint) == foreign);
  std::string corrupt = whole;
  corrupt.replace(100, 40, 40, '\xff');  // in the header
  write(checkpoint, corrupt);
  check_refused(tiny("simclr", folder / "run", "--resume"), 1, checkpoint);
  check_refused(program("knn") + " " + (folder / "nowhere"), 1, folder / "nowhere");
}

TEST_CASE("a loss that is no number stops the run and keeps the last checkpoint") {
  Folder folder;
  // The decay multiplies the weights by millions a step.
  const Outcome outcome = run(tiny("simclr", folder / "run", "--lr 1e4 --weight-decay 1e4 --save-every 1"));
  INFO(outcome.text);
  CHECK(outcome.status == 1);
  CHECK_THAT(outcome.text, Contains("the loss is"));
  CHECK_THAT(run(program("embed") + " " + (folder / "run") + " --out " + (folder / "f.npy")).text,
             !Contains("[checkpoint]"));
  CHECK(fs::file_size(folder.path / "run/checkpoint.safetensors") > 0);
}

TEST_CASE("the configuration of a run can be run again, and flags win over it") {
  Folder folder;
  REQUIRE(run(tiny("simclr", folder / "a", "--temperature 0.3 --seed 5")).status == 0);
  REQUIRE(
      run(program("simclr") + " --config " + (folder / "a/config.json") + " --no-evaluation --out " + (folder / "b"))
          .status == 0);
  CHECK(contents(folder / "a/checkpoint.safetensors") == contents(folder / "b/checkpoint.safetensors"));
  REQUIRE(run(program("simclr") + " --config " + (folder / "a/config.json") + " --no-evaluation --seed 6 --out " +
              (folder / "c"))
              .status == 0);
  CHECK_THAT(contents(folder / "c/config.json"), Contains("\"seed\": 6"));
  CHECK_THAT(contents(folder / "c/config.json"), Contains("\"temperature\": 0.3"));
}

TEST_CASE("what is wrong with --config is status 2, with the file and the setting") {
  Folder folder;
  const std::string file = folder / "my.json", command = tiny("simclr", folder / "run", "--config " + file);
  check_refused(command, 2, file + ": No such file or directory (--config)");
  for (const auto& [text, words] :
       {std::pair{R"({"batch": "many"})", R"(: batch is a whole number, got "many")"},
        {R"({"bach": 128})", ": unknown setting \"bach\""},
        {R"([128])", ": expected an object of settings, got an array"},
        {R"({"batch": })", ": parse error at line 1, column 11: syntax error while parsing value - unexpected '}'"},
        {R"({"method": "byol"})", " is of method byol, this program trains simclr"}}) {
    write(file, text);
    check_refused(command, 2, file + words);
  }
  write(file, std::string("\xFF\xFE{\0}\0", 6));  // as PowerShell's > writes it
  check_refused(command, 2, file + ": UTF-16, expected UTF-8");
  CHECK_FALSE(fs::exists(folder.path / "run"));
  write(file, "\xEF\xBB\xBF{\"temperature\": 0.25}");  // as Notepad writes it
  const Outcome outcome = run(command);
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  CHECK_THAT(contents(folder / "run/config.json"), Contains("\"temperature\": 0.25"));
}

TEST_CASE("a run leaves its files, and the companions read them") {
  Folder folder;
  const std::string command =
      program("simclr") + " --data shapes --image-size 12 --batch 128 --epochs 1 --out " + (folder / "run");
  const Outcome outcome = run(command);
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  for (const char* file : {"metrics.csv", "summary.json", "config.json", "checkpoint.safetensors", "report.html"})
    CHECK(fs::file_size(folder.path / "run" / file) > 0);
  for (const char* key :
       {"knn_top1", "linear_top1_random_init", "few_label_top1_pixels", "effective_rank", "loss_final"})
    CHECK_THAT(contents(folder / "run/summary.json"), Contains(key));
  const std::string summary = contents(folder / "run/summary.json");
  CHECK(run(command + " --resume").status ==
        0);  // nothing is left to train: the scores again, speed and memory as they were
  CHECK(contents(folder / "run/summary.json") == summary);
  CHECK(run(program("report") + " " + (folder / "run")).status == 0);
  CHECK_THAT(run(program("knn") + " " + (folder / "run")).text, Contains("top-1"));
  CHECK_THAT(run(program("linear_probe") + " " + (folder / "run")).text, Contains("linear probe"));
  CHECK(run(program("embed") + " " + (folder / "run") + " --out " + (folder / "f.npy")).status == 0);
  CHECK(contents(folder / "f.npy").substr(1, 5) == "NUMPY");
}

TEST_CASE("a run on the GPU leaves what the companions and a run on the CPU read") {
  if (!contrastive::cuda_available()) {
    std::puts("SKIPPED: no CUDA device here; no program was run with --device cuda.");
    return;
  }
  Folder folder;
  for (const std::string method : {"simclr", "moco_v2", "byol", "simsiam"}) {
    const std::string flags = program(method) + " --data shapes --image-size 12 --batch 128 --resume --out " +
                              (folder / method) + (method == "moco_v2" ? " --queue 512" : "");
    const Outcome there = run(flags + " --epochs 1 --device cuda");
    INFO(there.text);
    REQUIRE(there.status == 0);
    CHECK_THAT(contents(folder / (method + "/summary.json")), Contains("knn_top1"));
    CHECK_THAT(run(program("knn") + " " + (folder / method)).text, Contains("top-1"));
    const Outcome here = run(flags + " --epochs 2 --no-evaluation");
    INFO(here.text);
    CHECK(here.status == 0);
    CHECK_THAT(here.text, Contains("resuming after step"));
  }
}

TEST_CASE("the README's second program names colours by words alone", "[learns]") {
  const Outcome outcome = run(program("dual_encoder"));
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  double named = 0;
  REQUIRE(std::sscanf(outcome.text.c_str(), "colours named by words alone: %lf", &named) == 1);
  check_above("the README's second program: colours named", named / 100, 1 / 8.0 + 0.1);
}

TEST_CASE("the README's program trains", "[learns]") {
  const Outcome outcome = run(program("twenty_lines"));
  INFO(outcome.text);
  REQUIRE(outcome.status == 0);
  double first = 0, last = 0;
  REQUIRE(std::sscanf(outcome.text.c_str(), "epoch 0: loss %lf\nepoch 1: loss %*f\nepoch 2: loss %lf", &first, &last) ==
          2);
  check_below("the README's program: loss of the last epoch less the first's", last - first, 0);
}
