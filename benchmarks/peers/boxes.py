# SPDX-License-Identifier: MIT
"""torchvision's and pycocotools' side of benchmarks/boxes.cpp: the same data, one core, in turns with ours.

    python benchmarks/peers/boxes.py build/release/benchmarks/boxes [--rounds 3] [--filter .]

Prints a line for each case: ours and theirs in milliseconds of the processor's time, medians of the rounds, and how many
times quicker ours is.
Where both find a number (boxes that stay, AP, mean IoU), it must be the same. The mean IoU's peer is the confusion matrix
of torchvision's references/segmentation/utils.py.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import time

import numpy as np
import torch
import torchvision
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


class Numbers:
    """Those of benchmarks/boxes.cpp."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return self.state / 2**32


def random_box(draw, width, height, side):
    left, top = draw.next() * (width - 8), draw.next() * (height - 8)
    wide, tall = 4 + side * draw.next(), 4 + side * draw.next()
    return [np.float32(x) for x in (left, top, min(width, left + wide), min(height, top + tall))]


def random_boxes(count, width, height, side):
    draw = Numbers(1)
    return torch.tensor(np.array([random_box(draw, width, height, side) for _ in range(count)]))


def milliseconds(work, seconds=1.0):
    work()
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def roi_align(gradient):
    features = torch.rand(2, 256, 50, 68, requires_grad=gradient)
    boxes = random_boxes(1000, 1088, 800, 400)
    regions = torch.cat([torch.arange(1000).remainder(2)[:, None].float(), boxes], 1)
    dy = torch.ones(1000, 256, 7, 7)

    def work():
        y = torchvision.ops.roi_align(features, regions, 7, 1 / 16, sampling_ratio=2, aligned=True)
        if gradient:
            features.grad = None
            y.backward(dy)

    return work, None


def suppression(count):
    boxes, draw = random_boxes(count, 1333, 800, 200), Numbers(3)
    scores = torch.tensor([draw.next() for _ in range(count)])
    return lambda: torchvision.ops.nms(boxes, scores, 0.5), ("stay", len(torchvision.ops.nms(boxes, scores, 0.5)))


def average_precision():
    draw = Numbers(4)
    annotations, results = [], []
    for image in range(500):
        truth = []
        for _ in range(7):
            box = random_box(draw, 640, 480, 200)
            truth.append((box, int(80 * draw.next())))
        for box, label in truth:
            left, top, right, bottom = (float(x) for x in box)
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": label, "iscrowd": 0,
                                "bbox": [left, top, right - left, bottom - top],
                                "area": (right - left) * (bottom - top)})
        for k in range(100):
            box, label = truth[k] if k < 7 else (random_box(draw, 640, 480, 200), None)
            box = list(box)
            if k < 7:
                box[2] = np.float32(box[2] + np.float32(8 * draw.next()))
            else:
                label = int(80 * draw.next())
            left, top, right, bottom = (float(x) for x in box)
            results.append({"image_id": image, "category_id": label, "bbox": [left, top, right - left, bottom - top],
                            "score": draw.next()})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": n} for n in range(500)], "annotations": annotations, "info": {},
                         "categories": [{"id": c, "name": str(c)} for c in range(80)]}
        truth.createIndex()
        found = truth.loadRes(results)
    scores = []

    def work():
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth, found, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        scores[:] = [evaluation.stats[0]]

    work()
    return work, ("ap", scores[0])


def mean_iou():
    draw = Numbers(5)
    truth, found = np.empty(512 * 512, np.int64), np.empty(512 * 512, np.int64)
    for i in range(512 * 512):
        label = int(150 * draw.next())
        truth[i] = -1 if draw.next() < 0.1 else label
        found[i] = label if draw.next() < 0.5 else int(150 * draw.next())
    a, b = torch.tensor(truth), torch.tensor(found)
    result = []

    def work():
        matrix = torch.zeros((150, 150), dtype=torch.int64)
        for _ in range(100):
            known = (a >= 0) & (a < 150)
            matrix += torch.bincount(150 * a[known] + b[known], minlength=150 * 150).reshape(150, 150)
        h = matrix.double()
        result[:] = [(h.diag() / (h.sum(1) + h.sum(0) - h.diag())).mean().item()]

    work()
    return work, ("iou", result[0])


CASES = {
    "roi_align_of/forward": lambda: roi_align(False),
    "roi_align_of/both": lambda: roi_align(True),
    "suppression/2000": lambda: suppression(2000),
    "suppression/10000": lambda: suppression(10000),
    "average_precision": average_precision,
    "mean_iou": mean_iou,
}


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("program")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--filter", default=".")
    given = flags.parse_args()
    torch.set_num_threads(1)
    command = [given.program, "--benchmark_format=json", f"--benchmark_filter={given.filter}"]
    rows, works = {}, {}
    for _ in range(given.rounds):
        text = subprocess.run(command, check=True, capture_output=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
        for run in json.loads(text.stdout)["benchmarks"]:
            name = run["name"]
            if name not in works:
                works[name], known = CASES[name]()
                if known and abs(known[1] - run[known[0]]) > 1e-9:
                    raise SystemExit(f"{name}: {known[0]} is {run[known[0]]}, the peer's {known[1]}")
            rows.setdefault(name, []).append((run["cpu_time"], milliseconds(works[name])))
    print(f"{'':24} {'ours, ms':>10} {'peer, ms':>10} {'ratio':>7}")
    for name, pairs in rows.items():
        mine, theirs = (statistics.median(side) for side in zip(*pairs))
        print(f"{name:24} {mine:10.2f} {theirs:10.2f} {theirs / mine:7.2f}", flush=True)


if __name__ == "__main__":
    main()
