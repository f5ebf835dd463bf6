"""The network as a list of nodes: the same `network.json` that the Rust crate reads, run by PyTorch."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from data import data_folder

FEATURES = 1280
MOBILENET = "mobilenet_v2_1.0_224_tf2ptq"

SCOPE_VALUE = 48
"""What the out-of-scope score looks at: the output of l39 (576 channels, 14 x 14 for 224 x 224). Fine-tuning makes the
last layer blind to whatever its classes do not need, foot ulcers among it; the middle still sees them."""
SCOPE_CHANNELS, SCOPE_GROUPS = 576, 64

Network = dict[str, Any]


def scope_view() -> Tensor:
    """Weights that copy the 576 channels into 1,280 (the rest stay zero): a pack's features are as wide as its head."""
    each_in, each_out = SCOPE_CHANNELS // SCOPE_GROUPS, FEATURES // SCOPE_GROUPS
    block = torch.eye(each_out, each_in)
    return block.repeat(SCOPE_GROUPS, 1)[:, :, None, None].contiguous()


def mobilenet_v2() -> tuple[Network, dict[str, tuple[int, ...]]]:
    """MobileNetV2 1.0 without its last layer's weights: the nodes and every convolution's weight shape.

    Written out here, not read from the data folder, so that tests run without data. Strided convolutions
    pad as TensorFlow's SAME does on even sizes: below and right only.
    """
    nodes: list[dict[str, Any]] = []
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(source: int, cin: int, cout: int, kernel: int, stride: int, groups: int, act: str) -> int:
        name = f"l{len(shapes):02d}"
        pad = [0, 0, 0, 0] if kernel == 1 else [1, 1, 1, 1] if stride == 1 else [0, 0, 1, 1]
        shapes[name] = (cout, cin // groups, kernel, kernel)
        nodes.append(
            {"op": "conv", "name": name, "input": source, "stride": stride, "pad": pad, "groups": groups, "act": act}
        )
        return len(nodes)

    x = conv(0, 3, 32, 3, 2, 1, "relu6")
    channels = 32
    for expand, out, repeats, first_stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:  # fmt: skip
        for i in range(repeats):
            entry, stride, wide = x, first_stride if i == 0 else 1, channels * expand
            if expand != 1:
                x = conv(x, channels, wide, 1, 1, 1, "relu6")
            x = conv(x, wide, wide, 3, stride, wide, "relu6")
            x = conv(x, wide, out, 1, 1, 1, "none")
            if stride == 1 and channels == out:
                nodes.append({"op": "add", "inputs": [entry, x]})
                x = len(nodes)
            channels = out
    feature_map = conv(x, channels, FEATURES, 1, 1, 1, "relu6")
    nodes.append({"op": "global_avg_pool", "input": feature_map})
    nodes.append({"op": "linear", "name": "head", "input": len(nodes)})
    logits = len(nodes)
    nodes.append(
        {"op": "conv", "name": "scope_view", "input": SCOPE_VALUE, "stride": 1, "pad": [0, 0, 0, 0],
         "groups": SCOPE_GROUPS, "act": "none"}
    )  # fmt: skip
    nodes.append({"op": "global_avg_pool", "input": len(nodes)})
    outputs = {"map": feature_map, "features": len(nodes), "logits": logits}
    return {"nodes": nodes, "outputs": outputs}, shapes


class _FusedConvRelu6(torch.autograd.Function):
    """Convolution and ReLU6 as one oneDNN call: on a CPU a third of the time of a training step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
        y = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [padding] * 2, [stride] * 2, [1, 1], groups, "hardtanh", [0.0, 6.0], ""
        )
        ctx.save_for_backward(x, weight, y)
        ctx.geometry = (stride, padding, groups)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        stride, padding, groups = ctx.geometry
        gradient = torch.ops.aten.hardtanh_backward(gradient, y, 0.0, 6.0)
        kind = x.dtype
        if stride == 2 and groups > 1:  # oneDNN's strided depthwise backward is ten times slower in bf16
            gradient, x, weight = gradient.float(), x.float(), weight.float()
        dx, dw, db = torch.ops.aten.convolution_backward(
            gradient, x, weight, [weight.shape[0]], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups,
            [ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.needs_input_grad[2]],
        )  # fmt: skip
        return None if dx is None else dx.to(kind), dw, db, None, None, None


def conv_relu6(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """ReLU6 of a convolution; fused where the processor allows it."""
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return F.relu6(F.conv2d(x, weight, bias, stride, padding, 1, groups))
    if torch.is_autocast_enabled("cpu"):
        kind = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(kind), weight.to(kind), bias.to(kind)
    return _FusedConvRelu6.apply(x, weight, bias, stride, padding, groups)


class Net(nn.Module):
    """Runs the nodes; returns logits and, unless training, the features of the out-of-scope score."""

    def __init__(self, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.network, shapes = mobilenet_v2()
        self.dropout, self.frozen_nodes = dropout, 0
        self.weight = nn.ParameterDict({n: nn.Parameter(torch.empty(s)) for n, s in shapes.items()})
        self.bias = nn.ParameterDict({n: nn.Parameter(torch.zeros(s[0])) for n, s in shapes.items()})
        self.head = nn.Linear(FEATURES, classes)
        self.scope_view: Tensor
        self.register_buffer("scope_view", scope_view(), persistent=False)
        for w in self.weight.values():
            nn.init.kaiming_normal_(w, nonlinearity="relu")
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values, out = [x], self.network["outputs"]
        nodes = self.network["nodes"][: out["logits"]] if self.training else self.network["nodes"]
        for i, node in enumerate(nodes):
            with torch.no_grad() if i < self.frozen_nodes else nullcontext():
                values.append(self._step(node, values))
        return values[out["logits"]], values[-1]

    def values(self, x: Tensor) -> list[Tensor]:
        """Every value, the picture first."""
        values = [x]
        for node in self.network["nodes"]:
            values.append(self._step(node, values))
        return values

    def _step(self, node: dict[str, Any], values: list[Tensor]) -> Tensor:
        if node["op"] == "add":
            a, b = node["inputs"]
            return values[a] + values[b]
        x = values[node["input"]]
        if node["op"] == "global_avg_pool":
            return x.float().mean((2, 3))
        if node["op"] == "linear":
            return self.head(F.dropout(x, self.dropout, self.training))
        top, left, bottom, right = node["pad"]
        padding = top
        if (top, left) != (bottom, right):
            x, padding = F.pad(x, (left, right, top, bottom)), 0
        name = node["name"]
        if name == "scope_view":
            return F.conv2d(x, self.scope_view.to(x.dtype), groups=SCOPE_GROUPS)
        weight, bias, stride, groups = self.weight[name], self.bias[name], node["stride"], node["groups"]
        if node["act"] == "relu6":
            return conv_relu6(x, weight, bias, stride, padding, groups)
        return F.conv2d(x, weight, bias, stride, padding, 1, groups)

    def freeze(self, nodes: int) -> None:
        """Keeps the first `nodes` nodes as they are and runs them without gradients."""
        self.frozen_nodes = nodes
        for node in self.network["nodes"][:nodes]:
            if "name" in node:
                self.weight[node["name"]].requires_grad_(False)
                self.bias[node["name"]].requires_grad_(False)

    def load_imagenet(
        self,
    ) -> Net:
        """ImageNet weights from the data folder (Apache-2.0); its 1,001-way head is dropped."""
        tensors = load_file(str(data_folder() / "weights" / f"{MOBILENET}_f32.safetensors"))
        with torch.no_grad():
            for name in self.weight:
                self.weight[name].copy_(tensors[f"{name}.weight"])
                self.bias[name].copy_(tensors[f"{name}.bias"])
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Weights under the names of the pack format."""
        named = {f"{n}.weight": w for n, w in self.weight.items()} | {f"{n}.bias": b for n, b in self.bias.items()}
        return named | {"head.weight": self.head.weight, "head.bias": self.head.bias}

    def constants(self) -> dict[str, Tensor]:
        """What a pack needs besides, and training does not."""
        return {"scope_view.weight": self.scope_view, "scope_view.bias": torch.zeros(FEATURES)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> Net:
        """The reverse of `tensors`, in 32 bit."""
        with torch.no_grad():
            for name, own in self.tensors().items():
                own.copy_(tensors[name].float())
        return self


def load_pack_network(pack: Path) -> Net:
    """A pack's network as PyTorch sees it: the 16-bit weights upcast to 32 bit."""
    tensors = load_file(str(pack / "weights.safetensors"))
    net = Net(tensors["head.bias"].shape[0])
    stored = json.loads((pack / "network.json").read_text())
    if stored != net.network:
        raise ValueError(f"{pack}/network.json is not the MobileNetV2 that this code knows")
    return net.load_tensors(tensors).eval()
