# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/losses.cpp: one loss, forward and backward, on unit rows. Prints one JSON line; a case a
process, so that memory is that of the case. `benchmarks/losses.py` runs both sides in turns.

    python benchmarks/peers/losses.py CASE N D [--threads 2] [--seconds 3]
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F


def clip(a, b, scale):
    logits = scale * a @ b.t()
    target = torch.arange(len(a))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def nt_xent(a, b, scale):
    z = F.normalize(torch.cat([a, b]), dim=1)
    logits = (scale * z @ z.t()).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    n = len(a)
    return F.cross_entropy(logits, torch.cat([torch.arange(n) + n, torch.arange(n)]))


def queue_loss(q, k, queue, scale):
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.t()], 1) * scale
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


def case(name, a, b, scale, bias, queue):
    """A function of no arguments that gives the loss."""
    if name == "clip_loss/open_clip":
        from open_clip.loss import ClipLoss
        loss = ClipLoss()
        return lambda: loss(a, b, scale)
    if name == "siglip_loss/open_clip":
        from open_clip.loss import SigLipLoss
        loss = SigLipLoss()
        return lambda: loss(a, b, scale, bias)
    if name == "nt_xent/lightly":
        from lightly.loss import NTXentLoss
        loss = NTXentLoss(temperature=0.1)
        return lambda: loss(a, b)
    if name == "nt_xent/metric_learning":
        from pytorch_metric_learning.losses import NTXentLoss
        loss = NTXentLoss(temperature=0.1)
        labels = torch.arange(len(a)).repeat(2)
        return lambda: loss(torch.cat([a, b]), labels)
    if name == "sup_con/metric_learning":
        from pytorch_metric_learning.losses import SupConLoss
        loss = SupConLoss(temperature=0.1)
        labels = torch.arange(len(a)) % 100
        return lambda: loss(a, labels)
    if name == "info_nce_queue/eager":
        return lambda: queue_loss(a, b, queue, scale)
    functions = {"clip_loss": clip, "nt_xent": nt_xent}
    base, kind = name.split("/")
    function = torch.compile(functions[base]) if kind == "compiled" else functions[base]
    return lambda: function(a, b, scale)


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("case")
    flags.add_argument("N", type=int)
    flags.add_argument("D", type=int)
    flags.add_argument("--K", type=int, default=65536)
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--seconds", type=float, default=2)
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    a = torch.randn(given.N, given.D)
    b = F.normalize(a + 0.5 * torch.randn_like(a), dim=1).requires_grad_()
    a = F.normalize(a, dim=1).requires_grad_()
    scale = torch.tensor(10.0, requires_grad=True)
    bias = torch.tensor(-10.0, requires_grad=True)
    queue = F.normalize(torch.randn(given.K, given.D), dim=1) if "queue" in given.case else None
    loss = case(given.case, a, b, scale, bias, queue)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def step():
        a.grad = b.grad = None
        loss().backward()

    begin = time.time()
    step()
    first = time.time() - begin
    if first < 5:
        step()
    least = 3 if first < 5 else 2 if first < 8 else 1
    times, end = [], time.time() + given.seconds
    while len(times) < least or (time.time() < end and len(times) < 500):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"ms": 1e3 * statistics.median(times), "extra_MB": extra * 1024 / 1e6}))


if __name__ == "__main__":
    main()
