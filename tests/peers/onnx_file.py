"""The graph as ONNX, operator by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from graph import Graph, inputs

OPERATORS = {"relu": "Relu", "relu6": "Clip", "hardswish": "HardSwish", "hardsigmoid": "HardSigmoid"}


def write(graph: Graph, file: Path) -> None:
    """Outputs `logits`, `features` (both flat) and `map`; input `input` `[1, 3, size, size]`."""
    graph = graph.pool_first()
    gates, shapes, out = graph.gates(), graph.shapes(), graph.outputs
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, np.ndarray] = {"zero": np.float32(0), "six": np.float32(6)}
    names = {0: "input", out["map"]: "map"}
    flat: dict[int, str] = {}

    def emit(kind: str, sources: list[str], target: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, sources, [target], name=f"n{len(nodes)}", **attributes))
        return target

    def name(value: int) -> str:
        return names.setdefault(value, f"v{value}")

    def finish(source: str, act: str, target: str) -> None:
        """The activation; the last node made writes its own name where there is none."""
        if act == "none":
            nodes[-1].output[0] = target
        elif act == "relu6":
            emit("Clip", [source, "zero", "six"], target)
        else:
            emit(OPERATORS[act], [source], target, **({"alpha": 1 / 6, "beta": 0.5} if act == "hardsigmoid" else {}))

    def flattened(value: int, target: str) -> str:
        if value not in flat:
            flat[value] = emit("Flatten", [name(value)], target, axis=1)
        return flat[value]

    flat_values = {v for v, n in enumerate(graph.nodes, 1) if n["op"] == "linear" and v not in gates}
    for value, node in enumerate(graph.nodes, 1):
        read = inputs(node)
        target = "logits" if value == out["logits"] else name(value)
        if node["op"] in ("conv", "linear"):
            weight, bias = graph.layer(node)
            layer = node["name"]
            constants[f"{layer}.bias"] = bias
            act = node.get("act", "none")
            if value in flat_values:
                constants[f"{layer}.weight"] = weight
                source = names[read[0]] if read[0] in flat_values else flattened(read[0], f"flat{read[0]}")
                emit("Gemm", [source, f"{layer}.weight", f"{layer}.bias"], f"{target}_raw", transB=1)
            else:
                constants[f"{layer}.weight"] = weight.reshape(*weight.shape[:2], *(weight.shape[2:] or (1, 1)))
                pad, stride, groups = node.get("pad", [0] * 4), node.get("stride", 1), node.get("groups", 1)
                kernel = constants[f"{layer}.weight"].shape[2:]
                emit(
                    "Conv", [name(read[0]), f"{layer}.weight", f"{layer}.bias"], f"{target}_raw",
                    pads=pad, strides=[stride] * 2, group=groups, kernel_shape=kernel,
                )  # fmt: skip
            finish(f"{target}_raw", act, target)
        elif node["op"] == "add":
            emit("Add", [name(v) for v in read], f"{target}_raw")
            finish(f"{target}_raw", node.get("act", "none"), target)
        elif node["op"] == "scale":
            emit("Mul", [name(v) for v in read], target)
        elif node["op"] == "global_avg_pool":
            emit("GlobalAveragePool", [name(read[0])], target)
        elif node["op"] == "max_pool":
            emit(
                "MaxPool", [name(read[0])], target,
                kernel_shape=[node["size"]] * 2, strides=[node["stride"]] * 2, pads=node["pad"],
            )  # fmt: skip
        else:
            raise ValueError(f"unknown node {node['op']}")
    emit("Flatten", [name(out["features"])], "features", axis=1)

    def info(title: str, shape: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(title, TensorProto.FLOAT, shape)

    model = helper.make_model(
        helper.make_graph(
            nodes, "pack", [info("input", [1, 3, graph.size, graph.size])],
            [
                info("logits", [1, shapes[out["logits"]][0]]),
                info("features", [1, shapes[out["features"]][0]]),
                info("map", [1, *shapes[out["map"]]]),
            ],
            [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(file))
