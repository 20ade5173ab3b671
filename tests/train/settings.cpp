// SPDX-License-Identifier: MIT
#include "contrastive/train/settings.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "contrastive/io/file.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace fs = std::filesystem;

namespace {

/// What a configuration of that name says, if a run can be started from it.
Settings published(const std::string& name, const Json& file) {
  Settings s;
  settings_from_json(file, s, name);
  check_settings(s);
  require(name.starts_with(s.method + "_") && fs::exists(golden_path("../../docs/methods/" + s.method + ".md")), name,
          " is of method ", s.method);
  return s;
}

Json config(const std::string& path) { return Json::parse(read_text(path), path); }

}  // namespace

TEST_CASE("each published recipe is a configuration of a method that there is", "[train]") {
  const std::string folder = golden_path("../../configs");
  const std::string table = read_text(folder + "/README.md");
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().stem().string();
    INFO(name);
    CHECK_NOTHROW(published(name, config(entry.path().string())));
    CHECK(table.find("| `" + name + "` |") != std::string::npos);
    ++files;
  }
  CHECK(files >= 35);

  Json file = config(folder + "/moco_v2_imagenet.json");
  SECTION("a setting that there is not is named") {
    file["target-momentun"] = Json(0.9);
    CHECK_THROWS_WITH(published("moco_v2_imagenet", file),
                      Contains("moco_v2_imagenet: unknown setting \"target-momentun\""));
  }
  SECTION("so is a value that cannot be, a queue that does not fit, another method") {
    file["batch"] = Json(1);
    CHECK_THROWS_WITH(published("moco_v2_imagenet", file), Contains("--batch"));
    file["batch"] = Json(768);
    CHECK_THROWS_WITH(published("moco_v2_imagenet", file), Contains("--queue must be a multiple of 768"));
    file["symmetric"] = Json(true);
    file["batch"] = Json(65536);
    CHECK_THROWS_WITH(published("moco_v2_imagenet", file),
                      Contains("--queue must be a multiple of 131072 (--batch 65536, twice with --symmetric)"));
    file["symmetric"] = Json(false);
    file["batch"] = Json(256);
    file["groups"] = Json(3);
    CHECK_THROWS_WITH(published("moco_v2_imagenet", file), Contains("--groups must divide --batch, got 3"));
    file["groups"] = Json(1);
    CHECK_THROWS_WITH(published("byol_imagenet", file), Contains("byol_imagenet is of method moco_v2"));
    CHECK(published("moco_v2_imagenet", file).queue == 65536);
  }
}

TEST_CASE("BYOL's target starts from other weights where its code is followed", "[train]") {
  for (const auto& [name, other] :
       {std::pair("byol_imagenet", true), {"byol_imagenette", true}, {"byol_cifar10", false}})
    CHECK(published(name, config(golden_path("../../configs/" + std::string(name) + ".json"))).other_start == other);
}

TEST_CASE("settings come back from their file, also from one of before a setting was there", "[train]") {
  Settings s;
  s.method = "byol";
  s.lr = 0.3;
  s.other_start = true;
  const Json written = settings_to_json(s);
  Settings read;
  settings_from_json(Json::parse(written.dump(2), "config.json"), read, "config.json");
  CHECK(settings_to_json(read).dump() == written.dump());

  Json::Object older = written.as_object();
  CHECK(std::erase_if(older, [](const Json::Member& member) { return member.name == "other-start"; }) == 1);
  Settings from_older;
  settings_from_json(Json(older), from_older, "config.json");
  CHECK(from_older.lr == 0.3);
  CHECK_FALSE(from_older.other_start);
}

TEST_CASE("a value of the wrong kind is refused with its file, its setting and what came", "[train]") {
  const auto refusal = [](const std::string& text) -> std::string {
    Settings s;
    try {
      settings_from_json(Json::parse(text, "my.json"), s, "my.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refusal(R"({"batch": "128"})") == R"([config] my.json: batch is a whole number, got "128")");
  CHECK(refusal(R"({"epochs": 2.5})") == "[config] my.json: epochs is a whole number, got 2.5");
  CHECK(refusal(R"({"lr": true})") == "[config] my.json: lr is a number, got true");
  CHECK(refusal(R"({"lr": [0.1, 0.2]})") == "[config] my.json: lr is a number, got an array");
  CHECK(refusal(R"({"symmetric": 1})") == "[config] my.json: symmetric is true or false, got 1");
  CHECK(refusal(R"({"encoder": null})") == "[config] my.json: encoder is a string, got null");
  CHECK(refusal(R"({"milestones": {"60": 0.1}})") == "[config] my.json: milestones is a string, got an object");
  CHECK(refusal(R"({"seed": -1})") == "[config] my.json: seed is 0 or more, got -1");
  CHECK(refusal(R"(["batch", 128])") == "[config] my.json: expected an object of settings, got an array");
  CHECK(refusal(R"({"lr": 1})").empty());  // a whole number is a number
}

TEST_CASE("every setting that is a number has bounds, takes both of them and refuses what lies beyond", "[train]") {
  Settings s;
  std::size_t numbers = 0;
  detail::each_setting(s, [&](const char* name, auto& field, const char*) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_arithmetic_v<Field> && !std::is_same_v<Field, bool>) {
      INFO(name);
      ++numbers;
      const detail::SettingBounds* const bounds = detail::bounds_of(name);
      REQUIRE(bounds != nullptr);
      const Field usual = field, least = static_cast<Field>(bounds->least), most = static_cast<Field>(bounds->most);
      const auto refused = [&](Field value) {
        field = value;
        CHECK_THROWS_WITH(detail::check_bounds(s, {}), Contains(join("[settings] --", name, " must be ")) &&
                                                           Contains(join(", got ", detail::in_full(value))));
      };
      for (const Field value : {least, most, usual}) {
        field = value;
        CHECK_NOTHROW(detail::check_bounds(s, {}));
      }
      if constexpr (std::is_floating_point_v<Field>) {
        refused(std::nextafter(least, -INFINITY));
        refused(std::nextafter(most, INFINITY));
        for (const double value : {std::nan(""), -HUGE_VAL, HUGE_VAL}) refused(value);
      } else {
        if (least > 0 || std::is_signed_v<Field>) refused(least - 1);
        refused(most + 1);
        refused(std::numeric_limits<Field>::max());
        if (std::is_signed_v<Field>) refused(std::numeric_limits<Field>::min());
      }
      field = usual;
    }
  });
  CHECK(numbers == std::size(detail::setting_bounds));  // none of what is not there
  s.image_size = 20480;
  const std::vector<detail::SettingBounds> own{{"image-size", 1, 1 << 24}};
  CHECK_NOTHROW(check_settings(s, own));
  CHECK_THROWS_WITH(check_settings(s), "[settings] --image-size must be 1 to 4096, got 20480");
}

TEST_CASE("milestones and the rates of single methods have bounds too", "[train]") {
  Settings s;
  for (const char* milestones : {"0", "-3", "nan", "inf", "1e7", "3:nan", "3:inf", "3:-1", "3:1e5", "3:", "3,,4"}) {
    INFO(milestones);
    s.milestones = milestones;
    CHECK_THROWS_WITH(check_settings(s), Contains("[settings] --milestones must be epochs such as"));
  }
  s.milestones = "0.5,120:0,160:10000,1e6";
  CHECK_NOTHROW(check_settings(s));
  s.method = "instdisc", s.loss = "nce", s.temperature = 0.0029;
  CHECK_THROWS_WITH(check_settings(s), "[settings] --temperature must be 0.003 to 10000 with --loss nce, got 0.0029");
  s.loss = "softmax";
  CHECK_NOTHROW(check_settings(s));
}

TEST_CASE("a seed that a file cannot hold is refused", "[train]") {
  Settings s;
  s.seed = INT64_MAX;
  CHECK_NOTHROW(check_settings(s));
  Settings read;
  settings_from_json(Json::parse(settings_to_json(s).dump(), "config.json"), read, "config.json");
  CHECK(read.seed == s.seed);
  ++s.seed;
  CHECK_THROWS_WITH(check_settings(s), "[settings] --seed must be 0 to 9223372036854775807, got 9223372036854775808");
}

TEST_CASE("InstDisc's older files, which name no loss or draw no negatives, say what they said", "[train]") {
  const auto loss = [](const std::string& text) {
    Settings s;
    settings_from_json(Json::parse(text, "config.json"), s, "config.json");
    return s.loss;
  };
  CHECK(loss(R"({"method": "instdisc", "negatives": 512})") == "nce");
  CHECK(loss(R"({"method": "instdisc", "loss": "", "negatives": 0})") == "softmax");
  CHECK(loss(R"({"method": "instdisc", "loss": "nce", "negatives": 0})") == "softmax");
  CHECK(loss(R"({"method": "instdisc", "loss": "softmax", "negatives": 512})") == "softmax");
  CHECK(loss(R"({"method": "cpc", "negatives": 0})").empty());
}

TEST_CASE("a path of any bytes comes back from the settings, which are UTF-8", "[train]") {
  for (const std::string root : {"/data/plain", "/data/caf\xc3\xa9", "/data/caf\xe9", "\xff\x80/\xed\xa0\x80",
                                 "private \xee\xbe\xa9 \xee\xbf\xbf"}) {
    Settings s, back;
    s.root = root;
    const std::string text = settings_to_json(s).dump();
    CHECK(detail::as_utf8(text) == text);
    settings_from_json(Json::parse(text), back, "config.json");
    CHECK(back.root == root);
  }
}
