"""A pack's network (`network.json`, `weights.safetensors`) as plain numpy, with every value's shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

Node = dict[str, Any]


@dataclass
class Graph:
    """Nodes over numbered values: value 0 is the picture, node i makes value i + 1."""

    size: int
    nodes: list[Node]
    outputs: dict[str, int]
    weights: dict[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path) -> Graph:
        """Reads a folder that `convert.py` has prepared."""
        network = json.loads((folder / "network.json").read_text())
        weights = {name: w.astype(np.float32) for name, w in load_file(str(folder / "weights.safetensors")).items()}
        return cls(int((folder / "size").read_text()), network["nodes"], network["outputs"], weights)

    def layer(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias of a convolution or linear layer."""
        return self.weights[f"{node['name']}.weight"], self.weights[f"{node['name']}.bias"]

    def consumers(self, value: int) -> list[Node]:
        """The nodes that read a value."""
        return [node for node in self.nodes if value in inputs(node)]

    def pool_first(self) -> Graph:
        """The same network, quicker for everyone: the mean of a 1x1 convolution is the 1x1 convolution of the mean.

        Barefoot does so when it lowers the plan (the scope's view of a middle layer); peers get it as a gift.
        """
        nodes = [dict(node) for node in self.nodes]
        for value, node in enumerate(nodes, 1):
            users = [i for i, user in enumerate(nodes) if value in inputs(user)]
            plain = node["op"] == "conv" and node["act"] == "none" and node["stride"] == 1 and not any(node["pad"])
            if not plain or self.layer(node)[0].shape[2:] != (1, 1) or value in self.outputs.values():
                continue
            if len(users) == 1 and nodes[users[0]]["op"] == "global_avg_pool":
                nodes[users[0]] = node | {"input": value}
                nodes[value - 1] = {"op": "global_avg_pool", "input": node["input"]}
        return Graph(self.size, nodes, self.outputs, self.weights)

    def gates(self) -> set[int]:
        """Values of linear layers that end in a `scale`: exporters write these as 1x1 convolutions."""
        found: set[int] = set()
        for node in self.nodes:
            if node["op"] == "scale":
                value = node["inputs"][1]
                while value and self.nodes[value - 1]["op"] == "linear":
                    found.add(value)
                    value = self.nodes[value - 1]["input"]
        return found

    def shapes(self) -> list[tuple[int, int, int]]:
        """Channels, rows and columns of every value; pooled ones have one row and one column."""
        found = [(3, self.size, self.size)]
        for node in self.nodes:
            channels, rows, columns = found[inputs(node)[0]]
            if node["op"] in ("conv", "max_pool"):
                if node["op"] == "conv":
                    weight = self.layer(node)[0]
                    channels, kernel = weight.shape[0], weight.shape[2]
                else:
                    kernel = node["size"]
                top, left, bottom, right = node["pad"]
                rows = (rows + top + bottom - kernel) // node["stride"] + 1
                columns = (columns + left + right - kernel) // node["stride"] + 1
            elif node["op"] == "global_avg_pool":
                rows = columns = 1
            elif node["op"] == "linear":
                channels = self.layer(node)[0].shape[0]
            found.append((channels, rows, columns))
        return found


def inputs(node: Node) -> list[int]:
    """The values that a node reads."""
    return node["inputs"] if "inputs" in node else [node["input"]]
