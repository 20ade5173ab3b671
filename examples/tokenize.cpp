// SPDX-License-Identifier: MIT
//
// Texts to token ids and pieces, and ids to text.
//
//   tokenize "a photo of a cat."
//   tokenize --vocabulary vocab.txt "a dog running"       WordPiece, as BERT
//   tokenize --vocabulary spiece.model "a dog running"    SentencePiece, as SigLIP
//   tokenize --ids 320 1125 539 320 2368 269

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "contrastive/text/bpe_tokenizer.hpp"
#ifdef CONTRASTIVE_WITH_SENTENCEPIECE
#include "contrastive/text/sentencepiece_tokenizer.hpp"
#endif
#include "contrastive/text/wordpiece_tokenizer.hpp"
#include "support/flags.hpp"

namespace {

using namespace contrastive;

template <class T>
void show(const T& tokenizer, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    std::string pieces;
    for (const std::int32_t id : ids) {
      std::printf("%d ", id);
      pieces += (pieces.empty() ? "" : " ") + tokenizer.piece(id);
    }
    std::printf("\n%s\n", pieces.c_str());
  }
}

template <class T>
void run(const T& tokenizer, const std::vector<std::string>& texts, bool are_ids) {
  if (!are_ids) return show(tokenizer, texts);
  std::vector<std::int32_t> ids;
  for (const std::string& text : texts) {
    std::size_t used = 0;
    try {
      ids.push_back(std::stoi(text, &used));
    } catch (const std::exception&) {
      used = 0;
    }
    require(used == text.size() && used > 0, "[settings] --ids expected whole numbers, got ", text);
  }
  std::printf("%s\n", tokenizer.decode(ids).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> texts;
  std::string dialect = "open_clip", vocabulary;
  bool ids = false;
  CLI::App cli("Texts to token ids and pieces, without start and end; or ids to text");
  cli.add_option("texts", texts, "texts, each a line of ids and a line of pieces")->required();
  cli.add_option("--dialect", dialect, "of CLIP's tokenizer: open_clip, openai or hugging_face")
      ->capture_default_str()
      ->check(CLI::IsMember({"open_clip", "openai", "hugging_face"}));
  cli.add_option("--vocabulary", vocabulary,
                 "instead of CLIP's tokenizer: a vocab.txt (BERT's WordPiece) or a .model (SentencePiece)");
  cli.add_flag("--ids", ids, "what is given are ids, to be made text again");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli.exit(error);
    std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
    return 2;
  }
  try {
    if (vocabulary.ends_with(".model"))
#ifdef CONTRASTIVE_WITH_SENTENCEPIECE
      run(SentencePieceTokenizer::load(vocabulary), texts, ids);
#else
      fail("[tokenizer] ", vocabulary, ": this build has no SentencePiece (libsentencepiece-dev)");
#endif
    else if (!vocabulary.empty())
      run(WordPieceTokenizer::load(vocabulary), texts, ids);
    else
      run(BpeTokenizer(dialect == "openai"         ? ClipDialect::openai
                       : dialect == "hugging_face" ? ClipDialect::hugging_face
                                                   : ClipDialect::open_clip),
          texts, ids);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", app::sentence_of(error).c_str());
    return std::string(error.what()).starts_with("[settings]") ? 2 : 1;
  }
}
