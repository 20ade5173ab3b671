// SPDX-License-Identifier: MIT
#ifdef CONTRASTIVE_WITH_SENTENCEPIECE

#include "contrastive/text/sentencepiece_tokenizer.hpp"

#include <filesystem>
#include <fstream>

#include "text/support.hpp"

using namespace contrastive;

TEST_CASE("SentencePiece ids and rows are those of the Python package", "[text]") {
  const SentencePieceTokenizer tokenizer = SentencePieceTokenizer::load(text_golden("sentencepiece_tiny.model"));
  const Json golden = golden_json("sentencepiece.json");
  CHECK(tokenizer.size() == golden.at("size").get<int>());
  CHECK(tokenizer.end_id() == 1);
  CHECK(tokenizer.piece(5) == golden.at("piece_5").get<std::string>());
  CHECK(golden.at("texts").size() == 8);
  for (const Json& each : golden.at("texts")) {
    INFO(each.at("text"));
    const std::string text = each.at("text").get<std::string>();
    const Ids ids = each.at("ids").get<Ids>();
    CHECK(tokenizer.encode(text) == ids);
    CHECK(tokenizer.decode(ids) == each.at("decoded").get<std::string>());
    const TokenRow row = tokenizer(text, 16);
    CHECK(row.ids == each.at("row").get<Ids>());
    CHECK(row.truncated == (ids.size() > 15));
    CHECK(row.length == static_cast<std::int64_t>(std::min<std::size_t>(ids.size(), 15)) + 1);
  }
  CHECK_THROWS_WITH(tokenizer("a", 0), Contains("room for an end token"));
  CHECK_THROWS_WITH(tokenizer.piece(tokenizer.size()), Contains("[decode] ids are 0 to"));
  CHECK_THROWS_WITH(tokenizer.decode(Ids{3, -1}), Contains("[decode] ids are 0 to"));
}

TEST_CASE("a file that is no SentencePiece model is refused in a sentence", "[text]") {
  CHECK_THROWS_WITH(SentencePieceTokenizer::load("/nowhere/spiece.model"),
                    Contains("[sentencepiece] /nowhere/spiece.model"));
  CHECK_THROWS_WITH(SentencePieceTokenizer::load(text_golden("minilm_vocab.txt")), Contains("[sentencepiece]"));
  std::ifstream file(text_golden("sentencepiece_tiny.model"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  const std::string path = (std::filesystem::temp_directory_path() / "contrastive_cut.model").string();
  for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, whole.size() / 3, whole.size() - 1}) {
    INFO(kept);
    std::ofstream(path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(kept));
    CHECK_THROWS_WITH(SentencePieceTokenizer::load(path), Contains("[sentencepiece] " + path));
  }
  std::filesystem::remove(path);
}

#endif
