#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captions a second on one core: open_clip's tokenizer, Hugging Face `tokenizers` and instant-clip-tokenizer, those that
are installed, beside ours on the same captions.

  pip install open_clip_torch tokenizers instant-clip-tokenizer ftfy regex
  python3 benchmarks/peers/text.py build/release/benchmarks/text [VOCAB.TXT]

open_clip is measured without PyTorch, by `encode` alone, where PyTorch is not installed. VOCAB.TXT is BERT's.
"""
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import types

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
SHARE = pathlib.Path(__file__).resolve().parents[2] / "share/contrastive"


def captions():
    """As in benchmarks/text.cpp, with other random numbers."""
    templates = (SHARE / "templates/imagenet80.txt").read_text().splitlines()
    names = (SHARE / "classes/imagenet.txt").read_text().splitlines()
    draw = random.Random(1)
    return [draw.choice(templates).format(f"{draw.choice(names)} next to a {draw.choice(names)}") for _ in range(20000)]


def rate(texts, run):
    """Captions a second of processor time: the median of five runs over all of them, after one to warm up."""
    run(texts)
    rates = []
    for _ in range(5):
        begin = time.process_time()
        run(texts)
        rates.append(len(texts) / (time.process_time() - begin))
    return sorted(rates)[2]


def open_clip_tokenizer():
    spec = importlib.util.find_spec("open_clip")
    if importlib.util.find_spec("torch") is None:
        torch = types.ModuleType("torch")
        torch.Tensor = torch.LongTensor = object
        sys.modules["torch"] = torch
    path = pathlib.Path(spec.origin).parent / "tokenizer.py"
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tokenizer = module.SimpleTokenizer()
    return lambda texts: [tokenizer.encode(text) for text in texts]


def hugging_face_clip():
    """The pipeline of transformers 5, models/clip/tokenization_clip.py, padded to 77."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    merges = [tuple(line.split()) for line in (SHARE / "clip_bpe.txt").read_text().splitlines()[1:]]
    shown = [b for b in range(256) if 33 <= b < 127 or 161 <= b != 173]
    letters = [chr(b) for b in shown] + [chr(256 + n) for n in range(256 - len(shown))]
    pieces = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<|endoftext|>",
                                     end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(
            Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
            behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", 49407), ("<|startoftext|>", 49406), False, False)
    tokenizer.enable_truncation(77)
    tokenizer.enable_padding(length=77, pad_id=49407)
    return lambda texts: tokenizer.encode_batch_fast(texts)


def hugging_face_bert(path):
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(path, lowercase=True)
    tokenizer.enable_truncation(77)
    tokenizer.enable_padding(length=77)
    return lambda texts: tokenizer.encode_batch_fast(texts) if hasattr(tokenizer, "encode_batch_fast") \
        else tokenizer.encode_batch(texts)


def instant():
    import instant_clip_tokenizer
    tokenizer = instant_clip_tokenizer.Tokenizer()
    return lambda texts: tokenizer.tokenize_batch(texts, context_length=77)


def ours(program, texts, vocab):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(texts) + "\n")
        file.flush()
        environment = dict(os.environ, CONTRASTIVE_BENCH_CAPTIONS=file.name, CONTRASTIVE_BENCH_VOCAB=vocab)
        out = subprocess.run([program, "--benchmark_format=json", "--benchmark_filter=bpe/|wordpiece",
                              "--benchmark_repetitions=5", "--benchmark_report_aggregates_only=true"],
                             env=environment, stdout=subprocess.PIPE, check=True).stdout
    return {each["run_name"]: each["items_per_second"] for each in json.loads(out)["benchmarks"]
            if each.get("aggregate_name") == "median"}


def main():
    vocab = sys.argv[2] if len(sys.argv) > 2 else ""
    texts = captions()
    print(f"{len(texts)} captions of {sum(len(text.split()) for text in texts) / len(texts):.1f} words")
    own = ours(sys.argv[1], texts, vocab)
    rows = [("open_clip", "open_clip, encode", "bpe/open_clip", open_clip_tokenizer),
            ("tokenizers", "Hugging Face tokenizers, CLIP", "bpe/hugging_face", hugging_face_clip),
            ("instant_clip_tokenizer", "instant-clip-tokenizer", "bpe/open_clip", instant)]
    if vocab:
        rows.append(("tokenizers", "Hugging Face tokenizers, BERT", "wordpiece", lambda: hugging_face_bert(vocab)))
    for package, name, benchmark, make in rows:
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
            continue
        peer = rate(texts, make())
        print(f"{name}: {peer:,.0f}/s; {benchmark}: {own[benchmark]:,.0f}/s, ratio {own[benchmark] / peer:.1f}")


if __name__ == "__main__":
    main()
