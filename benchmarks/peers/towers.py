# SPDX-License-Identifier: MIT
"""open_clip's side of benchmarks/towers.cpp: ViT-B-32-quickgelu with random weights, eager, in turns with ours.

    python benchmarks/peers/towers.py build/release/benchmarks/towers [--threads 2] [--rounds 3]

Prints a line for each case: ours and theirs in images or captions a second, medians of the rounds, and the ratio. bf16:
open_clip's pure_bf16, parameters and activations, and autocast for the training step, as its trainer has it.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import open_clip
import torch
import torch.nn.functional as F

WORDS = "a photo of the dog red house on beach two small trees with sky old car".split()


def captions(n):
    return [" ".join(WORDS[(7 * i + 3 * k) % 16] for k in range(4 + i % 17)) for i in range(n)]


def rate(count, seconds, work):
    work()
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return count / statistics.median(times)


def theirs(model, narrow, ids, wanted):
    found = {}
    images = {n: torch.randn(n, 3, 224, 224) for n in (32, 1)}
    tokens = ids
    for precision, net in (("f32", model), ("bf16", narrow)):
        dtype = torch.float32 if precision == "f32" else torch.bfloat16
        with torch.no_grad():
            for n in (32, 1):
                name = f"image_tower/{precision}/{n}"
                if name in wanted:
                    x = images[n].to(dtype)
                    found[name] = rate(n, 3, lambda: net.encode_image(x, normalize=True))
            name = f"text_tower/{precision}/32"
            if name in wanted:
                found[name] = rate(32, 3, lambda: net.encode_text(tokens, normalize=True))
    for precision in ("f32", "bf16"):
        name = f"step/{precision}"
        if name not in wanted:
            continue
        model.train()
        adamw = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.2, betas=(0.9, 0.98))

        def step():
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                a, b, scale = model(images[32], tokens)
                logits = scale * a @ b.T
                targets = torch.arange(32)
                loss = (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
            adamw.zero_grad()
            loss.backward()
            adamw.step()

        found[name] = rate(32, 5, step)
        model.eval()
    return found


def ours(program, pattern):
    text = subprocess.run([program, f"--benchmark_filter={pattern}", "--benchmark_format=json"], check=True,
                          capture_output=True, env=os.environ).stdout
    return {"/".join(b["name"].split("/min_time")[0].split("/")): b["items_per_second"]
            for b in json.loads(text)["benchmarks"]}


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("program")
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--filter", default=".")
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu").eval()
    narrow = open_clip.create_model("ViT-B-32-quickgelu", precision="pure_bf16").eval()
    ids = open_clip.get_tokenizer("ViT-B-32-quickgelu")(captions(32))
    rows = {}
    for _ in range(given.rounds):
        mine = ours(given.program, given.filter)
        peer = theirs(model, narrow, ids, mine)
        for name in mine:
            rows.setdefault(name, []).append((mine[name], peer[name]))
    for name, pairs in rows.items():
        a, b = (statistics.median(side) for side in zip(*pairs))
        print(f"{name:24} {a:9.2f} {b:9.2f}  {a / b:5.2f}", flush=True)


if __name__ == "__main__":
    main()
