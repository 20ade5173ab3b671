#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""open_clip's model, loss, tokenizer and augmentation, trained on the scenes that `clip --data scenes` learns from.

  pip install torch==2.5.1 torchvision==0.20.1 open_clip_torch==3.3.0
  build/release/benchmarks/clip_pairs FOLDER 22400
  python3 benchmarks/peers/clip_train.py FOLDER --check
  python3 benchmarks/peers/clip_train.py FOLDER --seed 0
  build/release/examples/clip --data scenes --patch 16 --context-length 32 --samples 22400 --epochs 2 \\
      --warmup-epochs 0.4 --threads 1 --knn-every 0 --seed 0

--check loads the model that we wrote and compares the losses of its first AdamW steps with ours. Otherwise a model is
trained with the recipe of `clip` and scored as `clip` scores its own. CPU seconds are user and system time of the loop.
"""
import argparse
import json
import math
import pathlib
import resource
import sys

import numpy
import open_clip
import torch
from PIL import Image

SIZE = 64


class Scenes:
    """Images as uint8 (N, 64, 64, 3), the texts and the label of each."""

    def __init__(self, folder, name):
        self.pixels = numpy.memmap(folder / f"{name}.rgb", mode="r").reshape(-1, SIZE, SIZE, 3)
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").open()]
        self.texts = [line["texts"] for line in lines]
        self.labels = torch.tensor([line["label"] for line in lines])

    def images(self, transform, which):
        return torch.stack([transform(Image.fromarray(self.pixels[i])) for i in which])


def new_model(context_length):
    return open_clip.CLIP(
        embed_dim=256,
        vision_cfg=open_clip.CLIPVisionCfg(layers=6, width=192, patch_size=16, image_size=SIZE),
        text_cfg=open_clip.CLIPTextCfg(context_length=context_length, width=256, heads=4, layers=4))


def new_optimizer(model, rate):
    """Biases, gains and the scale are not decayed; open_clip_train/main.py."""
    parameters = list(model.named_parameters())
    bare = [p for name, p in parameters if p.ndim < 2]
    rest = [p for name, p in parameters if p.ndim >= 2]
    return torch.optim.AdamW([{"params": bare, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.2}],
                             lr=rate, betas=(0.9, 0.98), eps=1e-6)


def step(model, optimizer, images, ids):
    optimizer.zero_grad()
    loss = open_clip.ClipLoss()(*model(images, ids))
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return loss.item()


def check(folder, view, tokenize):
    """Whether our model, loaded, has the losses that we had."""
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder / 'start'}")
    model.train()
    ours = json.loads((folder / "losses.json").read_text())
    train, batch = Scenes(folder, "train"), ours["batch"]
    optimizer = new_optimizer(model, ours["rate"])
    worst = 0
    for k, mine in enumerate(ours["losses"]):
        rows = range(k * batch, (k + 1) * batch)
        theirs = step(model, optimizer, train.images(view, rows), tokenize([train.texts[i][0] for i in rows]))
        worst = max(worst, abs(mine - theirs))
        print(f"step {k}: ours {mine:.7f}, open_clip {theirs:.7f}, difference {mine - theirs:.1e}", flush=True)
    return worst


def learning_rate(step, steps, warm, peak):
    if step < warm:
        return peak * step / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def train(model, given, folder, augment, tokenize):
    scenes = Scenes(folder, "train")
    rng = numpy.random.default_rng(given.seed)
    captions = scenes.texts[:given.samples or None]
    if given.shuffle_captions:
        captions = [captions[i] for i in rng.permutation(len(captions))]
    epoch = len(captions) // given.batch
    steps, warm = given.epochs * epoch, given.warmup_epochs * epoch
    optimizer = new_optimizer(model, given.rate)
    model.train()
    begin, equal = cpu_seconds(), 0
    for k in range(steps):
        if k % epoch == 0:
            order = rng.permutation(len(captions))
        rows = order[k % epoch * given.batch:][:given.batch]
        texts = [captions[i][rng.integers(len(captions[i]))] for i in rows]
        equal += len(texts) - len(set(texts))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(k, steps, warm, given.rate)
        loss = step(model, optimizer, scenes.images(augment, rows), tokenize(texts))
        if (k + 1) % 10 == 0 or k + 1 == steps:
            print(f"step {k + 1}/{steps}  loss {loss:.3f}  scale {model.logit_scale.exp().item():.2f}  "
                  f"{(cpu_seconds() - begin) / (k + 1):.3f} CPU s a step", flush=True)
    print(f"captions that another of the batch has too: {equal / steps:.2f} a step")


def unit_rows(encode, batches):
    with torch.no_grad():
        return torch.cat([encode(batch, normalize=True) for batch in batches])


def first_hits(queries, candidates):
    """Share of queries whose own is the nearest; of equal scores the lower index."""
    return ((queries @ candidates.T).argmax(1) == torch.arange(len(queries))).double().mean().item()


def score(model, folder, view, tokenize):
    model.eval()

    def image_rows(scenes):
        return unit_rows(model.encode_image, (scenes.images(view, range(i, min(i + 128, len(scenes.texts))))
                                              for i in range(0, len(scenes.texts), 128)))

    def text_rows(texts):
        return unit_rows(model.encode_text, tokenize(texts).split(128))

    classes = json.loads((folder / "classes.json").read_text())
    words = text_rows([f"a {name}" for name in classes])
    found = {}
    for split in ("test", "combinations", "orders", "names"):
        scenes = Scenes(folder, split)
        images, texts = image_rows(scenes), text_rows([one[0] for one in scenes.texts])
        found[f"scenes_{split}_text_to_image_r1"] = first_hits(texts, images)
        found[f"scenes_{split}_image_to_text_r1"] = first_hits(images, texts)
        if split != "orders":
            single = Scenes(folder, split + "_single")
            right = (image_rows(single) @ words.T).argmax(1) == single.labels
            found[f"scenes_{split}_zero_shot_top1"] = right.double().mean().item()
    return found


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("folder", type=pathlib.Path)
    flags.add_argument("--check", action="store_true")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--batch", type=int, default=128)
    flags.add_argument("--epochs", type=int, default=2)
    flags.add_argument("--warmup-epochs", type=float, default=0.4)
    flags.add_argument("--rate", type=float, default=1e-3)
    flags.add_argument("--context-length", type=int, default=32)
    flags.add_argument("--samples", type=int, default=0, help="train on so many of the scenes; 0: all")
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--shuffle-captions", action="store_true")
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    tokenizer = open_clip.SimpleTokenizer(context_length=given.context_length)
    view, augment = (open_clip.image_transform(SIZE, is_train=train) for train in (False, True))
    if given.check:
        return 0 if check(given.folder, view, tokenizer) < 1e-4 else 1
    model = new_model(given.context_length)
    train(model, given, given.folder, augment, tokenizer)
    print(json.dumps(score(model, given.folder, view, tokenizer), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
