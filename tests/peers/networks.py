"""ResNet-18 and MobileNetV3-Large as packs' networks, with random weights: shapes to race on, no models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

SIZE = 224


class Builder:
    """Adds nodes; each returns the value that it makes."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.weights: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(seed)

    def node(self, **node: Any) -> int:
        """Any node."""
        self.nodes.append(node)
        return len(self.nodes)

    def layer(self, shape: tuple[int, ...], gain: float) -> str:
        """Weights that keep the values' scale (He et al. 2015), and small biases."""
        name = f"l{len(self.weights) // 2:02d}"
        deviation = np.sqrt(gain / np.prod(shape[1:]))
        self.weights[f"{name}.weight"] = self.random.normal(0, deviation, shape).astype(np.float16)
        self.weights[f"{name}.bias"] = self.random.normal(0, 0.1, shape[0]).astype(np.float16)
        return name

    def conv(self, x: int, cin: int, cout: int, kernel: int, stride: int, act: str, groups: int = 1) -> int:
        """A convolution with PyTorch's padding."""
        name = self.layer((cout, cin // groups, kernel, kernel), 1 if act == "none" else 2)
        pad = [kernel // 2] * 4
        return self.node(op="conv", name=name, input=x, stride=stride, pad=pad, groups=groups, act=act)

    def linear(self, x: int, cin: int, cout: int, act: str = "none") -> int:
        """A linear layer."""
        return self.node(op="linear", name=self.layer((cout, cin), 1), input=x, act=act)

    def write(self, folder: Path, feature_map: int, features: int, logits: int) -> None:
        """The network part of a pack."""
        folder.mkdir(parents=True, exist_ok=True)
        outputs = {"map": feature_map, "features": features, "logits": logits}
        (folder / "network.json").write_text(json.dumps({"nodes": self.nodes, "outputs": outputs}))
        save_file(self.weights, str(folder / "weights.safetensors"))
        (folder / "size").write_text(f"{SIZE}\n")


def resnet18(folder: Path) -> None:
    """He et al. 2016, 1,000 classes, batch norm folded."""
    b = Builder(18)
    x = b.conv(0, 3, 64, 7, 2, "relu")
    x = b.node(op="max_pool", input=x, size=3, stride=2, pad=[1, 1, 1, 1])
    channels = 64
    for stage, out in enumerate([64, 128, 256, 512]):
        for block in range(2):
            stride = 2 if stage and not block else 1
            entry = x
            x = b.conv(x, channels, out, 3, stride, "relu")
            x = b.conv(x, out, out, 3, 1, "none")
            if stride == 2:
                entry = b.conv(entry, channels, out, 1, 2, "none")
            x = b.node(op="add", inputs=[entry, x], act="relu")
            channels = out
    pooled = b.node(op="global_avg_pool", input=x)
    b.write(folder, x, pooled, b.linear(pooled, 512, 1000))


def mobilenet_v3_large(folder: Path) -> None:
    """Howard et al. 2019, table 1, 1,000 classes, batch norm folded, reduced channels rounded as torchvision does."""
    b = Builder(3)
    x, channels = b.conv(0, 3, 16, 3, 2, "hardswish"), 16
    for kernel, wide, out, squeeze, act, stride in [
        (3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1),
        (5, 72, 40, 24, "relu", 2), (5, 120, 40, 32, "relu", 1), (5, 120, 40, 32, "relu", 1),
        (3, 240, 80, 0, "hardswish", 2), (3, 200, 80, 0, "hardswish", 1), (3, 184, 80, 0, "hardswish", 1),
        (3, 184, 80, 0, "hardswish", 1), (3, 480, 112, 120, "hardswish", 1), (3, 672, 112, 168, "hardswish", 1),
        (5, 672, 160, 168, "hardswish", 2), (5, 960, 160, 240, "hardswish", 1), (5, 960, 160, 240, "hardswish", 1),
    ]:  # fmt: skip
        entry = x
        if wide != channels:
            x = b.conv(x, channels, wide, 1, 1, act)
        x = b.conv(x, wide, wide, kernel, stride, act, groups=wide)
        if squeeze:
            s = b.node(op="global_avg_pool", input=x)
            s = b.linear(s, wide, squeeze, "relu")
            s = b.linear(s, squeeze, wide, "hardsigmoid")
            x = b.node(op="scale", inputs=[x, s])
        x = b.conv(x, wide, out, 1, 1, "none")
        if stride == 1 and channels == out:
            x = b.node(op="add", inputs=[entry, x], act="none")
        channels = out
    x = b.conv(x, channels, 960, 1, 1, "hardswish")
    pooled = b.node(op="global_avg_pool", input=x)
    hidden = b.linear(pooled, 960, 1280, "hardswish")
    b.write(folder, x, pooled, b.linear(hidden, 1280, 1000))
