// SPDX-License-Identifier: MIT
#include "contrastive/train/settings.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <variant>

#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// A method's settings, one of each kind.
struct Config {
  double temperature = 0.5;
  int layers = 2;
  std::int64_t queue = 4096;
  bool symmetric = false;
  std::string graph = "full";

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("layers", layers, 1, 3, "layers of the projector");
    list.number("queue", queue, 0, 1 << 22, "rows of the queue");
    list.flag("symmetric", symmetric, "each view is query and key in turn");
    list.choice("graph", graph, {"full", "core"}, "which views are compared");
  }
};

Settings recipe() {
  Settings s;
  s.method = "mine";
  s.own = Config{.temperature = 0.2};
  return s;
}

Settings read(const std::string& text, Settings into = recipe()) {
  settings_from_json(parse_json(text, "my.json"), into, "my.json");
  return into;
}

}  // namespace

TEST_CASE("settings come back from their file, the method's among them", "[train]") {
  Settings s = recipe();
  s.lr = 0.3;
  s.own = Config{.temperature = 0.1, .layers = 3, .queue = 64, .symmetric = true, .graph = "core"};
  const std::string written = dump_json(settings_to_json(s));
  const Settings back = read(written);
  CHECK(dump_json(settings_to_json(back)) == written);
  CHECK(back.lr == 0.3);
  CHECK(back.own.as<Config>().layers == 3);
  CHECK(back.own.as<Config>().graph == "core");
  struct Other : Config {};
  CHECK_THROWS_WITH(back.own.as<Other>(), Contains("the configuration is of another method"));
  // A copy has a configuration of its own.
  Settings copy = back;
  settings_from_json(parse_json(R"({"layers": 1})", "my.json"), copy, "my.json");
  CHECK(copy.own.as<Config>().layers == 1);
  CHECK(back.own.as<Config>().layers == 3);
}

TEST_CASE("a file of before a setting was there leaves what the recipe says", "[train]") {
  const Settings s = read(R"({"method": "mine", "lr": 0.3})");
  CHECK(s.lr == 0.3);
  CHECK(s.own.as<Config>().temperature == 0.2);
}

TEST_CASE("a file that lists the settings of all methods gives those of its own", "[train]") {
  const std::string all = R"({"method": "mine", "batch": 64, "queue": 128, "mask-ratio": 0.75, "prototypes": 512)";
  const Settings s = read(all + "}");
  CHECK(s.batch == 64);
  CHECK(s.own.as<Config>().queue == 128);
  CHECK_THROWS_WITH(read(R"({"method": "mine", "prototypes": 512})"),
                    "[config] my.json: unknown setting \"prototypes\" of mine");
  Settings sound = recipe();
  sound.images = false;
  CHECK_THROWS_WITH(read(all + "}", sound),
                    Contains("[config] my.json is of an older version") && Contains("start again in another --out"));
}

TEST_CASE("a run without images has no settings of images", "[train]") {
  Settings sound = recipe();
  sound.images = false;
  CHECK(settings_of(sound).find("image-size") == nullptr);
  CHECK(settings_of(sound).find("queue") != nullptr);
  CHECK_THROWS_WITH(read(R"({"encoder": "small"})", sound), Contains("unknown setting \"encoder\""));
}

TEST_CASE("a value of the wrong kind is refused with its file, its setting and what came", "[train]") {
  const auto refusal = [](const std::string& text) -> std::string {
    try {
      read(text);
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
  CHECK(refusal(R"({"layers": 4294967298})") == "[config] my.json: layers must be 1 to 3, got 4294967298");
  CHECK(refusal(R"({"seed": -1})") == "[config] my.json: seed is 0 or more, got -1");
  CHECK(refusal(R"(["batch", 128])") == "[config] my.json: expected an object of settings, got an array");
  CHECK(refusal(R"({"lr": 1})").empty());  // a whole number is a number
}

TEST_CASE("every setting that is a number takes both of its bounds and refuses what lies beyond", "[train]") {
  Settings s = recipe();
  std::size_t numbers = 0;
  for (const Setting& one : settings_of(s))
    std::visit(
        [&](auto* field) {
          using Field = std::remove_cvref_t<decltype(*field)>;
          if constexpr (std::is_arithmetic_v<Field> && !std::is_same_v<Field, bool>) {
            INFO(one.name);
            ++numbers;
            const Field usual = *field, least = static_cast<Field>(one.least), most = static_cast<Field>(one.most);
            CHECK(least < most);
            const auto refused = [&](Field value) {
              *field = value;
              CHECK_THROWS_WITH(check_setting(one), Contains(join("[settings] --", one.name, " must be ")) &&
                                                        Contains(join(", got ", detail::in_full(value))));
            };
            for (const Field value : {least, most, usual}) {
              *field = value;
              CHECK_NOTHROW(check_setting(one));
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
            *field = usual;
          }
        },
        one.field);
  CHECK(numbers >= 25);
}

TEST_CASE("a choice that there is not is named with those that there are", "[train]") {
  Settings s = recipe();
  s.own = Config{.graph = "ring"};
  CHECK_THROWS_WITH(check_settings(s), "[settings] --graph must be one of full, core, got ring");
  s.own = Config{};
  s.precision = "f16";
  CHECK_THROWS_WITH(check_settings(s), "[settings] --precision must be one of f32, bf16, got f16");
}

TEST_CASE("milestones have bounds too", "[train]") {
  Settings s;
  for (const char* milestones : {"0", "-3", "nan", "inf", "1e7", "3:nan", "3:inf", "3:-1", "3:1e5", "3:", "3,,4"}) {
    INFO(milestones);
    s.milestones = milestones;
    CHECK_THROWS_WITH(check_settings(s), Contains("[settings] --milestones must be epochs such as"));
  }
  s.milestones = "0.5,120:0,160:10000,1e6";
  CHECK_NOTHROW(check_settings(s));
}

TEST_CASE("a seed that a file cannot hold is refused", "[train]") {
  Settings s;
  s.seed = INT64_MAX;
  CHECK_NOTHROW(check_settings(s));
  Settings read;
  settings_from_json(parse_json(dump_json(settings_to_json(s)), "config.json"), read, "config.json");
  CHECK(read.seed == s.seed);
  ++s.seed;
  CHECK_THROWS_WITH(check_settings(s), "[settings] --seed must be 0 to 9223372036854775807, got 9223372036854775808");
}

TEST_CASE("a path of any bytes comes back from the settings, which are UTF-8", "[train]") {
  for (const std::string root : {"/data/plain", "/data/caf\xc3\xa9", "/data/caf\xe9", "\xff\x80/\xed\xa0\x80",
                                 "private \xee\xbe\xa9 \xee\xbf\xbf"}) {
    Settings s, back;
    s.root = root;
    const std::string text = dump_json(settings_to_json(s));
    CHECK(detail::as_utf8(text) == text);
    settings_from_json(parse_json(text), back, "config.json");
    CHECK(back.root == root);
  }
}
