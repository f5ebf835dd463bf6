"""The graph as a LiteRT flatbuffer (NHWC), operator by operator, as TensorFlow's converter would lay it out."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from graph import Graph, inputs

Op, Opts, Fused = schema.BuiltinOperator, schema.BuiltinOptions, schema.ActivationFunctionType
FUSED = {"none": Fused.NONE, "relu": Fused.RELU, "relu6": Fused.RELU6}


class Writer:
    """Collects tensors, buffers and operators."""

    def __init__(self) -> None:
        self.buffers, self.tensors = [schema.BufferT()], []
        self.operators, self.codes = [], {}

    def tensor(self, name: str, shape: list[int], data: np.ndarray | None = None) -> int:
        """A tensor: a constant where there is data."""
        t = schema.TensorT()
        t.name, t.shape, t.buffer, t.type = name, list(shape), 0, schema.TensorType.FLOAT32
        if data is not None:
            if data.dtype == np.int32:
                t.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            t.buffer = len(self.buffers) - 1
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, name: str, data: np.ndarray) -> int:
        """A constant with its data's shape."""
        return self.tensor(name, list(data.shape), data)

    def operator(self, kind: int, sources: list[int], target: int, options_type: int = 0, **options: object) -> int:
        """An operator; options are the fields of its options table."""
        op = schema.OperatorT()
        op.opcodeIndex = self.codes.setdefault(kind, len(self.codes))
        op.inputs, op.outputs, op.builtinOptionsType = sources, [target], options_type
        if options_type:
            title = next(name for name, code in vars(Opts).items() if code == options_type)
            op.builtinOptions = getattr(schema, title + "T")()
            for key, value in options.items():
                setattr(op.builtinOptions, key, value)
        self.operators.append(op)
        return target

    def save(self, file: Path, source: int, outputs: dict[str, int]) -> None:
        """Writes the model with one signature, `serving_default`."""
        subgraph = schema.SubGraphT()
        subgraph.name, subgraph.tensors, subgraph.operators = "main", self.tensors, self.operators
        subgraph.inputs, subgraph.outputs = [source], list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs, signature.outputs = [self._named("input", source)], []
        for name, tensor in outputs.items():
            signature.outputs.append(self._named(name, tensor))
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.signatureDefs = 3, [subgraph], self.buffers, [signature]
        model.operatorCodes = []
        for kind in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        file.write_bytes(builder.Output())

    @staticmethod
    def _named(name: str, tensor: int) -> schema.TensorMapT:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, tensor
        return entry


def write(graph: Graph, file: Path) -> None:
    """Outputs `logits`, `features`, `map`; input `[1, size, size, 3]`."""
    graph = graph.pool_first()
    gates, shapes, w = graph.gates(), graph.shapes(), Writer()
    flat_values = {v for v, n in enumerate(graph.nodes, 1) if n["op"] == "linear" and v not in gates}

    def plane(value: int, name: str) -> int:
        channels, rows, columns = shapes[value]
        return w.tensor(name, [1, channels] if value in flat_values else [1, rows, columns, channels])

    ids = [w.tensor("input", [1, graph.size, graph.size, 3])]
    three, sixth = (w.constant(n, np.float32(v).reshape(1)) for n, v in [("three", 3), ("sixth", 1 / 6)])
    mean_axes = w.constant("axes", np.array([1, 2], np.int32))

    def add(a: int, b: int, target: int, fused: int) -> int:
        return w.operator(Op.ADD, [a, b], target, Opts.AddOptions, fusedActivationFunction=fused)

    def mul(a: int, b: int, target: int) -> int:
        return w.operator(Op.MUL, [a, b], target, Opts.MulOptions, fusedActivationFunction=Fused.NONE)

    for value, node in enumerate(graph.nodes, 1):
        read = inputs(node)
        x, act = ids[read[0]], node.get("act", "none")
        target = plane(value, f"v{value}")
        fused = FUSED.get(act, Fused.NONE)
        if node["op"] in ("conv", "max_pool"):
            kernel = graph.layer(node)[0].shape[2] if node["op"] == "conv" else node["size"]
            x, padding = _padded(w, x, shapes[read[0]], shapes[value], kernel, node, value)
            window = {"padding": padding, "strideW": node["stride"], "strideH": node["stride"]}
        if node["op"] == "max_pool":
            w.operator(
                Op.MAX_POOL_2D, [x], target, Opts.Pool2DOptions, filterWidth=kernel, filterHeight=kernel, **window
            )
        elif node["op"] == "conv":
            weight, bias = graph.layer(node)
            depthwise = node["groups"] > 1 and node["groups"] == weight.shape[0] == shapes[read[0]][0]
            order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
            sources = [x, w.constant(f"w{value}", weight.transpose(order)), w.constant(f"b{value}", bias)]
            if depthwise:
                w.operator(
                    Op.DEPTHWISE_CONV_2D, sources, target, Opts.DepthwiseConv2DOptions,
                    depthMultiplier=1, fusedActivationFunction=fused, **window,
                )  # fmt: skip
            else:
                w.operator(Op.CONV_2D, sources, target, Opts.Conv2DOptions, fusedActivationFunction=fused, **window)
        elif node["op"] == "linear":
            weight, bias = graph.layer(node)
            if value in gates:
                weight = weight[:, None, None, :]
            sources = [x, w.constant(f"w{value}", weight), w.constant(f"b{value}", bias)]
            if value in gates:
                w.operator(
                    Op.CONV_2D, sources, target, Opts.Conv2DOptions, padding=schema.Padding.VALID,
                    strideW=1, strideH=1, fusedActivationFunction=fused,
                )  # fmt: skip
            else:
                w.operator(
                    Op.FULLY_CONNECTED, sources, target, Opts.FullyConnectedOptions, fusedActivationFunction=fused
                )
        elif node["op"] == "add":
            add(x, ids[read[1]], target, fused)
        elif node["op"] == "scale":
            mul(x, ids[read[1]], target)
        elif node["op"] == "global_avg_pool":
            w.operator(Op.MEAN, [x, mean_axes], target, Opts.ReducerOptions, keepDims=True)
        else:
            raise ValueError(f"unknown node {node['op']}")
        if act == "hardswish":
            target = w.operator(Op.HARD_SWISH, [target], plane(value, f"v{value}_act"))
        elif act == "hardsigmoid":
            shifted = add(target, three, plane(value, f"v{value}_shifted"), Fused.RELU6)
            target = mul(shifted, sixth, plane(value, f"v{value}_act"))
        ids.append(target)
    w.save(file, ids[0], {name: ids[graph.outputs[name]] for name in ("logits", "features", "map")})


def _padded(
    w: Writer, x: int, before: tuple[int, int, int], after: tuple[int, int, int], kernel: int, node: dict, value: int
) -> tuple[int, int]:
    """The input and the padding rule: SAME or VALID where they mean the node's padding, else a PAD before it."""
    top, left, bottom, right = node["pad"]
    channels, rows, columns = before
    if not any(node["pad"]):
        return x, schema.Padding.VALID
    total = [max((o - 1) * node["stride"] + kernel - i, 0) for o, i in zip(after[1:], before[1:], strict=True)]
    same = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
    ceiled = after[1:] == (-(-rows // node["stride"]), -(-columns // node["stride"]))
    if ceiled and same == [top, left, bottom, right]:
        return x, schema.Padding.SAME
    # Zeros also for max pooling: what it pools comes from a ReLU.
    pads = w.constant(f"pads{value}", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    wide = w.tensor(f"v{value}_padded", [1, rows + top + bottom, columns + left + right, channels])
    return w.operator(Op.PAD, [x, pads], wide, Opts.PadOptions), schema.Padding.VALID
