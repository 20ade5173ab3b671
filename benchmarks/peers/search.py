#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""FAISS' and NumPy's side of benchmarks/search.cpp: 1,000,000 rows of 512 numbers, in turns with ours.

  pip install faiss-cpu numpy
  python3 benchmarks/peers/search.py build/release/benchmarks/search [--rounds 3] [--threads 2]

Prints medians of the rounds, in milliseconds of the clock, and how many times quicker ours is. FAISS' flat index holds f32,
its scalar quantizers f16 and int8; NumPy multiplies f32 rows and sorts out the best ten.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rows", type=int, default=1000000, help="ours has 1,000,000")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)

import faiss  # noqa: E402
import numpy  # noqa: E402

DIMENSION, BEST = 512, 10
faiss.omp_set_num_threads(options.threads)
draw = numpy.random.default_rng(1)
queries = draw.uniform(-0.0765, 0.0765, (1000, DIMENSION)).astype(numpy.float32)


def filled(index):
    """Rows are made a piece at a time: each index is alone in memory."""
    rows = numpy.random.default_rng(2)
    for begin in range(0, options.rows, 50000):
        piece = rows.uniform(-0.0765, 0.0765, (min(50000, options.rows - begin), DIMENSION)).astype(numpy.float32)
        if not index.is_trained:
            index.train(piece)
        index.add(piece)
    return index


def milliseconds(work, seconds=3.0):
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def numpy_query(rows, query):
    scores = rows @ query
    best = numpy.argpartition(-scores, BEST)[:BEST]
    return best[numpy.argsort(-scores[best])]


def peers():
    """One after the other, so that two gigabytes suffice: name of ours, name of theirs, work."""
    inner = faiss.METRIC_INNER_PRODUCT
    flat = filled(faiss.IndexFlatIP(DIMENSION))
    rows = faiss.rev_swig_ptr(flat.get_xb(), options.rows * DIMENSION).reshape(options.rows, DIMENSION)
    yield "one_query/f16", "NumPy, f32", lambda: numpy_query(rows, queries[0])
    yield "one_query/f16", "FAISS flat, f32", lambda: flat.search(queries[:1], BEST)
    yield "many_queries", "FAISS flat, f32, 1,000 queries", lambda: flat.search(queries, BEST)
    del rows, flat
    half = filled(faiss.IndexScalarQuantizer(DIMENSION, faiss.ScalarQuantizer.QT_fp16, inner))
    yield "one_query/f16", "FAISS, f16", lambda: half.search(queries[:1], BEST)
    del half
    byte = filled(faiss.IndexScalarQuantizer(DIMENSION, faiss.ScalarQuantizer.QT_8bit, inner))
    yield "one_query/int8", "FAISS, int8", lambda: byte.search(queries[:1], BEST)


def ours():
    done = subprocess.run([options.program, "--benchmark_format=json", "--benchmark_filter=query|queries"], check=True,
                          stdout=subprocess.PIPE, env=os.environ)
    return {run["name"].split("/real_time")[0].split("/iterations")[0]: run
            for run in json.loads(done.stdout)["benchmarks"]}


found = {}
for _ in range(options.rounds):
    for name, run in ours().items():
        found.setdefault(name, []).append(run["real_time"])
        if "share" in run:
            found.setdefault(name + ", share of the bandwidth", []).append(run["share"])
    for name, peer, work in peers():
        found.setdefault((name, peer), []).append(milliseconds(work))
middle = {name: statistics.median(times) for name, times in found.items()}
for name, value in middle.items():
    if isinstance(name, tuple):
        print(f"{name[1]:32} {value:9.1f} ms, ours {middle[name[0]]:9.1f} ms: {value / middle[name[0]]:.2f}")
    elif "share" in name:
        print(f"{name}: {value:.2f}")
