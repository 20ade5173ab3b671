// SPDX-License-Identifier: MIT
#include "contrastive/text/bpe_tokenizer.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include "text/support.hpp"

using namespace contrastive;

namespace {

constexpr ClipDialect dialects[] = {ClipDialect::openai, ClipDialect::open_clip, ClipDialect::hugging_face};

const BpeVocabulary& vocabulary() {
  static const BpeVocabulary loaded = BpeVocabulary::load(shared_file("clip_bpe.txt"));
  return loaded;
}
const BpeTokenizer& tokenizer(ClipDialect dialect) {
  static const BpeTokenizer all[] = {BpeTokenizer(vocabulary(), dialects[0]), BpeTokenizer(vocabulary(), dialects[1]),
                                     BpeTokenizer(vocabulary(), dialects[2])};
  return all[static_cast<int>(dialect)];
}

/// The algorithm as it is described, with strings and loops and nothing else.
class Oracle {
 public:
  Oracle() {
    std::vector<int> order;
    for (int pass = 0; pass < 2; ++pass)
      for (int byte = 0; byte < 256; ++byte)
        if (shown(byte) == (pass == 0)) order.push_back(byte);
    for (std::size_t i = 0; i < order.size(); ++i)
      letter_[order[i]] = i < 188 ? utf8(order[i]) : utf8(256 + int(i) - 188);
    for (const char* end : {"", "</w>"})
      for (const int byte : order) ids_.emplace(letter_[byte] + end, int(ids_.size()));
    const std::string file = read_text(shared_file("clip_bpe.txt"));
    for (std::size_t at = file.find('\n') + 1; at < file.size();) {
      const std::size_t end = file.find('\n', at), space = file.find(' ', at);
      const std::string first = file.substr(at, space - at), second = file.substr(space + 1, end - space - 1);
      ranks_.emplace(std::pair(first, second), int(ranks_.size()));
      ids_.emplace(first + second, int(ids_.size()));
      at = end + 1;
    }
  }

  Ids word(const std::string& bytes) const {
    std::vector<std::string> symbols;
    for (const char byte : bytes) symbols.push_back(letter_.at(static_cast<unsigned char>(byte)));
    symbols.back() += "</w>";
    for (;;) {
      int best = 1 << 30;
      std::pair<std::string, std::string> pair;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto found = ranks_.find({symbols[i], symbols[i + 1]});
        if (found != ranks_.end() && found->second < best) best = found->second, pair = found->first;
      }
      if (best == 1 << 30) break;
      std::vector<std::string> merged;
      for (std::size_t i = 0; i < symbols.size(); ++i)
        if (i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second)
          merged.push_back(pair.first + pair.second), ++i;
        else
          merged.push_back(symbols[i]);
      symbols = merged;
    }
    Ids ids;
    for (const std::string& symbol : symbols) ids.push_back(ids_.at(symbol));
    return ids;
  }

 private:
  static bool shown(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
  }
  static std::string utf8(int code) { return detail::to_utf8(std::u32string(1, static_cast<char32_t>(code))); }

  std::map<int, std::string> letter_;
  std::map<std::string, int> ids_;
  std::map<std::pair<std::string, std::string>, int> ranks_;
};

Ids encode_word(std::string word) {
  const std::size_t length = word.size();
  word.resize(length + BpeVocabulary::padding, 'x');
  Ids ids;
  vocabulary().encode_word(word.data(), length, [&](std::int32_t id) { return ids.push_back(id), true; });
  return ids;
}

}  // namespace

TEST_CASE("ids of the golden strings in three dialects", "[text]") {
  const Json strings = golden_json("tokenizer_ids.json").at("strings");
  CHECK(strings.size() == 200);
  for (const Json& each : strings) {
    const auto text = each.at("text").get<std::string>();
    INFO(each.at("text"));
    const Ids openai = each.at("ids").get<Ids>();
    CHECK(tokenizer(ClipDialect::openai).encode(text) == openai);
    CHECK(tokenizer(ClipDialect::open_clip).encode(text) == each.value("open_clip_ids", openai));
    CHECK(tokenizer(ClipDialect::hugging_face).encode(text) == each.value("hf_ids", openai));

    const TokenRow row = tokenizer(ClipDialect::openai)(text);
    const Json& wanted = each.at("row77");
    CHECK(row.ids.size() == 77);
    CHECK(row.length == wanted.at("length").get<std::int64_t>());
    CHECK(row.truncated == wanted.at("truncated").get<bool>());
    CHECK(row.ids[wanted.at("eot_position").get<std::size_t>()] == 49407);
  }
}

TEST_CASE("ids of random texts in three dialects", "[text]") {
  for (const Json& each : golden_json("random_texts.json").at("texts")) {
    const auto text = each.at("text").get<std::string>();
    INFO(each.at("text"));
    CHECK(tokenizer(ClipDialect::openai).encode(text) == each.at("openai").get<Ids>());
    CHECK(tokenizer(ClipDialect::open_clip).encode(text) == each.at("open_clip").get<Ids>());
    CHECK(tokenizer(ClipDialect::hugging_face).encode(text) == each.at("hugging_face").get<Ids>());
  }
}

TEST_CASE("a mark whose capital is a letter separates, where the pattern ignores case", "[text]") {
  CHECK(tokenizer(ClipDialect::openai).encode("a\u0345b") == Ids{320, 321});
  CHECK(tokenizer(ClipDialect::open_clip).encode("\u0345").empty());
  CHECK(tokenizer(ClipDialect::hugging_face).encode("\u0345") == Ids{137, 483});
}

TEST_CASE("a row keeps its end token", "[text]") {
  for (const ClipDialect dialect : dialects) {
    const BpeTokenizer& clip = tokenizer(dialect);
    for (const std::int64_t words : {0, 1, 74, 75, 76, 77, 200}) {
      std::string text;
      for (std::int64_t i = 0; i < words; ++i) text += "dog ";
      const TokenRow row = clip(text);
      INFO(words);
      CHECK(row.ids.size() == 77);
      CHECK(row.length == std::min<std::int64_t>(words, 75) + 2);
      CHECK(row.truncated == (words > 75));
      for (std::int64_t i = 0; i < 77; ++i)
        CHECK(row.ids[static_cast<std::size_t>(i)] == (i == 0                ? 49406
                                                       : i < row.length - 1  ? 1929
                                                       : i == row.length - 1 ? 49407
                                                                             : clip.pad_id()));
    }
  }
  CHECK(tokenizer(ClipDialect::open_clip).pad_id() == 0);
  CHECK(tokenizer(ClipDialect::hugging_face).pad_id() == 49407);
  CHECK(tokenizer(ClipDialect::open_clip)("a dog", 2).ids == Ids{49406, 49407});
  CHECK(tokenizer(ClipDialect::open_clip)("a dog", 4).ids == Ids{49406, 320, 1929, 49407});
  CHECK_FALSE(tokenizer(ClipDialect::open_clip)("a dog", 4).truncated);
  // Cut within a word too.
  const TokenRow cut = tokenizer(ClipDialect::open_clip)("supercalifragilisticexpialidocious", 5);
  CHECK(cut.ids == Ids{49406, 1642, 2857, 13093, 49407});
  CHECK(cut.truncated);
  CHECK_THROWS_WITH(tokenizer(ClipDialect::open_clip)("a", 1), Contains("[tokenizer] the context has room"));
  CHECK_THROWS_WITH(tokenizer(ClipDialect::open_clip)("a", -3), Contains("not -3"));
}

TEST_CASE("words are merged as the slow way does", "[text]") {
  const Oracle oracle;
  Stream random(Rng(7));
  std::size_t wrong = 0, longest = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string word;
    const auto kind = random.below(4);
    const std::uint64_t length = 1 + random.below(i % 100 == 0 ? 400 : kind == 3 ? 80 : 20);
    while (word.size() < length) {
      if (kind == 0) word += static_cast<char>(random.bits());
      if (kind == 1) word += "etaoinshrdlcum"[random.below(14)];
      if (kind == 2)
        detail::append_utf8(word, static_cast<char32_t>(random.below(random.below(2) == 0 ? 0x250 : 0xD800)));
      if (kind == 3) word += "ab!"[random.below(3)];
    }
    wrong += encode_word(word) != oracle.word(word);
    longest = std::max(longest, word.size());
  }
  CHECK(wrong == 0);
  CHECK(longest > 300);
  for (const std::size_t length : {14, 15, 16, 17, 63, 64, 65, 66, 1000})
    for (const char* of : {"a", "ha", "!", "\xE6\x97\xA5"}) {
      std::string word;
      while (word.size() < length) word += of;
      CHECK(encode_word(word) == oracle.word(word));
    }
  // Every token's bytes: most are one token, some are not.
  std::size_t single = 0, through_cleaning = 0;
  for (std::int32_t id = 0; id < vocabulary().start_id(); ++id) {
    if (!vocabulary().ends_word(id)) continue;
    const std::string bytes(vocabulary().bytes(id));
    const Ids ids = encode_word(bytes);
    wrong += ids != oracle.word(bytes);
    single += ids == Ids{id};
    through_cleaning += tokenizer(ClipDialect::open_clip).encode(bytes) == Ids{id};
  }
  CHECK(wrong == 0);
  CHECK(single == 34483);
  CHECK(through_cleaning == 34277);  // as in open_clip; the others are digits, signs within words and the like
}

TEST_CASE("a very long word is done", "[text]") {
  std::string word;
  Stream random(Rng(3));
  while (word.size() < 200000) word += static_cast<char>('a' + random.below(26));
  const Ids ids = tokenizer(ClipDialect::open_clip).encode(word);
  CHECK(tokenizer(ClipDialect::open_clip).decode(ids) == word + " ");
}

TEST_CASE("ids go back to text", "[text]") {
  const BpeTokenizer& clip = tokenizer(ClipDialect::open_clip);
  CHECK(clip.decode(clip.encode("A photo of a cat!")) == "a photo of a cat ! ");
  CHECK(clip.decode(clip.encode("naïve café 日本語 👍🏽")) == "naïve café 日本語 👍🏽 ");
  CHECK(clip.decode(Ids{49406, 320, 1929, 49407}) == "<start_of_text>a dog <end_of_text>");
  CHECK(tokenizer(ClipDialect::openai).decode(Ids{49406, 49407}) == "<|startoftext|><|endoftext|>");
  CHECK(clip.decode(Ids{39121}).find("\uFFFD") == std::string::npos);
  CHECK(clip.decode(Ids{163}) == "\uFFFD");  // one byte of a character
  CHECK(clip.piece(1929) == "dog</w>");
  CHECK(clip.piece(1642) == "super");
  CHECK_THROWS_WITH(clip.decode(Ids{49408}), Contains("[decode] ids are 0 to 49407, not 49408"));
  CHECK_THROWS_WITH(clip.decode(Ids{-1}), Contains("not -1"));
  // Words of letters with single spaces come back as they were.
  Stream random(Rng(5));
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (std::uint64_t words = 1 + random.below(8); words > 0; --words) {
      for (std::uint64_t letters = 1 + random.below(9); letters > 0; --letters)
        text += static_cast<char>('a' + random.below(26));
      text += ' ';
    }
    CHECK(clip.decode(clip.encode(text)) == text);
  }
}

TEST_CASE("any bytes have ids, the same from every thread", "[text]") {
  for (const ClipDialect dialect : dialects) {
    const BpeTokenizer& clip = tokenizer(dialect);
    std::vector<std::string> texts;
    std::vector<Ids> ids;
    for (std::uint64_t i = 0; i < 400; ++i) {
      Stream random(Rng(11) / i);
      texts.push_back(random_text(random));
      ids.push_back(clip.encode(texts.back()));
    }
    std::vector<std::size_t> wrong(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < wrong.size(); ++t)
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < texts.size(); ++i) {
          const TokenRow row = clip(texts[i], 500);
          const auto end = row.ids.begin() + static_cast<std::ptrdiff_t>(row.length) - 1;
          wrong[t] += clip.encode(texts[i]) != ids[i] || Ids(row.ids.begin() + 1, end) != ids[i];
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == std::vector<std::size_t>(4, 0));
  }
  const BpeTokenizer& clip = tokenizer(ClipDialect::open_clip);
  CHECK(clip.encode("caf\xE9 dog") == clip.encode("caf\uFFFD dog"));
  CHECK(clip.encode(std::string_view()).empty());
}

TEST_CASE("the quick way for plain ASCII gives what cleaning gives", "[text]") {
  for (const ClipDialect dialect : dialects) {
    const BpeTokenizer& clip = tokenizer(dialect);
    Stream random(Rng(13));
    for (int i = 0; i < 500; ++i) {
      std::string text;
      for (std::uint64_t left = random.below(i % 50 == 0 ? 3000 : 60); left > 0; --left)
        text += static_cast<char>(random.below(5) == 0 ? ' ' : 32 + random.below(95));
      INFO(text);
      Ids slow = clip.encode(text + " \u3000");  // white space that is not ASCII
      CHECK(clip.encode(text) == slow);
    }
  }
}

TEST_CASE("a vocabulary of one's own, and what is wrong with a file", "[text]") {
  const BpeTokenizer small(BpeVocabulary("#version: x\na b\nab c</w>\r\n", "mine", 2));
  CHECK(small.size() == 516);
  CHECK(small.start_id() == 514);
  CHECK(small.encode("abc ab ABC") == Ids{513, 64, 256 + 65, 513});
  CHECK(small("abc", 4).ids == Ids{514, 513, 515, 0});

  const auto load = [](std::string_view file, std::size_t merges) { return BpeVocabulary(file, "mine", merges); };
  CHECK_THROWS_WITH(load("a b\n", 2), Contains("[bpe] mine: 2 merges wanted, found 1"));
  CHECK_THROWS_WITH(load("", 1), Contains("found 0"));
  CHECK_THROWS_WITH(load("a b\nabc d\n", 2), Contains("[bpe] mine, line 2: expected two tokens that exist by then"));
  CHECK_THROWS_WITH(load("a</w> b\n", 1), Contains("line 1"));
  CHECK_THROWS_WITH(load("ab\n", 1), Contains("line 1"));
  CHECK_THROWS_WITH(load("\xFF b\n", 1), Contains("line 1"));
  CHECK_THROWS_WITH(load("a b\na b\n", 2), Contains("makes a token that exists"));
  CHECK_THROWS_WITH(load("a b\n", 70000), Contains("at most 65000 merges"));
  CHECK_THROWS_WITH(load("\x1F\x8B\x08", 1), Contains("gunzip it first"));
  CHECK_THROWS_WITH(BpeVocabulary::load("/nowhere/bpe.txt"), Contains("[read] /nowhere/bpe.txt"));
}
