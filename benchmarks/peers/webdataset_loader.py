#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our loader of tar shards beside webdataset + torchvision: the same shards, one core, 224 pixels, batches of 32.

  pip install torch==2.5.1 torchvision==0.20.1 webdataset
  python3 benchmarks/peers/webdataset_loader.py build/release/benchmarks/data FOLDER [--rounds 5]

FOLDER is searched for JPEG files, of which shards of 100 are made. `crop`: RandomResizedCrop(224), bicubic, as ImageNet has
it; `clip`: CLIP's, of 0.9 to 1 of the image. Pictures a CPU second, medians of rounds in turns.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tarfile
import tempfile
import time

import torch
import webdataset
from torchvision import transforms


def write_shards(pictures, folder):
    folder.mkdir()
    for first in range(0, len(pictures), 100):
        with tarfile.open(folder / f"{first // 100:04}.tar", "w") as shard:
            for i, picture in enumerate(pictures[first:first + 100]):
                shard.add(picture, f"{first + i:06}.jpg")
    return sorted(str(shard) for shard in folder.glob("*.tar"))


def theirs(shards, least, seconds):
    view = transforms.Compose([
        transforms.RandomResizedCrop(224, scale=(least, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])
    data = webdataset.WebDataset(shards, shardshuffle=len(shards)).repeat().shuffle(1000, initial=0).decode("pilrgb")
    batches = iter(webdataset.WebLoader(data.to_tuple("jpg").map_tuple(view), batch_size=32, num_workers=0))
    next(batches)
    begin, count = time.process_time(), 0
    while time.process_time() - begin < seconds:
        count += len(next(batches)[0])
    return count / (time.process_time() - begin)


def ours(program, root, name, seconds):
    out = subprocess.run(
        [program, f"--benchmark_filter=shards/{name}$", f"--benchmark_min_time={seconds}", "--benchmark_format=json"],
        env=dict(os.environ, CONTRASTIVE_BENCH_SHARDS=str(root), OMP_NUM_THREADS="1"), stdout=subprocess.PIPE,
        check=True).stdout
    return json.loads(out)["benchmarks"][0]["items_per_second"]


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("program")
    flags.add_argument("folder", type=pathlib.Path)
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--seconds", type=float, default=2)
    given = flags.parse_args()
    torch.set_num_threads(1)
    pictures = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    with tempfile.TemporaryDirectory() as root:
        shards = write_shards(pictures, pathlib.Path(root) / "train")
        print(f"{len(pictures)} pictures in {len(shards)} shards")
        for name, least in (("crop", 0.08), ("clip", 0.9)):
            rounds = [(ours(given.program, root, name, given.seconds), theirs(shards, least, given.seconds))
                      for _ in range(given.rounds)]
            mine, peer = (statistics.median(side) for side in zip(*rounds))
            print(f"shards/{name}: ours {mine:.0f}, webdataset {peer:.0f} pictures/s, ratio {mine / peer:.2f}", flush=True)


if __name__ == "__main__":
    main()
