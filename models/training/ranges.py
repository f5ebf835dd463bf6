"""Which numbers each channel of each value takes, which 8-bit inference spreads its steps over; what bytes cost."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

import data
from evaluate import Folds
from export import build, write_pack
from network import Net, load_pack_network
from train import MEAN, STD, Recipe

PICTURES = 256
"""Training pictures that are looked at."""
MARGIN = 1.15
"""How far past the training pictures' least and largest numbers the bytes reach. Cutting numbers off, as the least
squared error would have it, is worse: what is cut off errs to one side over whole areas (docs/inference.md)."""


@torch.inference_mode()
def ranges(net: Net, pictures: np.ndarray) -> dict[str, Tensor]:
    """`int8.ID` `[3, channels]` (low, high, mean) of each value that may be bytes; `pictures` `[n, 3, h, w]`."""
    found: dict[int, Tensor] = {}
    for picture in pictures:
        x = (torch.from_numpy(np.array(picture)).float() / 255 - MEAN) / STD
        for at, value in enumerate(net.values(x[None])):
            flat = value[0].reshape(value.shape[1], -1)
            own = torch.stack([flat.amin(1), flat.amax(1), flat.mean(1) / len(pictures)])
            if at not in found:
                found[at] = own
            else:
                low, high, mean = found[at]
                found[at] = torch.stack([torch.minimum(low, own[0]), torch.maximum(high, own[1]), mean + own[2]])
    answers = set(net.network["outputs"].values())
    named = {}
    for at, (low, high, mean) in found.items():
        node = net.network["nodes"][at - 1] if at else {"op": "picture"}
        if at == 0:
            # Its own 256 steps.
            named["int8.0"] = torch.stack([torch.full((3,), -MEAN / STD), torch.full((3,), (1 - MEAN) / STD), mean])
        elif node["op"] in ("conv", "add") and at not in answers and node.get("name") != "scope_view":
            named[f"int8.{at}"] = torch.stack([low * MARGIN, high * MARGIN, mean])
    return named


def compare(pack: str, recipe: Recipe, folds: Folds, choice: dict[str, Any], threads: int) -> str:
    """Each fold's network on the fold that it never saw, in floats and in bytes: balanced accuracy and time."""
    info = folds.info
    pictures = data.read_all(info.files, recipe.size, data.FIT[pack])
    said, truth = [], []
    lines = [
        "| fold | n | f32 | 8 bit | same label | f32 ms | 8 bit ms | 8 bit / f32 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for fold in range(data.FOLDS):
        folder = data.cache_folder() / "fold-packs" / f"{pack}-int8-{fold}"
        fit = build(pack, recipe, folds, fold, choice["findings_balance"], choice["scope_k"], choice["flip"])
        write_pack(folder, *fit, f"# {pack}, fold {fold}\n\nFor comparing precisions only.\n")
        rows = info.train(fold)
        seen = np.sort(rows[np.linspace(0, len(rows) - 1, PICTURES).astype(int)])
        known = ranges(load_pack_network(folder), pictures[seen])
        tensors = load_file(str(folder / "weights.safetensors")) | {k: v.half().contiguous() for k, v in known.items()}
        save_file(tensors, folder / "weights.safetensors")
        test = info.test(fold)
        (folder / "pictures.u8").write_bytes(np.ascontiguousarray(pictures[test]).tobytes())
        *labels, times = by_barefoot(folder, recipe.size, threads)
        (folder / "pictures.u8").unlink()
        said.append(np.array([line.split() for line in labels], int))
        truth.append(info.label[test])
        lines.append(row(str(fold), truth[-1], said[-1], " | ".join(times.split())))
    return "\n".join([*lines, row("all", np.concatenate(truth), np.concatenate(said), " |  | ")])


def row(name: str, truth: np.ndarray, said: np.ndarray, times: str) -> str:
    """One line of the table."""
    floats, whole = (balanced_accuracy_score(truth, said[:, i]) for i in (0, 1))
    same = (said[:, 0] == said[:, 1]).mean()
    return f"| {name} | {len(truth)} | {floats:.4f} | {whole:.4f} | {same:.1%} | {times} |"


def by_barefoot(folder: Path, size: int, threads: int) -> list[str]:
    """What core/nn/examples/precisions.rs prints."""
    command = ["cargo", "run", "--release", "--quiet", "--locked", "-p", "barefoot-nn", "--example", "precisions", "--"]
    run = subprocess.run([*command, str(folder), str(size), str(threads)], cwd=data.REPOSITORY,
                         check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
    return run.stdout.splitlines()
