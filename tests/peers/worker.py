"""A worker of `cargo xtask bench inference` for a peer from PyPI: obeys the same lines as `src/main.rs` beside this."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

Model = Callable[[Any], Sequence[np.ndarray]]
"""Logits, features and map of `[1, 3, size, size]`; a photo's probabilities alone."""


def onnxruntime(suffix: str) -> Callable[[Path, int], Model]:
    """Threads stop spinning when an answer is there, so that they do not disturb the next peer's turn."""
    import onnxruntime as ort

    def load(folder: Path, threads: int) -> Model:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = ort.InferenceSession(str(folder / f"model{suffix}.onnx"), options, ["CPUExecutionProvider"])
        return lambda x: session.run(["logits", "features", "map"], {"input": x})

    return load


def litert(suffix: str) -> Callable[[Path, int], Model]:
    """XNNPACK is LiteRT's default on the CPU. The input is laid out as NHWC before the first answer."""
    from ai_edge_litert.interpreter import Interpreter

    def load(folder: Path, threads: int) -> Model:
        interpreter = Interpreter(str(folder / f"model{suffix}.tflite"), num_threads=threads)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        # A signature's outputs come sorted by name.
        names = interpreter.get_signature_runner("serving_default").get_output_details()
        outputs = [names[name] for name in ("logits", "features", "map")]
        quantized = source["dtype"] == np.int8
        kept: dict[int, np.ndarray] = {}

        def answer(x: np.ndarray) -> Sequence[np.ndarray]:
            if id(x) not in kept:
                kept.clear()
                kept[id(x)] = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
            y = kept[id(x)]
            if quantized:
                scale, zero = source["quantization"]
                y = np.clip(np.rint(y / scale + zero), -128, 127).astype(np.int8)
            interpreter.set_tensor(source["index"], y)
            interpreter.invoke()
            values = [interpreter.get_tensor(o["index"]) for o in outputs]
            if outputs[0]["dtype"] == np.int8:
                scale, zero = outputs[0]["quantization"]
                values[0] = (values[0].astype(np.float32) - zero) * scale
            return values

        return answer

    return load


def openvino(suffix: str) -> Callable[[Path, int], Model]:
    """In the latency mode; 32-bit floats stay 32-bit on processors that have bf16."""
    import openvino as ov

    def load(folder: Path, threads: int) -> Model:
        settings = {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False,
        }  # fmt: skip
        compiled = ov.Core().compile_model(str(folder / f"model{suffix}.xml"), "CPU", settings)
        request = compiled.create_infer_request()

        def answer(x: np.ndarray) -> Sequence[np.ndarray]:
            found = request.infer([x], share_inputs=True)
            return [found[i] for i in range(3)]

        return answer

    return load


def ncnn(_: str) -> Callable[[Path, int], Model]:
    """32-bit floats throughout."""
    import ncnn

    def load(folder: Path, threads: int) -> Model:
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.load_param(str(folder / "model.ncnn.param"))
        net.load_model(str(folder / "model.ncnn.bin"))

        def answer(x: np.ndarray) -> Sequence[np.ndarray]:
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(x[0]))
            return [np.array(extractor.extract(f"out{i}")[1]) for i in range(3)]

        return answer

    return load


def mnn(_: str) -> Callable[[Path, int], Model]:
    """A session in 32-bit precision."""
    import MNN

    def load(folder: Path, threads: int) -> Model:
        interpreter = MNN.Interpreter(str(folder / "model.mnn"))
        session = interpreter.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
        source = interpreter.getSessionInput(session)
        outputs = [interpreter.getSessionOutput(session, name) for name in ("logits", "features", "map")]
        hosts = [
            MNN.Tensor(
                o.getShape(), MNN.Halide_Type_Float, np.zeros(o.getShape(), np.float32), MNN.Tensor_DimensionType_Caffe
            )
            for o in outputs
        ]

        def answer(x: np.ndarray) -> Sequence[np.ndarray]:
            source.copyFrom(MNN.Tensor(x.shape, MNN.Halide_Type_Float, x, MNN.Tensor_DimensionType_Caffe))
            interpreter.runSession(session)
            for output, host in zip(outputs, hosts, strict=True):
                output.copyToHostTensor(host)
            return [host.getNumpyData() for host in hosts]

        return answer

    return load


def pytorch(_: str) -> Callable[[Path, int], Model]:
    """Eager code traced, frozen and optimised for inference (oneDNN), channels last."""
    import torch
    import torch.nn.functional as F

    from graph import Graph, inputs

    acts = {"relu": F.relu, "relu6": F.relu6, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid}

    class Net(torch.nn.Module):
        def __init__(self, graph: Graph) -> None:
            super().__init__()
            self.graph = graph
            for name, value in graph.weights.items():
                self.register_buffer(name.replace(".", "_"), torch.from_numpy(value))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            values = [x]
            for node in self.graph.nodes:
                x = values[inputs(node)[0]]
                if "name" in node:
                    w, b = (getattr(self, f"{node['name']}_{part}") for part in ("weight", "bias"))
                if node["op"] in ("conv", "max_pool"):
                    top, left, bottom, right = node["pad"]
                    padding = (top, left)
                    if padding != (bottom, right):
                        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
                if node["op"] == "conv":
                    x = F.conv2d(x, w, b, node["stride"], padding, 1, node["groups"])
                elif node["op"] == "max_pool":
                    x = F.max_pool2d(x, node["size"], node["stride"], padding)
                elif node["op"] == "linear":
                    x = F.linear(x.flatten(1), w, b)
                elif node["op"] == "add":
                    x = x + values[node["inputs"][1]]
                elif node["op"] == "scale":
                    x = x * values[node["inputs"][1]].flatten(1)[:, :, None, None]
                else:
                    x = x.mean((2, 3), keepdim=True)
                values.append(acts.get(node.get("act", "none"), lambda y: y)(x))
            return tuple(values[self.graph.outputs[name]] for name in ("logits", "features", "map"))

    def load(folder: Path, threads: int) -> Model:
        torch.set_num_threads(threads)
        graph = Graph.read(folder).pool_first()
        example = torch.zeros(1, 3, graph.size, graph.size).to(memory_format=torch.channels_last)
        net = Net(graph).eval().to(memory_format=torch.channels_last)
        with torch.inference_mode():
            traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, example)))

        def answer(x: np.ndarray) -> Sequence[np.ndarray]:
            with torch.inference_mode():
                y = traced(torch.from_numpy(x).to(memory_format=torch.channels_last))
                return [v.numpy() for v in y]

        return answer

    return load


def photo(draft: str) -> Callable[[Path, int], Model]:
    """A JPEG file to probabilities with Pillow, numpy and ONNX Runtime; `draft`: Pillow's scaled decoding."""
    from PIL import Image

    from convert import manifest, tensor

    loader = onnxruntime("")

    def load(folder: Path, threads: int) -> Model:
        net, pack = loader(folder, threads), manifest(folder)
        rule, temperature = pack["input"], pack["calibration"]["temperature"]

        def answer(jpeg: bytes) -> Sequence[np.ndarray]:
            picture = Image.open(BytesIO(jpeg))
            if draft:
                picture.draft("RGB", (rule["size"], rule["size"]))
            x = tensor(picture, rule)[None]
            logits = net(x)[0][0]
            if rule["flip_average"]:
                logits = (logits + net(np.ascontiguousarray(x[..., ::-1]))[0][0]) / 2
            powers = np.exp((logits - logits.max()) / temperature)
            return [powers / powers.sum()]

        return answer

    return load


PEERS = {
    "onnxruntime": (onnxruntime, ""),
    "litert": (litert, ""),
    "openvino": (openvino, ""),
    "ncnn": (ncnn, ""),
    "mnn": (mnn, ""),
    "pytorch": (pytorch, ""),
    "onnxruntime-int8": (onnxruntime, ".int8"),
    "litert-int8": (litert, ".int8"),
    "openvino-int8": (openvino, ".int8"),
    "photo-pillow": (photo, ""),
    "photo-pillow-draft": (photo, "draft"),
}


def main() -> None:
    """Obeys lines until there are no more."""
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = sys.argv[1]
    make, suffix = PEERS[peer]
    load = make(suffix)
    print("imported", file=out)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "load":
            folder = Path(rest[0])
            size = int((folder / "size").read_text())
            model = load(folder, int(rest[1]))
            timed = inputs(folder / ("photo.jpg" if peer.startswith("photo") else "input.f32"), size)[0]
            print("loaded", file=out)
        elif word == "answer":
            answers = [np.array(model(x)[0]) for x in inputs(Path(rest[0]), size)]
            print("values", *(float(v) for a in answers for v in np.ravel(a)), file=out)
        elif word == "run":
            times = []
            for _ in range(int(rest[0])):
                start = time.perf_counter_ns()
                model(timed)
                times.append(time.perf_counter_ns() - start)
            print("times", *times, file=out)
        elif word == "memory":
            status = Path("/proc/self/status").read_text().splitlines()
            print("memory", next(line for line in status if line.startswith("VmHWM:")).split()[1], file=out)
        else:
            raise ValueError(f"no such line: {line}")


def inputs(file: Path, size: int) -> list[np.ndarray] | list[bytes]:
    """One photo's file, or the many tensors of a file of floats."""
    if file.suffix == ".jpg":
        return [file.read_bytes()]
    return [x[None] for x in np.fromfile(file, np.float32).reshape(-1, 3, size, size)]


if __name__ == "__main__":
    main()
