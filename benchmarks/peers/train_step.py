# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/train_step.cpp: the same SimCLR step with torchvision's ResNet-18 (channels last) and
lightly's head and loss, two threads. Prints images per second as JSON, a line a precision.

    python benchmarks/peers/train_step.py [--threads 2] [--steps 8]
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torchvision
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import nn


def build():
    net = torchvision.models.resnet18()
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = net.fc = nn.Identity()
    return nn.Sequential(net, SimCLRProjectionHead(512, 512, 128)).train().to(memory_format=torch.channels_last)


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--steps", type=int, default=8)
    flags.add_argument("--batch", type=int, default=64)
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    for precision in ("f32", "bf16"):
        torch.manual_seed(0)
        net, criterion = build(), NTXentLoss(0.5)
        sgd = torch.optim.SGD(net.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
        views = [torch.randn(given.batch, 3, 32, 32).to(memory_format=torch.channels_last) for _ in range(2)]
        times = []
        for _ in range(given.steps + 1):
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                z = [net(view) for view in views]
            loss = criterion(z[0].float(), z[1].float())
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            times.append(time.perf_counter() - start)
        print(json.dumps({"name": f"train_step/simclr_resnet18_cifar/{precision}/{given.batch}",
                          "images_per_second": round(given.batch / statistics.median(times[1:]), 2),
                          "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}), flush=True)


if __name__ == "__main__":
    main()
