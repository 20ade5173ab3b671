// SPDX-License-Identifier: MIT
#include "contrastive/io/json.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("JSON goes out and comes back", "[io]") {
  Json json;
  json["name"] = "a \"quoted\"\nline \\ é";
  json["whole"] = std::int64_t{9007199254740993};  // not representable as a double
  json["part"] = 0.1;
  json["small"] = 5e-324;
  json["yes"] = true;
  json["nothing"] = nullptr;
  json["nan"] = std::nan("");
  json["list"] = Json::Array{1, 2.5, "three", Json::Object{{"deep", Json::Array{}}}};
  for (int indent : {0, 2}) {
    const Json back = Json::parse(json.dump(indent));
    CHECK(back.dump() == json.dump());
    CHECK(back.at("name").as_string() == "a \"quoted\"\nline \\ é");
    CHECK(back.at("whole").as_integer() == 9007199254740993);
    CHECK(back.at("part").as_number() == 0.1);
    CHECK(back.at("small").as_number() == 5e-324);
    CHECK(back.at("nan").is_null());
    CHECK(back.at("list").as_array()[3].at("deep").as_array().empty());
    CHECK(back.find("none") == nullptr);
  }
  CHECK(json.as_object()[1].name == "whole");  // order kept
  CHECK(Json::parse(" [1,2] ").dump() == "[1,2]");
  CHECK(Json::parse("\"\\u00e9\\ud83d\\ude00\\/\"").as_string() == "é😀/");
  CHECK(Json::parse("-1.5e2").as_number() == -150);
  CHECK(Json::parse("99999999999999999999").as_number() == 1e20);
}

TEST_CASE("a byte-order mark is skipped; UTF-16 is named", "[io]") {
  CHECK(Json::parse("\xEF\xBB\xBF{\"a\": 1}").dump() == "{\"a\":1}");
  CHECK_THROWS_WITH(Json::parse("\xEF\xBB\xBF x", "f"), Contains("byte 4"));
  CHECK_THROWS_WITH(Json::parse("[\xEF\xBB\xBF]", "f"), Contains("expected a value at byte 1"));
  for (const std::string& text : {std::string("\xFF\xFE{\0}\0", 6), std::string("\xFE\xFF\0{\0}", 6)})
    CHECK_THROWS_WITH(Json::parse(text, "f"), "[json] f: UTF-16, expected UTF-8");
}

TEST_CASE("what is not strict JSON is refused", "[io]") {
  const char* bad[] = {"",           "{",         "}",           "[1,]",
                       "{\"a\":1,}", "{a:1}",     "[1 2]",       "01",
                       "1.",         ".5",        "+1",          "-",
                       "1e",         "nul",       "truee",       "\"a",
                       "\"\\x\"",    "\"\\u12\"", "\"\\ud800\"", "\"\\udc00x\"",
                       "\"a\nb\"",   "[1] x",     "NaN",         "Infinity",
                       "1e999",      "'a'",       "{\"a\"}",     "{1:2}",
                       "[",          "// c\n1",   "\"\\",        "{\"a\":1 \"b\":2}"};
  for (const char* text : bad) {
    INFO(text);
    CHECK_THROWS_WITH(Json::parse(text, "file.json"), Contains("[json] file.json"));
  }
  CHECK_THROWS_WITH(Json::parse(R"({"a":1,"a":2})", "f"), Contains("\"a\" appears twice"));
  CHECK_THROWS_WITH(Json::parse(std::string(100000, '['), "f"), Contains("deeper than 64"));
  CHECK_NOTHROW(Json::parse(std::string(60, '[') + std::string(60, ']')));
  CHECK_THROWS_WITH(Json::parse(std::string("[1\0]", 4), "f"), Contains("byte 2"));
  CHECK_THROWS_WITH(Json(1).as_string(), Contains("expected a string, got a whole number"));
  CHECK_THROWS_WITH(Json::object().at("x"), Contains("no member \"x\""));
}

TEST_CASE("what is written is UTF-8, whatever it quotes", "[io]") {
  CHECK(Json("caf\xe9").dump() == "\"caf\xc3\xa9\"");  // Latin-1
  CHECK(Json("caf\xc3\xa9 \xf0\x9f\x98\x80").dump() == "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
  Json object;
  object["th\xe9"] = "\xff\"";
  CHECK(object.dump() == "{\"th\xc3\xa9\":\"\xc3\xbf\\\"\"}");
}
