#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs train_step and its peer in turns, in the same minutes, and prints the ratios.

    PYTHON=venv/bin/python benchmarks/compare.py build/release/benchmarks/train_step [--rounds 3] [--threads 2] [--together]

PYTHON is an interpreter with torch, torchvision and lightly; this script itself needs none of them. A ratio is that of
the medians over the rounds. Each side gets its own process for each case, so that peak memory compares.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

flags = argparse.ArgumentParser()
flags.add_argument("program")
flags.add_argument("--rounds", type=int, default=3)
flags.add_argument("--threads", type=int, default=os.cpu_count())
flags.add_argument("--precision", choices=("f32", "bf16"), action="append")
flags.add_argument("--together", action="store_true", help="the peer joins the views, as we do")
given = flags.parse_args()
environment = dict(os.environ, OMP_NUM_THREADS=str(given.threads))
peer_script = pathlib.Path(__file__).parent / "peers" / "train_step.py"


def output(command):
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


def ours(precision):
    report = json.loads(output([given.program, f"--benchmark_filter=/64/{precision}", "--benchmark_format=json",
                                "--benchmark_min_time=2", "--benchmark_repetitions=3"]))
    runs = [r for r in report["benchmarks"] if r["run_type"] == "iteration"]
    return (statistics.median(r["images/s"] for r in runs), max(r["process_MB"] for r in runs),
            statistics.median(r["outside_products"] for r in runs))


def peer(precision):
    command = [os.environ.get("PYTHON", sys.executable), str(peer_script), "--precision", precision,
               "--threads", str(given.threads)] + ["--together"] * given.together
    report = json.loads(output(command).splitlines()[-1])
    return report["images_per_second"], report["process_MB"]


print("| train_step/simclr_resnet18_cifar/64 | images/s | peer's | ratio | rounds | process MB | peer's |\n|---|---|---|---|---|---|---|")
for precision in given.precision or ("f32", "bf16"):
    mine, theirs = [], []
    for _ in range(given.rounds):
        mine.append(ours(precision))
        theirs.append(peer(precision))
        print(f"{precision}: {mine[-1][0]:.1f} beside {theirs[-1][0]:.1f}", file=sys.stderr, flush=True)
    rate, peer_rate = statistics.median(m[0] for m in mine), statistics.median(t[0] for t in theirs)
    print(f"| {precision} | {rate:.1f} | {peer_rate:.1f} | {rate / peer_rate:.2f} "
          f"| {', '.join(f'{m[0] / t[0]:.2f}' for m, t in zip(mine, theirs))} "
          f"| {max(m[1] for m in mine):.0f} | {max(t[1] for t in theirs):.0f} |", flush=True)
