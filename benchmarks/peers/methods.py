# SPDX-License-Identifier: MIT
"""lightly's side of docs/results.md: the small encoder, Fashion-MNIST, and the recipe of our trainer of the same name
(examples/NAME.cpp), with torchvision's transforms and lightly's heads and losses. Prints one JSON line.

    python benchmarks/peers/methods.py simclr --data DIR [--epochs 1] [--seed 0] [--threads 2] [--workers 2]

DIR holds the four official files, gzipped (Debian: /usr/share/datasets/fashion-mnist). kNN is ours: k 20, weight
exp(cosine / 0.1), on the encoder's features of all 60,000 training pictures.
"""

import argparse
import copy
import gzip
import json
import math
import pathlib
import time

import numpy
import torch
from lightly import loss as losses
from lightly.models import modules, utils
from PIL import Image
from torch import nn
from torchvision import transforms as T

flags = argparse.ArgumentParser()
flags.add_argument("method", choices=("simclr", "byol", "simsiam", "barlow_twins", "vicreg", "dcl"))
flags.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
flags.add_argument("--epochs", type=int, default=1)
flags.add_argument("--seed", type=int, default=0)
flags.add_argument("--threads", type=int, default=2)
flags.add_argument("--workers", type=int, default=2)
given = flags.parse_args()
BATCH, FEATURES, HIDDEN = 256, 256, 512
# rate, warm-up in epochs, weight decay, width of the projection
RECIPES = {"simclr": (0.1, 0.2, 5e-4, 128), "dcl": (0.1, 0.2, 5e-4, 128), "byol": (0.06, 0.2, 5e-4, 128),
           "simsiam": (0.03, 0, 5e-4, 512), "barlow_twins": (0.06, 0.2, 1e-4, 512), "vicreg": (0.02, 0.2, 1e-4, 512)}


def read(name):
    def array(kind, header):
        data = gzip.open(pathlib.Path(given.data) / f"{name}-{kind}-ubyte.gz").read()
        return numpy.frombuffer(data, numpy.uint8, offset=header)
    return array("images-idx3", 16).reshape(-1, 28, 28), torch.from_numpy(array("labels-idx1", 8).astype(numpy.int64))


class Views(torch.utils.data.Dataset):
    view = T.Compose([T.RandomResizedCrop(28, (0.25, 1.0), interpolation=T.InterpolationMode.BILINEAR),
                      T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0.6, 0.6)], 0.8),
                      T.RandomApply([T.GaussianBlur(5, (0.1, 1.0))], 0.2), T.ToTensor()])

    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        picture = Image.fromarray(self.pictures[i])
        return self.view(picture), self.view(picture)


def encoder():
    layers, before = [], 1
    for width in (32, 64, 64, 128, 256):
        stride = 2 if before not in (1, width) else 1
        layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def build(method, width):
    """The trained modules, and loss(view, view, share of the training done)."""
    net = encoder()
    if method in ("simclr", "dcl"):
        head = modules.SimCLRProjectionHead(FEATURES, FEATURES, width)
        criterion = losses.NTXentLoss(0.2) if method == "simclr" else losses.DCLLoss(0.2)
        # Our NT-Xent adds up the two views' means, as the official code does; lightly's takes their mean.
        scale = 2 if method == "simclr" else 1
        return nn.ModuleList([net, head]), lambda a, b, _: scale * criterion(head(net(a)), head(net(b)))
    if method in ("barlow_twins", "vicreg"):
        head = modules.BarlowTwinsProjectionHead(FEATURES, width, width)
        criterion = losses.BarlowTwinsLoss() if method == "barlow_twins" else losses.VICRegLoss()
        scale = 0.1 if method == "barlow_twins" else 1
        return nn.ModuleList([net, head]), lambda a, b, _: scale * criterion(head(net(a)), head(net(b)))
    criterion = losses.NegativeCosineSimilarity()
    if method == "simsiam":
        head = modules.SimSiamProjectionHead(FEATURES, FEATURES, width)
        predictor = modules.SimSiamPredictionHead(width, 128, width)

        def symmetric(a, b, _):
            za, zb = head(net(a)), head(net(b))
            return (criterion(predictor(za), zb.detach()) + criterion(predictor(zb), za.detach())) / 2
        return nn.ModuleList([net, head, predictor]), symmetric
    head = modules.BYOLProjectionHead(FEATURES, HIDDEN, width)
    predictor = modules.BYOLPredictionHead(width, HIDDEN, width)
    target_net, target_head = copy.deepcopy(net), copy.deepcopy(head)
    utils.deactivate_requires_grad(target_net)
    utils.deactivate_requires_grad(target_head)

    def bootstrap(a, b, done):
        momentum = 1 - (1 - 0.97) * (math.cos(math.pi * done) + 1) / 2
        utils.update_momentum(net, target_net, momentum)
        utils.update_momentum(head, target_head, momentum)
        with torch.no_grad():
            ta, tb = target_head(target_net(a)), target_head(target_net(b))
        # ours is |p - t|^2 of unit rows for both views: 2 - 2 cos each
        return 2 * (criterion(predictor(head(net(a))), tb) + criterion(predictor(head(net(b))), ta))
    return nn.ModuleList([net, head, predictor]), bootstrap


@torch.no_grad()
def features(net, pictures):
    net.eval()
    batches = torch.from_numpy(pictures.copy()).float().div(255).unsqueeze(1).split(1000)
    return nn.functional.normalize(torch.cat([net(b.to(memory_format=torch.channels_last)) for b in batches]))


def knn(train, labels, test, wanted):
    right = 0
    for rows, truth in zip(test.split(1000), wanted.split(1000)):
        cosine, nearest = (rows @ train.T).topk(20)
        votes = torch.zeros(len(rows), 10).scatter_add(1, labels[nearest], (cosine / 0.1).exp())
        right += (votes.argmax(1) == truth).sum().item()
    return right / len(test)


def main():
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    pictures, labels = read("train")
    test, wanted = read("t10k")
    rate, warmup, decay, width = RECIPES[given.method]
    parts, criterion = build(given.method, width)
    parts.train().to(memory_format=torch.channels_last)
    plain = [p for p in parts.parameters() if p.ndim > 1 or given.method != "byol"]
    rest = [p for p in parts.parameters() if p.ndim <= 1 and given.method == "byol"]
    sgd = torch.optim.SGD([{"params": plain, "weight_decay": decay}, {"params": rest, "weight_decay": 0}], lr=rate,
                          momentum=0.9)
    loader = torch.utils.data.DataLoader(Views(pictures), BATCH, shuffle=True, drop_last=True,
                                         num_workers=given.workers, persistent_workers=given.workers > 0)
    steps, step, seconds = given.epochs * len(loader), 0, 0.0
    warm = warmup * len(loader)
    for _ in range(given.epochs):
        start = time.perf_counter()
        for a, b in loader:
            cosine = rate * (math.cos(math.pi * max(0, step - warm) / (steps - warm)) + 1) / 2
            for group in sgd.param_groups:
                group["lr"] = rate * (step + 1) / warm if step < warm else cosine
            loss = criterion(a.to(memory_format=torch.channels_last), b.to(memory_format=torch.channels_last),
                             step / steps)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            step += 1
        seconds += time.perf_counter() - start
    net = parts[0]
    print(json.dumps({"method": given.method, "seed": given.seed, "epochs": given.epochs, "loss": round(loss.item(), 4),
                      "knn_top1": round(knn(features(net, pictures), labels, features(net, test), wanted), 4),
                      "images_per_second": round(steps * BATCH / seconds, 1), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
