// SPDX-License-Identifier: MIT
//
// Captions of about ten words to ids, on one core.
//   CONTRASTIVE_BENCH_CAPTIONS=captions.txt build/release/benchmarks/text
// takes captions of yours, one a line; otherwise they are made of ImageNet's names and templates.
// benchmarks/peers/text.py runs open_clip and Hugging Face on the same ones beside it.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/text/templates.hpp"
#include "contrastive/text/wordpiece_tokenizer.hpp"

using namespace contrastive;

namespace {

std::vector<std::string> captions() {
  std::vector<std::string> lines;
  if (const char* given = std::getenv("CONTRASTIVE_BENCH_CAPTIONS")) {
    for (const detail::NumberedLine& line : detail::lines_of(given)) lines.push_back(line.text);
  } else {
    const std::vector<std::string> templates = load_templates("imagenet80"), names = load_class_names("imagenet");
    Stream random(Rng(1));
    for (int i = 0; i < 20000; ++i)
      lines.push_back(
          fill_template(templates[random.below(templates.size())],
                        names[random.below(names.size())] + " next to a " + names[random.below(names.size())]));
  }
  require(!lines.empty(), "[bench] no captions");
  return lines;
}

/// Rows of 77 into one array, as a loader does it.
template <class Tokenizer>
void rows(benchmark::State& state, const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::vector<std::int32_t> row(77);
  std::size_t next = 0;
  std::int64_t bytes = 0, tokens = 0;
  for (auto _ : state) {
    const std::string& text = texts[next];
    next = next + 1 == texts.size() ? 0 : next + 1;
    tokens += tokenizer.write(text, row).length;
    benchmark::DoNotOptimize(row.data());
    benchmark::ClobberMemory();
    bytes += static_cast<std::int64_t>(text.size());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
  state.counters["tokens"] = static_cast<double>(tokens) / static_cast<double>(state.iterations());
}

void bpe(benchmark::State& state, ClipDialect dialect) { rows(state, BpeTokenizer(dialect), captions()); }
BENCHMARK_CAPTURE(bpe, open_clip, ClipDialect::open_clip);
BENCHMARK_CAPTURE(bpe, hugging_face, ClipDialect::hugging_face);

/// One character beyond ASCII sends a caption through all of the cleaning.
void bpe_beyond_ascii(benchmark::State& state) {
  std::vector<std::string> texts = captions();
  for (std::string& text : texts) text += " café";
  rows(state, BpeTokenizer(), texts);
}
BENCHMARK(bpe_beyond_ascii);

void bpe_load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(BpeTokenizer().size());
}
BENCHMARK(bpe_load)->Unit(benchmark::kMillisecond);

/// CONTRASTIVE_BENCH_VOCAB names BERT's vocab.txt.
void wordpiece(benchmark::State& state) {
  const char* path = std::getenv("CONTRASTIVE_BENCH_VOCAB");
  if (path == nullptr) return state.SkipWithError("CONTRASTIVE_BENCH_VOCAB names no vocab.txt");
  rows(state, WordPieceTokenizer::load(path), captions());
}
BENCHMARK(wordpiece);

}  // namespace

BENCHMARK_MAIN();
