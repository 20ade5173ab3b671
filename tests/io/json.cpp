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
  json["infinite"] = -HUGE_VAL;
  json["list"] = {1, 2.5, "three", {{"deep", Json::array()}}};
  for (int indent : {-1, 2}) {
    const Json back = parse_json(dump_json(json, indent));
    CHECK(dump_json(back) == dump_json(json));
    CHECK(back.at("name") == "a \"quoted\"\nline \\ é");
    CHECK(back.at("whole").get<std::int64_t>() == 9007199254740993);
    CHECK(back.at("part").get<double>() == 0.1);
    CHECK(back.at("small").get<double>() == 5e-324);
    CHECK(back.at("nan").is_null());
    CHECK(back.at("infinite").is_null());
    CHECK(back.at("list").at(3).at("deep").empty());
    CHECK(std::next(back.items().begin()).key() == "whole");  // order kept
  }
  CHECK(dump_json(parse_json(" [1,2] ")) == "[1,2]");
  CHECK(parse_json("\"\\u00e9\\ud83d\\ude00\\/\"") == "é😀/");
  CHECK(parse_json("-1.5e2").get<double>() == -150);
}

TEST_CASE("whole numbers are those that int64 holds", "[io]") {
  for (const char* text : {"0", "-7", "9223372036854775807", "-9223372036854775808"}) {
    INFO(text);
    CHECK(detail::is_whole_number(parse_json(text)));
    CHECK(dump_json(parse_json(text)) == text);
  }
  for (const char* text :
       {"9223372036854775808", "18446744073709551616", "-9223372036854775809", "1.5", "1e3", "true", "\"1\""}) {
    INFO(text);
    CHECK_FALSE(detail::is_whole_number(parse_json(text)));
  }
  CHECK(parse_json("99999999999999999999").get<double>() == 1e20);
}

TEST_CASE("a byte-order mark is skipped; UTF-16 is named", "[io]") {
  CHECK(dump_json(parse_json("\xEF\xBB\xBF{\"a\": 1}")) == "{\"a\":1}");
  CHECK_THROWS_WITH(parse_json("\xEF\xBB\xBF x", "f"), Contains("[json] f: parse error at line 1, column 5"));
  CHECK_THROWS_WITH(parse_json("[\xEF\xBB\xBF]", "f"), Contains("[json] f: parse error at line 1, column 2"));
  for (const std::string& text : {std::string("\xFF\xFE{\0}\0", 6), std::string("\xFE\xFF\0{\0}", 6)})
    CHECK_THROWS_WITH(parse_json(text, "f"), "[json] f: UTF-16, expected UTF-8");
}

TEST_CASE("what is not strict JSON is refused", "[io]") {
  const char* bad[] = {"",           "{",         "}",           "[1,]",
                       "{\"a\":1,}", "{a:1}",     "[1 2]",       "01",
                       "1.",         ".5",        "+1",          "-",
                       "1e",         "nul",       "truee",       "\"a",
                       "\"\\x\"",    "\"\\u12\"", "\"\\ud800\"", "\"\\udc00x\"",
                       "\"a\nb\"",   "[1] x",     "NaN",         "Infinity",
                       "1e999",      "'a'",       "{\"a\"}",     "{1:2}",
                       "[",          "// c\n1",   "\"\\",        "{\"a\":1 \"b\":2}",
                       "\"caf\xe9\""};
  for (const char* text : bad) {
    INFO(text);
    CHECK_THROWS_WITH(parse_json(text, "file.json"), Contains("[json] file.json: ") && !Contains("exception"));
    CHECK_THROWS_AS(parse_json(text), Error);
  }
  CHECK_THROWS_WITH(parse_json(R"({"a":1,"b":{"a":2},"a":2})", "f"), "[json] f: member \"a\" appears twice");
  CHECK_NOTHROW(parse_json(R"([{"a":1},{"a":2,"b":{"a":3}}])"));
  CHECK_THROWS_WITH(parse_json(std::string("[1\0]", 4), "f"), Contains("a byte 0"));
  CHECK_THROWS_WITH(parse_json(std::string("[1]\0", 4), "f"), Contains("a byte 0"));
}

TEST_CASE("a sentence about JSON is short and UTF-8, whatever it is about", "[io]") {
  try {
    parse_json("\"" + std::string(1 << 20, 'x') + "\xe9\xe9", "f");
    FAIL();
  } catch (const Error& error) {
    CHECK(std::string(error.what()).size() < 300);
    CHECK(detail::as_utf8(error.what()) == error.what());
  }
}

TEST_CASE("deep nesting is refused before it can hurt", "[io]") {
  const std::string open = "{\"a\":[";
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += open;
  for (const std::string& text : {std::string(1000000, '['), objects})
    CHECK_THROWS_WITH(parse_json(text, "f"), Contains("deeper than 64"));
  CHECK_NOTHROW(parse_json(std::string(60, '[') + std::string(60, ']')));
}

TEST_CASE("what is written is UTF-8, whatever it quotes", "[io]") {
  CHECK(dump_json(Json("caf\xc3\xa9 \xf0\x9f\x98\x80")) == "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
  CHECK(dump_json(Json{{"th\xe9", "\xff\""}}) == "{\"th\xef\xbf\xbd\":\"\xef\xbf\xbd\\\"\"}");
}
