#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times `parallel` beside processes that keep CPUs busy, for ways in which threads may wait.

    benchmarks/core/busy.py build/release/benchmarks/core/parallel --case clip_loss/256 [--competitors 0 1 2]
        [--threads 2] [--policy default --policy OMP_WAIT_POLICY=passive] [--rounds 3] [--seconds 1]

All combinations run in turns, each in a process of its own; a figure is the median over the rounds. `share` is the time
over that of a fair share: with T threads beside c competitors on P CPUs a program gets T / (T + c) of the P CPUs, and so
takes (T + c) / P times what the first policy takes without competitors, or the same where T + c <= P.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
flags.add_argument("program")
flags.add_argument("--case", action="append", required=True, help="as in `parallel --benchmark_list_tests`")
flags.add_argument("--competitors", type=int, nargs="+", default=[0, 1, 2])
flags.add_argument("--threads", type=int, nargs="+", default=[os.cpu_count()])
flags.add_argument("--policy", action="append", help="'default' or NAME=VALUE[,NAME=VALUE]; the first is compared with")
flags.add_argument("--rounds", type=int, default=3)
flags.add_argument("--seconds", type=float, default=1)
given = flags.parse_args()
policies = given.policy or ["default"]


def foreign_seconds():
    """Processor time so far of everything on the machine but our children that ended."""
    fields = list(map(int, open("/proc/stat").readline().split()[1:]))
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK") - ours.ru_utime - ours.ru_stime


def milliseconds(case, policy, threads):
    settings = dict(pair.split("=", 1) for pair in policy.split(",")) if policy != "default" else {}
    report = subprocess.run([given.program, f"--benchmark_filter=^{case}(/real_time)?$", "--benchmark_format=json",
                             f"--benchmark_min_time={given.seconds}"], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True,
                            env={**os.environ, "OMP_NUM_THREADS": str(threads), **settings})
    run, = json.loads(report.stdout)["benchmarks"]
    return run["real_time"]


def beside(competitors, case, policy, threads):
    """Again where something else used the machine, up to three times."""
    for attempt in range(3):
        began, foreign = time.monotonic(), foreign_seconds()
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(competitors)]
        time.sleep(0.2)
        try:
            taken = milliseconds(case, policy, threads)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        foreign = (foreign_seconds() - foreign) / (time.monotonic() - began)
        if foreign < 0.25:
            break
    print(f"{case}, {threads} threads, {competitors} competitors, {policy}: {taken:.4g} ms"
          + (f", beside {foreign:.2f} CPUs of something else" if foreign >= 0.25 else ""), file=sys.stderr, flush=True)
    return taken


times = {}
for _ in range(given.rounds):
    for case in given.case:
        for competitors in given.competitors:
            for threads in given.threads:
                for policy in policies:
                    times.setdefault((case, threads, competitors, policy), []).append(
                        beside(competitors, case, policy, threads))

print("| case | threads | competitors | " + " | ".join(f"{p} | share" for p in policies) + " |")
print("|---|---|---|" + "---|---|" * len(policies))
for case in given.case:
    for threads in given.threads:
        for competitors in given.competitors:
            alone = statistics.median(times[case, threads, min(given.competitors), policies[0]])
            fair = alone * max(1, (threads + competitors) / os.cpu_count())
            cells = []
            for policy in policies:
                taken = times[case, threads, competitors, policy]
                cells.append(f"{statistics.median(taken):.4g} ({min(taken):.4g} to {max(taken):.4g}) | "
                             f"{statistics.median(taken) / fair:.2f}")
            print(f"| {case} | {threads} | {competitors} | " + " | ".join(cells) + " |", flush=True)
