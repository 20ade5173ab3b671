#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs benchmarks/losses and its peers in turns and writes the ratios, as a table and as a page of plots.

    PYTHON=venv/bin/python benchmarks/losses.py build/release/benchmarks/losses [--rounds 3] [--out losses.html] [--large]

PYTHON is an interpreter with torch, lightly, open_clip_torch and pytorch-metric-learning; this script needs none of
them. Each side gets its own process for each case. A figure is the median over the rounds.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

here = pathlib.Path(__file__).parent
# ours (benchmark name), peers, what it must reach beside each (the ratio of the times)
CASES = [
    ("clip_loss/8192/128/store", {"clip_loss/open_clip": 5.5, "clip_loss/compiled": 2.4}),
    ("clip_loss/8192/128/recompute", {"clip_loss/open_clip": 4.2, "clip_loss/compiled": 1.8}),
    ("clip_loss/8192/128/bf16", {"clip_loss/open_clip": 8}),
    ("clip_loss/4096/512/store", {"clip_loss/open_clip": 2.8, "clip_loss/compiled": 1.3}),
    ("nt_xent/8192/128/recompute", {"nt_xent/lightly": 16, "nt_xent/compiled": 4}),
    ("siglip_loss/8192/128/recompute", {"siglip_loss/open_clip": 5}),
    ("info_nce_queue/256/65536/128/recompute", {"info_nce_queue/eager": None}),
    ("sup_con/4096/128/store", {"sup_con/metric_learning": None}),
    ("clip_loss/256/128/store", {"clip_loss/open_clip": 2.5, "clip_loss/compiled": None}),
]
CURVES = [("clip_loss", 128, [64, 256, 1024, 2048, 4096, 8192], ["naive", "blocked", "store", "recompute"],
           ["clip_loss/open_clip", "clip_loss/compiled"]),
          ("nt_xent", 128, [64, 256, 1024, 2048, 4096, 8192], ["naive", "recompute"],
           ["nt_xent/lightly", "nt_xent/compiled"])]

flags = argparse.ArgumentParser()
flags.add_argument("program")
flags.add_argument("--rounds", type=int, default=3)
flags.add_argument("--threads", type=int, default=os.cpu_count())
flags.add_argument("--out", help="also time the curves and write a page with them here")
flags.add_argument("--only", default="", help="part of a case's name")
given = flags.parse_args()
environment = dict(os.environ, OMP_NUM_THREADS=str(given.threads))


def output(command):
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout if done.returncode == 0 else ""


def ours(name):
    text = output([given.program, f"--benchmark_filter=^{name}/iterations", "--benchmark_format=json"])
    run = json.loads(text)["benchmarks"][0]
    return {"ms": run["real_time"], "extra_MB": run["extra_MB"], "limit": run["limit"], "GFLOP/s": run["GFLOP/s"]}


def peer(name, N, D):
    text = output([os.environ.get("PYTHON", sys.executable), str(here / "peers" / "losses.py"), name, str(N), str(D),
                   "--threads", str(given.threads)])
    return json.loads(text.splitlines()[-1]) if text else None


def median(runs, key):
    return statistics.median(r[key] for r in runs)


def table():
    print("| case | ms | MB | share of the limit | beside | its ms | its MB | ratio | goal |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, beside in CASES:
        if given.only not in name:
            continue
        part = name.split("/")
        N, D = int(part[1]), int(part[-2])
        mine, theirs = [], {p: [] for p in beside}
        for _ in range(given.rounds):
            mine.append(ours(name))
            for p in beside:
                run = peer(p, N, D)
                if run:
                    theirs[p].append(run)
        for p, goal in beside.items():
            if not theirs[p]:
                continue
            ratios = [t["ms"] / m["ms"] for m, t in zip(mine, theirs[p])]
            print(f"| {name} | {median(mine, 'ms'):.2f} | {max(m['extra_MB'] for m in mine):.0f} "
                  f"| {median(mine, 'limit'):.2f} | {p.split('/')[1]} | {median(theirs[p], 'ms'):.2f} "
                  f"| {max(t['extra_MB'] for t in theirs[p]):.0f} | {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f}) | {goal or '–'} |", flush=True)


COLOURS = ["#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2"]


def plot(title, unit, series):
    """A log-log chart as SVG; series: name -> [(N, value)]."""
    width, height, left, bottom, top, right = 560, 360, 64, 44, 34, 170
    points = [p for s in series.values() for p in s if p[1] > 0]
    x0, x1 = (f(math.log2(p[0]) for p in points) for f in (min, max))
    y0, y1 = math.floor(min(math.log10(p[1]) for p in points)), math.ceil(max(math.log10(p[1]) for p in points))
    x = lambda n: left + (math.log2(n) - x0) / (x1 - x0) * (width - left - right)
    y = lambda v: height - bottom - (math.log10(v) - y0) / (y1 - y0) * (height - bottom - top)
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
             f'<text x="{left}" y="18" class="title">{title}</text>']
    for e in range(y0, y1 + 1):
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y(10**e):.1f}" y2="{y(10**e):.1f}" class="grid"/>'
                     f'<text x="{left - 6}" y="{y(10**e) + 4:.1f}" text-anchor="end">{10.0**e:g}</text>')
    for n in sorted({p[0] for p in points}):
        parts.append(f'<text x="{x(n):.1f}" y="{height - bottom + 16}" text-anchor="middle">{n}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">N</text>'
                 f'<text x="14" y="{height / 2}" transform="rotate(-90 14 {height / 2})" text-anchor="middle">{unit}</text>')
    ends = []
    for colour, (name, data) in zip(COLOURS, series.items()):
        data = [p for p in data if p[1] > 0]
        if not data:
            continue
        dash = ' stroke-dasharray="5 4"' if "/" in name else ""
        line = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in data)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in data]
        ends.append([y(data[-1][1]), x(data[-1][0]), colour, name])
    ends.sort()
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + 14)
    parts += [f'<text x="{width - right + 8}" y="{at + 4:.1f}" fill="{colour}">{name}</text>'
              for at, _, colour, name in ends]
    return "".join(parts) + "</svg>"


def page(path):
    charts = []
    for loss, D, sizes, forms, peers in CURVES:
        time, memory = {}, {}
        for n in sizes:
            for form in forms:
                run = ours(f"{loss}/{n}/{D}/{form}")
                time.setdefault(form, []).append((n, run["ms"]))
                memory.setdefault(form, []).append((n, max(run["extra_MB"], 0.05)))
            for p in peers:
                run = peer(p, n, D)
                if run:
                    label = "peer/" + p.split("/")[1]
                    time.setdefault(label, []).append((n, run["ms"]))
                    memory.setdefault(label, []).append((n, max(run["extra_MB"], 0.05)))
            print(f"{loss} {n}", file=sys.stderr, flush=True)
        charts += [plot(f"{loss}, D = {D}: forward and backward", "milliseconds", time),
                   plot(f"{loss}, D = {D}: memory beside the inputs", "MB", memory)]
    style = ("body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}"
             "svg{font:12px system-ui,sans-serif}.grid{stroke:#ddd}.title{font-weight:600;font-size:14px}"
             "main{display:flex;flex-wrap:wrap;gap:1em}")
    text = (f"Both axes are logarithmic. Solid: this library's forms. Dashed: the same loss in PyTorch, as open_clip or lightly "
            f"has it, and through torch.compile. {given.threads} threads, float32.")
    pathlib.Path(path).write_text(f"<!doctype html><meta charset=utf-8><title>Similarity losses</title><style>{style}</style>"
                                  f"<h1>Similarity losses against batch size</h1><p>{text}</p><main>{''.join(charts)}</main>")


table()
if given.out:
    page(given.out)
