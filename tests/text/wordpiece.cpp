// SPDX-License-Identifier: MIT
#include "contrastive/text/wordpiece_tokenizer.hpp"

#include <thread>

#include "text/support.hpp"

using namespace contrastive;

namespace {

const WordPieceTokenizer& minilm() {
  static const WordPieceTokenizer tokenizer = WordPieceTokenizer::load(text_golden("minilm_vocab.txt"));
  return tokenizer;
}

}  // namespace

TEST_CASE("WordPiece ids and pieces of the golden strings", "[text]") {
  const Json strings = golden_json("wordpiece.json").at("wordpiece");
  CHECK(strings.size() == 20);
  for (const Json& each : strings) {
    INFO(each.at("text"));
    const Ids ids = each.at("ids").get<Ids>();
    const TokenRow row = minilm()(each.at("text").get<std::string>(), 64);
    CHECK(row.length == static_cast<std::int64_t>(ids.size()));
    CHECK_FALSE(row.truncated);
    CHECK(Ids(row.ids.begin(), row.ids.begin() + row.length) == ids);
    for (auto i = static_cast<std::size_t>(row.length); i < row.ids.size(); ++i) CHECK(row.ids[i] == 0);
    for (std::size_t i = 0; i < ids.size(); ++i)
      CHECK(minilm().piece(ids[i]) == each.at("tokens")[i].get<std::string>());
  }
}

TEST_CASE("WordPiece ids of random texts", "[text]") {
  for (const Json& each : golden_json("random_texts.json").at("texts")) {
    INFO(each.at("text"));
    CHECK(minilm().encode(each.at("text").get<std::string>()) == each.at("wordpiece").get<Ids>());
  }
}

TEST_CASE("WordPiece rows keep [SEP]", "[text]") {
  for (const int words : {0, 5, 6, 7, 50}) {
    std::string text;
    for (int i = 0; i < words; ++i) text += "dog ";
    const TokenRow row = minilm()(text, 8);
    CHECK(row.length == std::min(words, 6) + 2);
    CHECK(row.truncated == (words > 6));
    CHECK(row.ids[0] == 101);
    CHECK(row.ids[static_cast<std::size_t>(row.length) - 1] == 102);
  }
  CHECK(minilm()("unaffordable", 4).ids == Ids{101, 14477, 4246, 102});  // cut within a word
  CHECK(minilm()("a").ids.size() == 256);
  CHECK_THROWS_WITH(minilm()("a", 1), Contains("[tokenizer] the context has room"));
}

TEST_CASE("WordPiece: words of 100 characters, special tokens, any bytes", "[text]") {
  for (const std::string letter : {"a", "é", "ß", "я"}) {
    std::string word;
    for (int i = 0; i < 100; ++i) word += letter;
    CHECK(minilm().encode(word) != Ids{100});
    CHECK(minilm().encode(word + letter) == Ids{100});
  }
  CHECK(minilm().encode("a [SEP] b[CLS][MASK] [sep]") == Ids{1037, 102, 1038, 101, 103, 1031, 19802, 1033});
  CHECK(minilm().encode("caf\xE9 dog") == minilm().encode("caf dog"));  // U+FFFD goes
  CHECK(minilm().encode(std::string("a\0b", 3)) == minilm().encode("ab"));
  CHECK(minilm().encode("").empty());
  CHECK(minilm().encode("a\u0378b \uE000c") == Ids{100, 1039});    // without a meaning yet: kept; private: goes
  CHECK(minilm().encode("a\U0002B900b") == Ids{100});              // not among Hugging Face's Chinese characters
  CHECK(minilm().encode("a\U0002B920b") == Ids{1037, 100, 1038});  // but this is
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "[SEP]";
  CHECK(minilm().encode(many).size() == 100000);
}

TEST_CASE("WordPiece goes back to words", "[text]") {
  CHECK(minilm().decode(minilm().encode("Unaffordable DOGS, re-encoding")) == "unaffordable dogs , re - encoding");
  CHECK_THROWS_WITH(minilm().decode(Ids{30522}), Contains("[decode] ids are 0 to 30521, not 30522"));
  CHECK_THROWS_WITH(minilm().piece(-1), Contains("not -1"));
}

TEST_CASE("WordPiece gives every thread the same", "[text]") {
  std::vector<std::string> texts;
  std::vector<Ids> ids;
  for (std::uint64_t i = 0; i < 400; ++i) {
    Stream random(Rng(17) / i);
    texts.push_back(random_text(random));
    ids.push_back(minilm().encode(texts.back()));
  }
  std::vector<std::size_t> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < texts.size(); ++i) wrong[t] += minilm().encode(texts[i]) != ids[i];
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<std::size_t>(4, 0));
}

TEST_CASE("what is wrong with a WordPiece vocabulary", "[text]") {
  const std::string good = "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\na\n##b\n";
  const WordPieceTokenizer small(good);
  CHECK(small("AB x [MASK]", 8).ids == Ids{2, 4, 5, 1, 1, 1, 1, 3});  // without [MASK] it is [, mask and ]
  CHECK_THROWS_WITH(WordPieceTokenizer("[PAD]\n[UNK]\n[CLS]\na\n", "mine"), Contains("[wordpiece] mine has no [SEP]"));
  CHECK_THROWS_WITH(WordPieceTokenizer(good + "a\n", "mine"),
                    Contains("[wordpiece] mine: lines 5 and 7 are both \"a\""));
  CHECK_THROWS_WITH(WordPieceTokenizer("", "mine"), Contains("has no [UNK]"));
  CHECK_THROWS_WITH(WordPieceTokenizer::load("/nowhere/vocab.txt"), Contains("[read] /nowhere/vocab.txt"));
}
