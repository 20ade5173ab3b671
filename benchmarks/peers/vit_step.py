# SPDX-License-Identifier: MIT
"""PyTorch's side of train_step/vit_s16 in benchmarks/train_step.cpp: timm's ViT-S/16 without classifier, 8 pictures of
224 pixels, a linear loss of the features, AdamW. Prints one JSON line with the median of the steps and the process's
peak memory; one precision a process.

    python benchmarks/peers/vit_step.py --precision bf16 [--threads 2] [--steps 8] [--parameters]

bf16 is autocast, f32 parameters; `--parameters` holds the parameters themselves in bf16.
"""

import argparse
import json
import resource
import statistics
import time

import timm
import torch


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--steps", type=int, default=8)
    flags.add_argument("--batch", type=int, default=8)
    flags.add_argument("--parameters", action="store_true")
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    narrow = given.precision == "bf16"
    dtype = torch.bfloat16 if narrow and given.parameters else torch.float32
    net = timm.create_model("vit_small_patch16_224", num_classes=0).train().to(dtype)
    adamw = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.05)
    images = torch.randn(given.batch, 3, 224, 224).to(dtype)
    weights = torch.randn(given.batch, 384)
    times = []
    for _ in range(given.steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow and not given.parameters):
            features = net(images)
        adamw.zero_grad()
        (features.float() * weights).sum().backward()
        adamw.step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"name": f"train_step/vit_s16/{given.batch}/{given.precision}",
                      "images_per_second": round(given.batch / statistics.median(times[1:]), 2),
                      "process_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)}))


if __name__ == "__main__":
    main()
