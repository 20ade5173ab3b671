#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loads models that we wrote in open_clip and transformers, and compares the features.

  pip install torch open_clip_torch==3.3.0 transformers safetensors
  CONTRASTIVE_PEERS=FOLDER build/release/tests/test_weights "[peers]"
  python3 benchmarks/peers/weights.py FOLDER
  CONTRASTIVE_PEERS=FOLDER build/release/tests/test_weights "[theirs]"

The last line reads models that transformers wrote into FOLDER/theirs, with their features beside them.
"""
import pathlib
import sys

import open_clip
import torch
import transformers
from safetensors.torch import load_file, save_file


def hugging_face(model, given):
    """Image and text features before they are made of unit length."""
    out = model(input_ids=given["ids"], pixel_values=given["pixels"])
    return out.vision_model_output.pooler_output, out.text_model_output.pooler_output


def sentence_rows(model, ids):
    mask = (ids != 0).long()
    hidden = model(ids, attention_mask=mask).last_hidden_state
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def features_of(name, folder, given):
    """Image and text features of a model of ours; None for images where it has no image tower."""
    if name.startswith("open_clip"):
        model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
        model.eval()
        return model.encode_image(given["pixels"]), model.encode_text(given["ids"])
    if name.startswith("hf_bert"):
        return None, sentence_rows(transformers.BertModel.from_pretrained(folder, add_pooling_layer=False), given["ids"])
    kind = transformers.CLIPModel if name.startswith("hf_clip") else transformers.SiglipModel
    transformers.AutoImageProcessor.from_pretrained(folder)
    return hugging_face(kind.from_pretrained(folder).eval(), given)


def write_theirs(root):
    """Small models of transformers with random weights, saved by transformers; half of them in half precision."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    image = {**sizes, "image_size": 16, "patch_size": 8}
    text = {**sizes, "vocab_size": 40, "max_position_embeddings": 9}
    clip = transformers.CLIPModel(transformers.CLIPConfig(
        projection_dim=12, vision_config={**image, "intermediate_size": 96, "hidden_act": "gelu"},
        text_config={**text, "intermediate_size": 96, "eos_token_id": 39}))
    siglip = transformers.SiglipModel(transformers.SiglipConfig(
        vision_config={**image, "intermediate_size": 40}, text_config={**text, "intermediate_size": 28, "projection_size": 24}))
    bert = transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=40, intermediate_size=40))
    ids = torch.tensor([[5, 6, 39, 1, 1, 1, 1, 1, 1], [5, 9, 9, 8, 7, 6, 5, 4, 39]])
    for name, model in {"clip": clip, "siglip": siglip, "bert": bert}.items():
        for half in (False, True):
            folder = root / "theirs" / (name + "_half" * half)
            if half:
                model = model.to(torch.bfloat16 if name == "siglip" else torch.float16)
            model.eval().save_pretrained(folder)
            model = model.float()  # what is stored, computed in full
            given = {"ids": ids, "pixels": torch.randn(2, 3, 16, 16)}
            if name == "bert":
                given["ids"] = torch.where(ids == 1, 0, ids)
                expected = {"ids": given["ids"], "text_features": sentence_rows(model, given["ids"])}
            else:
                processor = transformers.CLIPImageProcessor if name == "clip" else transformers.SiglipImageProcessor
                processor().save_pretrained(folder)
                image_rows, text_rows = hugging_face(model, given)
                expected = {**given, "image_features": image_rows, "text_features": text_rows}
            save_file({k: v.contiguous() for k, v in expected.items()}, f"{folder}.expected.safetensors")


def error(got, want):
    return ((got - want).abs().max() / want.abs().max()).item()


def main():
    root = pathlib.Path(sys.argv[1])
    worst = 0
    with torch.no_grad():
        for file in sorted(root.glob("*.expected.safetensors")):
            name = file.name.removesuffix(".expected.safetensors")
            given = load_file(file)
            image, text = features_of(name, root / name, given)
            errors = [error(text, given["text_features"])]
            if image is not None:
                errors.append(error(image, given["image_features"]))
            worst = max([worst, *errors])
            print(f"{name:18} largest error {max(errors):.1e}", flush=True)
        write_theirs(root)
    return 0 if worst < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
