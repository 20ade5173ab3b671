# SPDX-License-Identifier: MIT
"""torchvision on PIL beside benchmarks/augment.cpp: the same recipes, pictures of the same sizes, one thread.

Prints one JSON object a line with views per second (best and median of the rounds). With the path of the benchmark
program as argument it runs that too, between two rounds of its own, and prints the ratios:

    taskset -c 0 python benchmarks/peers/augment.py [build/release/benchmarks/augment]
"""

import json
import statistics
import subprocess
import sys
import time

import numpy
import torch
from PIL import Image
from torchvision import transforms

torch.set_num_threads(1)


def recipe(size, strength, blur):
    """SimCLR as torchvision's users write it, ending in the normalised tensor."""
    jitter = transforms.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    steps = [
        transforms.RandomResizedCrop(size, (0.08, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([jitter], p=0.8),
        transforms.RandomGrayscale(0.2),
    ]
    if blur:
        steps.append(transforms.RandomApply([transforms.GaussianBlur(23, (0.1, 2.0))], p=0.5))
    steps += [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
    return transforms.Compose(steps)


def pictures(count, height, width, coarse_height, coarse_width):
    generator = numpy.random.default_rng(0)
    coarse = [generator.integers(0, 256, (coarse_height, coarse_width, 3), dtype=numpy.uint8) for _ in range(count)]
    return [Image.fromarray(c).resize((width, height), Image.BICUBIC) for c in coarse]


CASES = {
    "simclr_augment/32": (recipe(32, 0.5, False), pictures(64, 32, 32, 32, 32), 12),
    "simclr_augment/224": (recipe(224, 1.0, True), pictures(16, 375, 500, 25, 32), 5),
}


def rates(name, rounds):
    view, images, repeats = CASES[name]
    for image in images:
        view(image)
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            for image in images:
                view(image)
        found.append(repeats * len(images) / (time.perf_counter() - start))
    return found


def ours(program, name):
    command = [program, f"--benchmark_filter=^{name}$", "--benchmark_format=json", "--benchmark_repetitions=3"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # Wall time on both sides: real_time is in nanoseconds.
    return [1e9 / r["real_time"] for r in report["benchmarks"] if r["run_type"] == "iteration"]


for name in CASES:
    peer = rates(name, 2)
    mine = ours(sys.argv[1], name) if len(sys.argv) > 1 else []
    peer += rates(name, 2)
    line = {"benchmark": name, "peer": "torchvision on PIL", "peer_views_per_second": round(max(peer), 1),
            "peer_median": round(statistics.median(peer), 1)}
    if mine:
        line["views_per_second"] = round(max(mine), 1)
        line["ratio"] = round(max(mine) / max(peer), 2)
        line["ratio_median"] = round(statistics.median(mine) / statistics.median(peer), 2)
    print(json.dumps(line), flush=True)
