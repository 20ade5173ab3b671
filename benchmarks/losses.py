#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs benchmarks/losses and its peers in turns: a table of ratios beside the goals, and a page of log-log plots.

    PYTHON=venv/bin/python benchmarks/losses.py build/release/benchmarks/losses --data losses.json \\
        [--rounds 3] [--page losses.html] [--svg losses.svg] [--under 'taskset -c 0,1']

PYTHON is an interpreter with torch, lightly, open_clip_torch and pytorch-metric-learning; this script needs none of
them. Each side gets its own process for each case, and the sides take turns. A figure is the median over the rounds.
What --data already holds is not measured again, so that a run can be broken off and gone on with.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

from losses_page import page, picture

here = pathlib.Path(__file__).parent
# Ours (benchmark name); what it must reach: the ratio to each peer's time, the share of the limit, MB.
CASES = [
    ("clip_loss/8192/128/store", {"clip_loss/open_clip": 5.5, "clip_loss/compiled": 2.4}, 0.80, None),
    ("clip_loss/8192/128/recompute", {"clip_loss/open_clip": 4.2, "clip_loss/compiled": 1.8}, 0.80, 64),
    ("clip_loss/8192/128/bf16", {"clip_loss/open_clip": 8}, None, None),
    ("clip_loss/4096/512/store", {"clip_loss/open_clip": 2.8, "clip_loss/compiled": 1.3}, 0.87, None),
    ("nt_xent/8192/128/recompute", {"nt_xent/lightly": 16, "nt_xent/compiled": 4}, None, 64),
    ("nt_xent/8192/128/bf16", {"nt_xent/lightly": 28}, None, None),
    ("siglip_loss/8192/128/recompute", {"siglip_loss/open_clip": 5}, None, None),
    ("info_nce_queue/256/65536/128/recompute", {"info_nce_queue/eager": None}, 0.80, None),
    ("sup_con/4096/128/store", {"sup_con/metric_learning": None}, None, None),
    ("clip_loss/256/128/store", {"clip_loss/open_clip": 2.5, "clip_loss/compiled": None}, None, None),
]
SIZES = [8192, 64, 1024, 32768, 4096, 16384, 256]  # from coarse to fine: a run that is broken off has the whole range
# loss, largest N of each form and peer: what a machine of 16 GB holds in a minute
CURVES = {
    "clip_loss": ({"naive": 8192, "blocked": 16384, "store": 16384, "recompute": 32768, "bf16": 32768},
                  {"open_clip": 16384, "compiled": 16384}),
    "nt_xent": ({"naive": 4096, "store": 16384, "recompute": 16384, "bf16": 32768},
                {"lightly": 8192, "compiled": 8192}),
}


def arguments():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("program")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--threads", type=int, default=os.cpu_count())
    flags.add_argument("--data", type=pathlib.Path, required=True, help="what was measured, as JSON")
    flags.add_argument("--page", type=pathlib.Path, help="also time the curves; the page with table and plots")
    flags.add_argument("--svg", type=pathlib.Path, help="the plots alone")
    flags.add_argument("--only", default="", help="part of a case's name")
    flags.add_argument("--under", default="", help="a command to run each measurement under")
    flags.add_argument("--draw", action="store_true", help="measure nothing: what --data holds, as table and plots")
    flags.add_argument("--machine", default="", help="what to call this machine on the page")
    return flags.parse_args()


class Measurements:
    """Runs of a name, each a dict of ms, extra_MB and, of ours, limit and GFLOP/s."""

    def __init__(self, given):
        self.given = given
        self.runs = json.loads(given.data.read_text()) if given.data.exists() else {}
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(given.threads))

    def take(self, name, round_):
        """Measures `name` unless that round is known."""
        runs = self.runs.setdefault(name, [])
        if len(runs) > round_ or self.given.draw:
            return
        run = self.peer(*name.split(" ")[1].split(":")) if name.startswith("peer ") else self.ours(name)
        if run:
            runs.append(run)
            self.given.data.write_text(json.dumps(self.runs, indent=1) + "\n")
            print(f"{name}: {run['ms']:.2f} ms, {run['extra_MB']:.0f} MB", file=sys.stderr, flush=True)

    def output(self, command):
        done = subprocess.run(shlex.split(self.given.under) + command, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(f"{' '.join(command)} failed: {done.stderr[-400:]}", file=sys.stderr)
        return done.stdout if done.returncode == 0 else ""

    def ours(self, name):
        text = self.output([self.given.program, f"--benchmark_filter=^{name}/iterations", "--benchmark_format=json"])
        runs = json.loads(text)["benchmarks"] if text else []
        return {"ms": runs[0]["real_time"], **{k: runs[0][k] for k in ("extra_MB", "limit", "GFLOP/s")}} if runs else None

    def peer(self, name, N, D):
        text = self.output([os.environ.get("PYTHON", sys.executable), str(here / "peers" / "losses.py"), name, N, D,
                            "--threads", str(self.given.threads)])
        return json.loads(text.splitlines()[-1]) if text else None

    def median(self, name, key="ms"):
        runs = self.runs.get(name, [])
        return statistics.median(r[key] for r in runs) if runs else None

    def ratios(self, ours, peer):
        return [p["ms"] / o["ms"] for o, p in zip(self.runs.get(ours, []), self.runs.get(peer, []))]


def ms(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def peer_name(peer, name):
    part = name.split("/")
    return f"peer {peer}:{part[1]}:{part[-2]}"


def table(given, measured):
    """Rows of the table, each a list of cells."""
    rows = []
    for name, beside, share, megabytes in CASES:
        if given.only not in name:
            continue
        for round_ in range(given.rounds):
            for side in [name] + [peer_name(p, name) for p in beside]:
                measured.take(side, round_)
        if not measured.runs.get(name):
            continue
        limit, memory = measured.median(name, "limit"), max(r["extra_MB"] for r in measured.runs[name])
        mine = [name, ms(measured.median(name)), f"{memory:.0f}" + (f" (goal {megabytes})" if megabytes else ""),
                f"{limit:.2f}" + (f" (goal {share:.2f})" if share else "")]
        for peer, goal in beside.items():
            side = peer_name(peer, name)
            ratios = measured.ratios(name, side)
            if not ratios:
                continue
            ratio = statistics.median(ratios)
            met = "" if goal is None else "yes" if ratio >= goal else "**no**"
            rows.append(mine + [peer.split("/")[1], ms(measured.median(side)),
                                f"{max(r['extra_MB'] for r in measured.runs[side]):.0f}",
                                f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", str(goal or "–"), met])
            mine = ["", "", "", ""]
    return ["case", "ms", "MB", "share of the limit", "beside", "its ms", "its MB", "ratio", "goal", "met"], rows


def curves(given, measured):
    """(title, unit, {series: [(N, value)]}) for time and memory of each loss."""
    charts = []
    for loss, (forms, peers) in CURVES.items():
        names = {form: (lambda n, f=form: f"{loss}/{n}/128/{f}") for form in forms}
        names |= {f"PyTorch: {p}": (lambda n, p=p: f"peer {loss}/{p}:{n}:128") for p in peers}
        most = {**forms, **{f"PyTorch: {p}": n for p, n in peers.items()}}
        for n in SIZES:
            for series, name in names.items():
                if n <= most[series]:
                    measured.take(name(n), 0)
        for key, unit, floor in (("ms", "milliseconds", 0), ("extra_MB", "MB beside the inputs", 0.3)):
            data = {series: [(n, max(measured.median(name(n), key), floor)) for n in sorted(SIZES)
                             if n <= most[series] and measured.runs.get(name(n))] for series, name in names.items()}
            if len({n for d in data.values() for n, _ in d}) > 1:
                charts.append((f"{loss}, D = 128", unit, {s: d for s, d in data.items() if d}))
    return charts


def main():
    given = arguments()
    measured = Measurements(given)
    head, rows = table(given, measured)
    for row in [head, ["---"] * len(head)] + rows:
        print("| " + " | ".join(row) + " |")
    if given.page or given.svg:
        charts = curves(given, measured)
        if given.svg:
            given.svg.write_text(picture(charts))
        if given.page:
            given.page.write_text(page(charts, head, rows, given.threads, given.machine))


if __name__ == "__main__":
    main()
