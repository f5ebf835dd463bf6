"""Which numbers each channel of each value takes: what 8-bit inference (docs/inference.md) spreads its 256 steps over, and their mean."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from network import Net
from train import MEAN, STD

PICTURES = 256
SAMPLES = 16
"""Pixels of each value that are drawn from each picture."""
STEPS = 255
SHARES = np.linspace(0.5, 1.0, 26)
"""Shares of a channel's span that are tried, on either side of zero."""


def sampled(net: Net, pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each value: some of its numbers `[n, channels]`; least, largest and mean of all of them `[3, channels]`."""
    draw = torch.Generator().manual_seed(0)
    numbers: list[list[np.ndarray]] = []
    ends: list[np.ndarray] = []
    for i, picture in enumerate(pictures):
        x = (torch.from_numpy(np.array(picture)).float() / 255 - MEAN) / STD
        for at, value in enumerate(net.values(x[None])):
            flat = value[0].reshape(value.shape[1], -1).T
            some = flat[torch.randint(len(flat), (SAMPLES,), generator=draw)].numpy()
            own = torch.stack([flat.min(0).values, flat.max(0).values, flat.mean(0) / len(pictures)]).numpy()
            if i == 0:
                numbers.append([])
                ends.append(own * [[1], [1], [0]])
            numbers[at].append(some)
            (low, high, mean), (least, most, share) = ends[at], own
            ends[at] = np.stack([np.minimum(low, least), np.maximum(high, most), mean + share])
    return [(np.concatenate(n), e) for n, e in zip(numbers, ends, strict=True)]


def best_ends(numbers: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Per channel, the ends whose bytes are least wrong in squares: narrow steps against numbers cut off."""
    low, high = np.minimum(ends[0], 0), np.maximum(ends[1], 0)

    def error(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        outside = numbers - np.clip(numbers, low, high)
        return (outside**2).mean(0) + ((high - low) / STEPS) ** 2 / 12

    best, least = np.stack([low, high]), error(low, high)
    for share in SHARES:
        for other in SHARES if (low < 0).any() else [1.0]:
            tried = np.stack([low * other, high * share])
            wrong = error(*tried)
            best, least = np.where(wrong < least, tried, best), np.minimum(wrong, least)
    return best


@torch.inference_mode()
def ranges(net: Net, pictures: np.ndarray) -> dict[str, Tensor]:
    """`int8.ID` `[3, channels]` (low end, high end, mean) for every value that may be bytes; `pictures` `[n, 3, size, size]` are training pictures."""
    pick = np.linspace(0, len(pictures) - 1, min(PICTURES, len(pictures))).astype(int)
    answers = set(net.network["outputs"].values())
    found = {}
    for id, (numbers, (low, high, mean)) in enumerate(sampled(net, pictures[pick])):
        node = net.network["nodes"][id - 1] if id else {"op": "picture"}
        if id == 0:
            # Its own 256 steps.
            ends = np.stack([np.full(3, -MEAN / STD), np.full(3, (1 - MEAN) / STD)])
        elif node["op"] in ("conv", "add") and id not in answers and node.get("name") != "scope_view":
            ends = best_ends(numbers, np.stack([low, high]))
        else:
            continue
        found[f"int8.{id}"] = torch.from_numpy(np.concatenate([ends, mean[None]])).float()
    return found
