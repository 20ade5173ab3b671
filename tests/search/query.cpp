// SPDX-License-Identifier: MIT
#include "contrastive/search/query.hpp"

#include "contrastive/search/background.hpp"
#include "contrastive/search/page_request.hpp"
#include "contrastive/search/printable.hpp"
#include "search/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;
using Kind = QueryTerm::Kind;
using Terms = std::vector<QueryTerm>;

TEST_CASE("queries: words, images, sums and differences with weights") {
  CHECK(parse_query("a dog on the beach") == Terms{{Kind::words, 1, "a dog on the beach"}});
  CHECK(parse_query("\"dog\" + 0.5:\"snow\" - ./cat.jpg") ==
        Terms{{Kind::words, 1, "dog"}, {Kind::words, 0.5, "snow"}, {Kind::image, -1, "./cat.jpg"}});
  CHECK(parse_query("dog + 0.5:snow - 2:/a b/c.jpg") ==
        Terms{{Kind::words, 1, "dog"}, {Kind::words, 0.5, "snow"}, {Kind::image, -2, "/a b/c.jpg"}});
  CHECK(parse_query("- dog + cat") == Terms{{Kind::words, -1, "dog"}, {Kind::words, 1, "cat"}});
  CHECK(parse_query("\"rock + roll\"") == Terms{{Kind::words, 1, "rock + roll"}});
  CHECK(parse_query("rock+roll, black-and-white") == Terms{{Kind::words, 1, "rock+roll, black-and-white"}});
  CHECK(parse_query("10:30 at the station") == Terms{{Kind::words, 1, "10:30 at the station"}});
  CHECK(parse_query("note: a dog") == Terms{{Kind::words, 1, "note: a dog"}});
  CHECK(parse_query(join_arguments(std::vector<std::string>{"dog", "-", "../c.jpg"})) ==
        Terms{{Kind::words, 1, "dog"}, {Kind::image, -1, "../c.jpg"}});
}

TEST_CASE("queries that say nothing are refused") {
  for (const char* text : {"", "   ", "+", "dog +", "- ", "dog + + cat", "0.5:", "\"\"", "dog - \"\""}) {
    INFO(text);
    CHECK_THROWS_WITH(parse_query(text), Contains("empty"));
  }
  CHECK_THROWS_WITH(parse_query("0:dog"), Contains("above 0"));
  CHECK_THROWS_WITH(parse_query("1001:dog"), Contains("at most 1000"));
  CHECK_THROWS_WITH(parse_query(std::string(5000, 'a')), Contains("4096 bytes"));
  std::string many = "a";
  for (int i = 0; i < 16; ++i) many += " + a";
  CHECK_THROWS_WITH(parse_query(many), Contains("16 terms"));
}

TEST_CASE("addresses of the page") {
  const PageRequest request =
      parse_page_request("/search?q=a+dog%20%C3%A9&like=3,17&unlike=4&from=40&count=20&x=y", 20);
  CHECK(request.query == "a dog \xC3\xA9");
  CHECK(request.like == std::vector<std::int64_t>{3, 17});
  CHECK(request.unlike == std::vector<std::int64_t>{4});
  CHECK(request.from == 40);
  CHECK(request.count == 20);
  CHECK(parse_page_request("/search", 1).query.empty());
  for (const char* bad :
       {"?like=20", "?like=-1", "?like=1,,2", "?like=a", "?q=%", "?q=%4", "?q=%zz", "?from=1200", "?count=101",
        "?from=-1", "?count=", "?like=99999999999999999999", "?q=%+1", "?like=1,1,1,1,1,1,1,1,1,1,1,1,1"}) {
    INFO(bad);
    CHECK_THROWS_WITH(parse_page_request(bad, 20), Contains("[page]"));
  }
  CHECK_THROWS_WITH(parse_page_request("/search?q=" + std::string(9000, 'a'), 1), Contains("8192 bytes"));
  CHECK(image_number("/thumb/12", "/thumb/", 13) == 12);
  for (const char* bad : {"/thumb/13", "/thumb/", "/thumb/-1", "/thumb/1/../2", "/thumb/..%2f", "/image/1", "/thumb/1 ",
                          "/thumb/0x1", "/thumb/1000000000000000000000"})
    CHECK_FALSE(image_number(bad, "/thumb/", 13).has_value());
  CHECK_THROWS_WITH(parse_page_query("dog - /etc/passwd"), Contains("not by files"));
}

TEST_CASE("file names are shown without what a terminal obeys") {
  CHECK(printable("caf\xC3\xA9 \xE2\x9C\x93.jpg") == "caf\xC3\xA9 \xE2\x9C\x93.jpg");
  CHECK(printable("a\nb\x1b[31m\x7f") == "a\\x0ab\\x1b[31m\\x7f");
  CHECK(printable("\xff\xC3") == "\\xff\\xc3");
  CHECK(printable("photo\xE2\x80\xAEgpj.exe") == "photo\\u{202e}gpj.exe");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\u{9b}31m");
}

namespace {

/// Rows (n, D) of f16, padded.
struct Table {
  std::vector<f16> halves;
  RowTable rows;
  explicit Table(const std::vector<std::vector<float>>& from) {
    const std::int64_t D = static_cast<std::int64_t>(from[0].size()), width = detail::padded_width(D);
    halves.resize(from.size() * static_cast<std::size_t>(width));
    for (std::size_t n = 0; n < from.size(); ++n)
      for (std::size_t d = 0; d < from[n].size(); ++d)
        halves[n * static_cast<std::size_t>(width) + d] = f16(from[n][d]);
    rows = {halves.data(), nullptr, nullptr, static_cast<std::int64_t>(from.size()), D};
  }
};

std::vector<std::vector<float>> unit_rows(std::size_t count, std::size_t D, Rng rng) {
  std::vector<std::vector<float>> rows;
  for (std::size_t n = 0; n < count; ++n) {
    Stream stream(rng / n);
    std::vector<float> row(D);
    double length = 0;
    for (float& x : row) length += std::pow(x = static_cast<float>(stream.normal()), 2);
    for (float& x : row) x /= static_cast<float>(std::sqrt(length));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("the background gives shares of unrelated pairs") {
  const auto images = unit_rows(300, 32, Rng(1)), captions = unit_rows(64, 32, Rng(2));
  const Table table(images), neutral(captions);
  QueryVector query;
  query.parts.push_back({unit_rows(1, 32, Rng(3))[0], 1, true});
  const Background background(query, neutral.rows, table.rows, {});
  std::vector<double> all;
  for (const auto& image : images)
    for (const auto& caption : captions) {
      double sum = 0;
      for (std::size_t d = 0; d < 32; ++d) sum += image[d] * caption[d];
      all.push_back(sum);
    }
  for (const double score : {-0.2, 0.0, 0.2, 0.4}) {
    const double expected =
        static_cast<double>(std::count_if(all.begin(), all.end(), [&](double x) { return x >= score; })) /
        static_cast<double>(all.size());
    CHECK(background.share_at_least(score) == Approx(expected).margin(0.003));  // of bins of 1/4096 and rows in f16
  }
  // Nothing scores like this: one pair is the least that can be told.
  CHECK(background.share_at_least(0.99) == Approx(1.0 / (300 * 64)));
  CHECK(background.chance_of_best(0.99) < match_chance);
  CHECK(background.chance_of_best(0.2) > match_chance);
  CHECK(words_of_share(0.213) == "top 21 %");
  CHECK(words_of_share(0.0021) == "top 0.2 %");
  CHECK(words_of_share(0.000021) == "top 0.002 %");
  CHECK(words_of_share(0.000996) == "top 0.1 %");
  CHECK(words_of_share(0.001) == "top 0.1 %");
  CHECK(words_of_share(0.0096) == "top 1 %");
  CHECK(words_of_share(1) == "top 100 %");
}

TEST_CASE("a difference of two terms is compared with differences") {
  const auto images = unit_rows(200, 16, Rng(4));
  auto captions = unit_rows(40, 16, Rng(5));
  for (auto& row : captions) row[0] = 3;  // what all captions share, as in CLIP's space
  for (auto& row : captions) {
    double length = 0;
    for (const float x : row) length += x * x;
    for (float& x : row) x /= static_cast<float>(std::sqrt(length));
  }
  const Table table(images), neutral(captions);
  QueryVector difference;
  difference.parts = {{captions[0], 1, true}, {captions[1], -1, true}};
  const Background of_differences(difference, neutral.rows, table.rows, {});
  CHECK(of_differences.share_at_least(0) == Approx(0.5).margin(0.1));  // what they share is gone
  QueryVector same;
  same.parts = {{captions[0], 1, true}, {captions[0], -1, true}};
  CHECK_THROWS_WITH(same.direction(), Contains("cancel"));
}
