// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/text/wordpiece_tokenizer.hpp"

using namespace contrastive;

namespace {

/// What every tokenizer promises for any bytes.
template <class Tokenizer>
void check(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<std::int32_t> ids = tokenizer.encode(text);
  for (const std::int32_t id : ids)
    if (id < 0 || id >= tokenizer.size()) std::abort();
  tokenizer.decode(ids);
  const TokenRow row = tokenizer(text, 16);
  if (row.ids.size() != 16 || row.ids[0] != tokenizer.start_id() || row.truncated != (ids.size() > 14)) std::abort();
  for (std::size_t i = 0; i < 15; ++i) {
    const std::int32_t wanted = i < std::min<std::size_t>(ids.size(), 14)    ? ids[i]
                                : i == std::min<std::size_t>(ids.size(), 14) ? tokenizer.end_id()
                                                                             : tokenizer.pad_id();
    if (row.ids[i + 1] != wanted) std::abort();
  }
}

}  // namespace

// Any bytes as a text, for each dialect and for WordPiece, and as a vocabulary.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const BpeVocabulary vocabulary = BpeVocabulary::load(shared_file("clip_bpe.txt"));
  static const BpeTokenizer openai(vocabulary, ClipDialect::openai), open_clip(vocabulary),
      hugging_face(vocabulary, ClipDialect::hugging_face);
  static const WordPieceTokenizer wordpiece(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nthe\ndog\n##s\n##a\n##b\n!\n\xE6\x97\xA5\n");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(openai, text);
  check(open_clip, text);
  check(hugging_face, text);
  check(wordpiece, text);
  canonicalize_text(text);
  try {
    const BpeTokenizer own(BpeVocabulary(text, "fuzz", 3));
    check(own, text);
  } catch (const Error&) {
  }
  try {
    check(WordPieceTokenizer(text, "fuzz"), text);
  } catch (const Error&) {
  }
  return 0;
}
