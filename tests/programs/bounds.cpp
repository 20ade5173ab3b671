// SPDX-License-Identifier: MIT

// What the flags of the programs take: numbers within bounds, and no others.

#include "programs/support.hpp"

using namespace programs;

TEST_CASE("a flag's number out of its bounds is status 2 and one sentence, before anything is read or made") {
  Folder folder;
  const auto refused = [&](const std::string& command, const std::string& words) {
    const Outcome outcome =
        run(program(command) + (command.find("nowhere") == std::string::npos ? " --out " + (folder / "run") : ""));
    INFO(command << "\n" << outcome.text);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.text, Contains(words));
    CHECK(std::count(outcome.text.begin(), outcome.text.end(), '\n') == 1);
  };
  const std::string simclr = "simclr --data shapes ";
  refused(simclr + "--epochs 1e9", "--epochs: must be a whole number, got 1e9");
  refused(simclr + "--epochs 0", "--epochs: must be 1 to 1000000, got 0");
  refused(simclr + "--epochs 99999999999999999999", "--epochs: must be 1 to 1000000, got 99999999999999999999");
  refused(simclr + "--seed -1", "--seed: must be 0 to 9223372036854775807, got -1");
  refused(simclr + "--seed 18446744073709551615", "--seed: must be 0 to 9223372036854775807, got");
  refused(simclr + "--batch 1048577", "--batch: must be 2 to 1048576, got 1048577");
  refused(simclr + "--batch 0x40", "--batch: must be a whole number, got 0x40");
  refused(simclr + "--accumulate 0", "--accumulate: must be 1 to");
  refused(simclr + "--image-size 4294967297", "--image-size: must be 1 to 4096, got 4294967297");
  refused(simclr + "--width 17", "--width: must be 1 to 16, got 17");
  refused(simclr + "--threads -1", "--threads: must be 0 to 1024, got -1");
  refused(simclr + "--threads 100000", "--threads: must be 0 to 1024, got 100000");
  refused(simclr + "--knn-every -1", "--knn-every: must be 0 to");
  refused(simclr + "--save-every -1", "--save-every: must be 0 to");
  refused(simclr + "--eval-limit -1", "--eval-limit: must be 0 to");
  for (const char* value : {"nan", "inf", "-inf", "0", "-0.5", "9e-5", "10001", "1e999"})
    refused(simclr + "--temperature " + value, std::string("--temperature: must be 0.0001 to 10000, got ") + value);
  for (const char* flag : {"lr", "lr-end", "weight-decay", "weight-decay-end", "warmup-epochs", "momentum", "clip"})
    for (const char* value : {"nan", "inf"})
      refused(simclr + "--" + flag + " " + value, std::string("--") + flag + ": must be ");
  refused(simclr + "--momentum 1", "--momentum: must be 0 to 0.9999, got 1");
  refused(simclr + "--lr 0,1", "--lr: must be a number, got 0,1");
  refused("moco_v2 --data shapes --queue -256", "--queue: must be 1 to");
  refused("swav --data shapes --epsilon 1e-9", "--epsilon: must be 0.0001 to 10000");
  refused("dino --data shapes --teacher-temperature nan", "--teacher-temperature: must be 0.0001 to 10000, got nan");
  refused("mae --data shapes --mask-ratio 1", "--mask-ratio: must be ");
  refused("instdisc --data shapes --temperature 0.001", "--temperature must be 0.003 to 10000 with --loss nce");
  refused("cpc_audio --window 16777217", "--window: must be 1 to 16777216, got 16777217");
  refused("cpc_audio --lr nan", "--lr: must be 1e-12 to 10000, got nan");
  refused("cpc_audio --channels 4097", "--channels: must be 1 to 4096, got 4097");
  refused("cpc_audio --epochs 1e9", "--epochs: must be a whole number, got 1e9");
  refused("cpc_audio --seed -1", "--seed: must be 0 to");
  CHECK_FALSE(fs::exists(folder.path / "run"));

  for (const char* value : {"0", "-5", "1000001", "2.5", "1e3"})
    refused(std::string("knn nowhere --k ") + value, "--k: must be ");
  for (const char* value : {"0", "nan", "inf", "1e-5", "1e5"})
    refused(std::string("knn nowhere --temperature ") + value, "--temperature: must be 0.0001 to 10000, got ");
  refused("knn nowhere --threads -2", "--threads: must be 0 to 1024, got -2");
  for (const char* value : {"nan", "0", "-0.1", "1.01", "inf"})
    refused(std::string("finetune nowhere --share ") + value, std::string("--share: must be 1e-09 to 1, got ") + value);
  refused("finetune nowhere --epochs 1e9", "--epochs: must be a whole number, got 1e9");
  refused("finetune nowhere --epochs 0", "--epochs: must be 1 to 1000000, got 0");
  refused("finetune nowhere --batch -1", "--batch: must be 1 to 1048576, got -1");
  refused("finetune nowhere --seed -1", "--seed: must be 0 to");
  refused("finetune nowhere --head-layers -1", "--head-layers: must be 0 to 100, got -1");
  refused("finetune nowhere --lr nan", "--lr: must be 1e-12 to 10000, got nan");
  refused("finetune nowhere --weight-decay inf", "--weight-decay: must be 0 to 10000, got inf");
  refused("finetune nowhere --warmup-epochs nan", "--warmup-epochs: must be 0 to");
  refused("finetune nowhere --student-epochs 0", "--student-epochs: must be 1 to");
}

TEST_CASE("the numbers of a configuration have the bounds of the flags") {
  Folder folder;
  const auto refused = [&](const std::string& json, const std::string& words) {
    std::ofstream(folder.path / "my.json") << json;
    check_refused(program("simclr") + " --data shapes --config " + (folder / "my.json") + " --out " + (folder / "run"),
                  2, words);
  };
  refused(R"({"method": "simclr", "epochs": 1e9})", "epochs is a whole number");
  refused(R"({"method": "simclr", "epochs": 1000001})", "--epochs must be 1 to 1000000, got 1000001");
  refused(R"({"method": "simclr", "lr": 1e5})", "--lr must be 1e-12 to 10000, got 100000");
  refused(R"({"method": "simclr", "threads": -1})", "--threads must be 0 to 1024, got -1");
  refused(R"({"method": "simclr", "temperature": 0})", "--temperature must be 0.0001 to 10000, got 0");
}

TEST_CASE("whole numbers are decimal, whatever zeros they begin with") {
  Folder folder;
  REQUIRE(run(tiny("simclr", folder / "run", "--knn-every 010")).status == 0);
  CHECK_THAT(contents(folder / "run/config.json"), Contains("\"knn-every\": 10"));
}
