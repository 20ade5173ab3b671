#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Precision and recall of `image_search duplicates` and of perceptual hashing (ImageHash) on copies that are made here.

  pip install pillow imagehash
  python3 benchmarks/peers/duplicates.py build/release/examples/image_search RUN PICTURES WORK [--pictures 2000]

From the folder PICTURES some are drawn; of every tenth one copy is made, by one kind of change each: a part of 70 to 95 %
of each side, the mirror image, JPEG of quality 30 to 70, half the size, bars, or three of these at once. All lie in the folder
WORK then. A pair is right if it is a copy with its original; of a group
that ours prints, the pairs of the first with the others count; pairs of two pictures that are in PICTURES both are looked at
apart, since a folder holds duplicates of its own: those with a difference of at most 4 of 255 at 32 x 32 are left out.
Hashes are of 64 bits, two images the same at up to the customary 10 bits (dhash, phash), and at the best bound for the F1 on
this very folder. Nothing of ours was chosen on it.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess

import imagehash
import numpy
from PIL import Image, ImageOps

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("run")
parser.add_argument("pictures_from", type=pathlib.Path)
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--pictures", type=int, default=2000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--threshold", type=float, help="of ours; default: its own")
options = parser.parse_args()
draw = random.Random(options.seed)


def part(image):
    w, h = (round(side * draw.uniform(0.7, 0.95)) for side in image.size)
    x, y = draw.randint(0, image.size[0] - w), draw.randint(0, image.size[1] - h)
    return image.crop((x, y, x + w, y + h))


def bars(image):
    w, h = image.size
    size = (w, round(h * draw.uniform(1.2, 1.5))) if draw.random() < 0.5 else (round(w * draw.uniform(1.2, 1.5)), h)
    return ImageOps.pad(image, size, color=draw.choice(["black", "white", "grey"]))


def half(image):
    return image.resize([max(1, side // 2) for side in image.size], Image.BICUBIC)


KINDS = {"part": part, "mirror": ImageOps.mirror, "jpeg": lambda image: image, "half": half, "bars": bars,
         "three": lambda image: bars(part(ImageOps.mirror(image)))}

options.work.mkdir(parents=True)
files = sorted(p for p in options.pictures_from.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
files = draw.sample(files, min(options.pictures, len(files)))
copies, small = {}, {}
for i, file in enumerate(sorted(files)):
    image = Image.open(file).convert("RGB")
    name = f"{i:05}.png"
    image.save(options.work / name)
    if i % 10 == 0:
        kind = list(KINDS)[i // 10 % len(KINDS)]
        copy = f"{draw.randrange(10**6):06}-{i:05}.jpg"  # its name says nothing of its place
        KINDS[kind](image).save(options.work / copy, quality=draw.randint(30, 70))
        copies[frozenset((name, copy))] = kind
names = sorted(p.name for p in options.work.iterdir())
images = {name: Image.open(options.work / name).convert("RGB") for name in names}
small = numpy.stack([numpy.asarray(images[n].convert("L").resize((32, 32), Image.BOX), numpy.float32).ravel() for n in names])
place = {name: i for i, name in enumerate(names)}


def own_duplicate(pair):
    a, b = (place[name] for name in pair)
    return pair not in copies and numpy.abs(small[a] - small[b]).mean() <= 4


def report(what, pairs):
    pairs = {pair for pair in pairs if not own_duplicate(pair)}
    right = pairs & set(copies)
    kinds = {kind: [pair in right for pair, k in copies.items() if k == kind] for kind in KINDS}
    precision = len(right) / max(1, len(pairs))
    recall = len(right) / len(copies)
    each = "  ".join(f"{kind} {100 * sum(hit) / len(hit):.0f}" for kind, hit in kinds.items())
    print(f"{what:26} precision {100 * precision:5.1f}  recall {100 * recall:5.1f}   {each}", flush=True)
    return 2 * precision * recall / max(1e-9, precision + recall)


print(f"{len(files)} pictures, {len(copies)} copies; percent")
command = [options.program, "duplicates", str(options.work), "--weights", options.run, "--json"]
if options.threshold:
    command += ["--threshold", str(options.threshold)]
done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
ours = set()
for line in done.stdout.splitlines():
    group = [os.path.basename(image["path"]) for image in json.loads(line)["images"]]
    ours |= {frozenset((group[0], other)) for other in group[1:]}
report("ours", ours)
for pair in sorted(map(sorted, ours)):
    if frozenset(pair) not in copies and not own_duplicate(frozenset(pair)):
        print("  not a copy:", *pair)
for name, hashed in (("dhash", imagehash.dhash), ("phash", imagehash.phash)):
    bits = numpy.stack([hashed(images[n]).hash.ravel() for n in names]).astype(numpy.int32)
    distance = (bits[:, None, :] != bits[None]).sum(-1) if len(names) < 500 else \
        bits @ (1 - bits).T + (1 - bits) @ bits.T
    by_bound = {}
    for bound in range(0, 21):
        where = numpy.argwhere(numpy.triu(distance <= bound, 1))
        if len(where) < 200000:
            by_bound[bound] = {frozenset((names[a], names[b])) for a, b in where}

    def f1(pairs):
        pairs = {pair for pair in pairs if not own_duplicate(pair)}
        right = len(pairs & set(copies))
        return 2 * right / max(1, len(pairs) + len(copies))

    best = max(by_bound, key=lambda bound: f1(by_bound[bound]))
    if 10 in by_bound:
        report(f"{name}, 10 bits", by_bound[10])
    report(f"{name}, {best} bits (best)", by_bound[best])
