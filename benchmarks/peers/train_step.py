# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/train_step.cpp: the same SimCLR step with torchvision's ResNet-18 (channels last) and
lightly's head and loss. Prints one JSON line with the median of the steps and the process's peak memory; one precision
a process, so that the memory is that of the case.

    python benchmarks/peers/train_step.py --precision bf16 [--threads 2] [--steps 6] [--together]

By default the views pass the network one after the other, as in lightly's examples; `--together` joins them first.
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
    flags.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--steps", type=int, default=6)
    flags.add_argument("--batch", type=int, default=64)
    flags.add_argument("--together", action="store_true")
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    net, criterion = build(), NTXentLoss(0.5)
    sgd = torch.optim.SGD(net.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
    views = [torch.randn(given.batch, 3, 32, 32).to(memory_format=torch.channels_last) for _ in range(2)]
    times = []
    for _ in range(given.steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "bf16"):
            if given.together:
                z = net(torch.cat(views).to(memory_format=torch.channels_last)).chunk(2)
            else:
                z = [net(view) for view in views]
        loss = criterion(z[0].float(), z[1].float())
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"name": f"train_step/simclr_resnet18_cifar/{given.batch}/{given.precision}",
                      "images_per_second": round(given.batch / statistics.median(times[1:]), 2),
                      "process_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)}))


if __name__ == "__main__":
    main()
