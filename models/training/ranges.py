"""Which numbers each value of the network takes: what 8-bit inference (docs/inference.md) spreads its 256 steps over."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from network import Net
from train import MEAN, STD

PICTURES = 256
BINS = 4096
STEPS = 255
SHARES = np.linspace(0.3, 1.0, 71)
"""Shares of the span that are tried on either side of zero."""


def histograms(net: Net, pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each value, how many of its numbers fall where: counts and the bins' edges. Two passes: the ends, then the counts."""
    ends: list[tuple[float, float]] = []
    counts: list[np.ndarray] = []
    for counting in (False, True):
        for i in range(0, len(pictures), 16):
            x = (torch.from_numpy(np.ascontiguousarray(pictures[i : i + 16])).float() / 255 - MEAN) / STD
            for at, value in enumerate(net.values(x.contiguous(memory_format=torch.channels_last))):
                low, high = min(0.0, value.min().item()), max(0.0, value.max().item())
                if counting:
                    counts[at] += torch.histc(value.float(), BINS, *ends[at]).numpy()
                elif i == 0:
                    ends.append((low, high))
                    counts.append(np.zeros(BINS))
                else:
                    ends[at] = (min(ends[at][0], low), max(ends[at][1], high))
    return [(c, np.linspace(low, high, BINS + 1)) for c, (low, high) in zip(counts, ends, strict=True)]


def best_range(counts: np.ndarray, edges: np.ndarray) -> list[float]:
    """The range whose bytes are least wrong on average (in squares): narrow steps against numbers cut off."""
    middle = (edges[:-1] + edges[1:]) / 2
    best, least = [float(edges[0]), float(edges[-1])], np.inf
    lows = SHARES * edges[0] if edges[0] < 0 else np.zeros(1)
    for low in lows:
        below = (np.maximum(low - middle, 0) ** 2 * counts).sum()
        for high in SHARES * edges[-1]:
            above = (np.maximum(middle - high, 0) ** 2 * counts).sum()
            inside = counts[(middle > low) & (middle < high) & (counts > 0)].sum()
            error = below + above + inside * ((high - low) / STEPS) ** 2 / 12
            if error < least:
                best, least = [float(low), float(high)], error
    return best


@torch.inference_mode()
def ranges(net: Net, pictures: np.ndarray) -> list[list[float] | None]:
    """A range for every value that may be bytes, by id; `pictures` `[n, 3, size, size]` of 8 bits are training pictures."""
    pick = np.linspace(0, len(pictures) - 1, min(PICTURES, len(pictures))).astype(int)
    found: list[list[float] | None] = []
    answers = set(net.network["outputs"].values())
    nodes = net.network["nodes"]
    for id, (counts, edges) in enumerate(histograms(net, pictures[pick])):
        node = nodes[id - 1] if id else {}
        # A picture's own 256 steps.
        if id == 0:
            found.append([-MEAN / STD, (1 - MEAN) / STD])
        elif id in answers or node["op"] not in ("conv", "add") or node.get("name") == "scope_view":
            found.append(None)
        else:
            found.append([float(f"{end:.5g}") for end in best_range(counts, edges)])
    return found
