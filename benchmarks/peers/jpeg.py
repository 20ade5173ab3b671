#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jpeg_to_view/224 beside Pillow + torchvision, on one core and the same file.

  python3 benchmarks/peers/jpeg.py build/release/benchmarks/data
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from PIL import Image
from torchvision import transforms


def photograph(height, width):
    """Noise at every scale, like the spectrum of photographs."""
    random = numpy.random.default_rng(1)
    level = numpy.full((height, width, 3), 128.0)
    strength = 60.0
    for cell in (128, 64, 32, 16, 8, 4, 2, 1):
        grey = random.normal(size=(height // cell + 2, width // cell + 2, 1))
        noise = 0.8 * grey + 0.3 * random.normal(size=grey.shape[:2] + (3,))
        for c in range(3):
            plane = Image.fromarray(noise[:, :, c].astype(numpy.float32))
            size = (plane.width * cell, plane.height * cell)
            level[:, :, c] += strength * numpy.asarray(plane.resize(size, Image.BILINEAR))[:height, :width]
        strength *= 0.72
    return Image.fromarray(level.clip(0, 255).astype(numpy.uint8))


def main():
    torch.set_num_threads(1)
    jitter = transforms.ColorJitter(0.8, 0.8, 0.8, 0.2)
    view = transforms.Compose([
        transforms.RandomResizedCrop(224, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([jitter], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        transforms.RandomApply([transforms.GaussianBlur(23, (0.1, 2.0))], p=0.5),
        transforms.ToTensor(),
    ])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "photo.jpg")
        photograph(375, 500).save(path, quality=90)

        def one():
            with open(path, "rb") as file:
                return view(Image.open(file).convert("RGB"))

        for _ in range(20):
            one()
        rates = []
        for _ in range(5):
            begin = time.process_time()
            for _ in range(60):
                one()
            rates.append(60 / (time.process_time() - begin))
        peer = sorted(rates)[2]
        print(f"Pillow + torchvision: {peer:.0f} views/s ({os.path.getsize(path)} bytes)")
        if len(sys.argv) > 1:
            out = subprocess.run(
                [sys.argv[1], "--benchmark_filter=jpeg_to_view", "--benchmark_format=json", "--benchmark_min_time=2"],
                env=dict(os.environ, CONTRASTIVE_BENCH_JPEG=path), stdout=subprocess.PIPE, check=True).stdout
            ours = json.loads(out)["benchmarks"][0]["items_per_second"]
            print(f"jpeg_to_view/224:     {ours:.0f} views/s, ratio {ours / peer:.2f} (wanted: 5 or more)")


if __name__ == "__main__":
    main()
