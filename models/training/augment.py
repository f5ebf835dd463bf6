"""Batched augmentation on uint8 pictures: paste cut-outs on skin, crop, turn, mirror, change the light."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 0.3
"""Side of the corner patch of skin that becomes the ground under a cut-out, as a share of the picture."""


def paste_on_skin(cutouts: Tensor, donors: Tensor) -> Tensor:
    """Lays lesions cut out on black (float 0..1) on mirrored corner skin of other training pictures.

    The skin's mean is pulled towards the lesion's own rim so that the seam is not what the net learns.
    """
    n, _, height, width = cutouts.shape
    lesion = (cutouts.amax(1, keepdim=True) > 12 / 255).float()
    small = F.avg_pool2d(lesion, 3)
    soft = F.interpolate(F.avg_pool2d(small, 3, 1, 1), (height, width), mode="bilinear")
    soft = (soft * 2 - 1).clamp(0, 1)
    side = int(height * PATCH)
    patches = []
    for donor in donors:
        corner = int(torch.randint(4, ()))
        rows = slice(0, side) if corner < 2 else slice(height - side, height)
        cols = slice(0, side) if corner % 2 else slice(width - side, width)
        patches.append(donor[:, rows, cols])
    patch = torch.stack(patches)
    tile = torch.cat([patch, patch.flip(3)], 3)
    tile = torch.cat([tile, tile.flip(2)], 2)
    repeat = math.ceil(height / tile.shape[2])
    skin = tile.repeat(1, 1, repeat, repeat)[:, :, :height, :width]
    rim = (small > 0.5).float() - (F.avg_pool2d(small, 5, 1, 2) > 0.98).float()
    rim = rim.clamp(min=0)
    rim_mean = (F.avg_pool2d(cutouts, 3) * rim).sum((2, 3), keepdim=True) / rim.sum((2, 3), keepdim=True).clamp(min=1)
    pull = torch.rand(n, 1, 1, 1) * 0.8
    skin = (skin + (rim_mean - skin.mean((2, 3), keepdim=True)) * pull).clamp(0, 1)
    return cutouts * soft + skin * (1 - soft)


def geometry(pictures: Tensor, size: int, zoom: tuple[float, float], turn: bool = True) -> Tensor:
    """Random scale, stretch, shift, rotation and mirror in one resampling."""
    n = pictures.shape[0]
    low, high = (math.log(z) for z in zoom)
    scale = torch.exp(torch.empty(n).uniform_(low, high))
    stretch = torch.exp(torch.empty(n).uniform_(-0.12, 0.12))
    angle = torch.rand(n) * 2 * math.pi if turn else (torch.rand(n) - 0.5) * 0.4
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    sx, sy = scale * stretch * mirror, scale / stretch
    room = (1 - scale).clamp(min=0.05)
    shift = (torch.rand(n, 2) * 2 - 1) * room[:, None]
    theta = torch.stack(
        [torch.stack([sx * cos, -sy * sin, shift[:, 0]], 1), torch.stack([sx * sin, sy * cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def light(pictures: Tensor, strength: float) -> Tensor:
    """Random brightness, contrast, saturation, colour cast and gamma, on 0..1."""
    n = pictures.shape[0]

    def around_one(width: float, channels: int = 1) -> Tensor:
        return torch.exp(torch.randn(n, channels, 1, 1) * width * strength)

    mean = pictures.mean((1, 2, 3), keepdim=True)
    x = (pictures - mean) * around_one(0.15) + mean
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * around_one(0.15)
    x = x * around_one(0.12) * around_one(0.06, 3)
    return x.clamp(1e-4, 1).pow(around_one(0.12))


def erase(pictures: Tensor, share: float = 0.25) -> Tensor:
    """Greys a random rectangle in some of the pictures."""
    n, _, height, width = pictures.shape
    for i in range(n):
        if float(torch.rand(())) < share:
            h, w = (int(height * s) for s in torch.empty(2).uniform_(0.1, 0.35))
            top, left = int(torch.randint(height - h, ())), int(torch.randint(width - w, ()))
            pictures[i, :, top : top + h, left : left + w] = pictures[i].mean((1, 2), keepdim=True)
    return pictures
