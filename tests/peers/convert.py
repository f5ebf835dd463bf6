"""Writes one network in every peer's format: `convert.py PACK|resnet18|mobilenetv3-large FOLDER [DATA]`.

PACK is a folder of models/packs. FOLDER gets the network, its inputs and one file for each peer, in 32 and in 8 bit;
a folder that is up to date is left alone. DATA is shared/data: its pictures calibrate the 8-bit files; without it, and
for random networks, noise does.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import networks
from graph import Graph

CALIBRATION, HELD_OUT = 100, 100
"""Pictures that fit the 8-bit ranges, and other ones on which agreement is measured."""
MARGIN = 1.15
"""How far past what the pictures reach our bytes reach, as in models/training/ranges.py."""
HERE = Path(__file__).resolve().parent
PHOTO = (4000, 3000)
"""A phone's 12 megapixels; the file is stored sideways, as phones do."""


def main() -> None:
    """Converts."""
    source, folder = sys.argv[1], Path(sys.argv[2])
    data = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    stamp, state = folder / "stamp", fingerprint(source, data)
    if stamp.exists() and stamp.read_text() == state:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if source == "resnet18":
        networks.resnet18(folder)
    elif source == "mobilenetv3-large":
        networks.mobilenet_v3_large(folder)
    else:
        folder.mkdir(parents=True)
        for file in ("network.json", "weights.safetensors", "manifest.json"):
            shutil.copy(Path(source) / file, folder)
        (folder / "size").write_text(f"{manifest(folder)['input']['size']}\n")
        photo(folder / "photo.jpg")
    graph = Graph.read(folder)
    pictures = inputs(folder, graph.size, data)
    pictures[CALIBRATION : CALIBRATION + 1].tofile(folder / "input.f32")
    pictures[CALIBRATION:].tofile(folder / "pictures.f32")
    in_32_bit(graph, folder)
    in_8_bit(folder, pictures[:CALIBRATION])
    ours_in_8_bit(graph, folder, pictures[:CALIBRATION])
    stamp.write_text(state)


def fingerprint(source: str, data: Path | None) -> str:
    """Changes with whatever the files are made of."""
    digest = hashlib.sha256(str(data).encode())
    for file in [*sorted(HERE.glob("*.py")), HERE / "requirements.txt"]:
        if file.name != "worker.py":
            digest.update(file.read_bytes())
    if Path(source).is_dir():
        digest.update((Path(source) / "manifest.json").read_bytes())
        digest.update((Path(source) / "network.json").read_bytes())
    return digest.hexdigest()


def manifest(folder: Path) -> dict:
    """The pack's manifest."""
    return json.loads((folder / "manifest.json").read_text())


def inputs(folder: Path, size: int, data: Path | None) -> np.ndarray:
    """Calibration and held-out inputs, `[n, 3, size, size]`."""
    files = list(photos(data, "ham10000" if "dermoscopy" in folder.name else "padufes20")) if data else []
    if not (folder / "manifest.json").exists() or len(files) < CALIBRATION + HELD_OUT:
        return np.random.default_rng(1).normal(0, 0.5, (CALIBRATION + HELD_OUT, 3, size, size)).astype(np.float32)
    rule = manifest(folder)["input"]
    picked = np.random.default_rng(1).choice(len(files), CALIBRATION + HELD_OUT, replace=False)
    return np.stack([tensor(Image.open(files[i]), rule) for i in picked])


def photos(data: Path, name: str) -> Iterator[Path]:
    """A data set's pictures, in the order of its index."""
    index = data / name / "index.csv"
    if index.exists():
        with index.open() as lines:
            for row in csv.DictReader(lines):
                yield data / name / row["file"]


def tensor(picture: Image.Image, rule: dict) -> np.ndarray:
    """The packs' input rule (models/PACK_FORMAT.md), as Pillow and numpy do it."""
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    size = rule["size"]
    if rule["fit"] == "squash":
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    else:
        scale = size / min(picture.size)
        width, height = (max(size, round(side * scale)) for side in picture.size)
        left, top = (width - size) // 2, (height - size) // 2
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        picture = picture.crop((left, top, left + size, top + size))
    pixels = np.asarray(picture, np.float32) / 255
    pixels = (pixels - np.array(rule["mean"], np.float32)) / np.array(rule["std"], np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def photo(file: Path) -> None:
    """A phone-sized JPEG of the README's sample, with grain, that must be turned."""
    sample = Image.open(HERE / "../../docs/sample.jpg").convert("RGB").resize(PHOTO, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(12).normal(0, 4, (PHOTO[1], PHOTO[0], 1))
    pixels = np.clip(np.asarray(sample) + grain, 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(file, quality=92, subsampling=2, exif=exif)


def in_32_bit(graph: Graph, folder: Path) -> None:
    """ONNX, LiteRT, OpenVINO, MNN and ncnn."""
    import openvino

    import onnx_file
    import tflite_file

    onnx_file.write(graph, folder / "model.onnx")
    tflite_file.write(graph, folder / "model.tflite")
    model = openvino.convert_model(str(folder / "model.onnx"))
    openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)
    run(
        "mnnconvert",
        *["-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn", "--bizCode", "MNN"],
        at=folder,
    )
    side = graph.size
    # Not imported: its Python half needs PyTorch, the converter does not.
    binary = Path(find_spec("pnnx").submodule_search_locations[0]) / "pnnx"
    run(binary, "model.onnx", f"inputshape=[1,3,{side},{side}]", "fp16=0", at=folder)


def run(program: str | Path, *arguments: str, at: Path) -> None:
    """Runs a converter of the environment."""
    path = program if isinstance(program, Path) else Path(sys.executable).parent / program
    done = subprocess.run([path, *arguments], cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stdout[-800:]} {done.stderr[-800:]}")


def in_8_bit(folder: Path, pictures: np.ndarray) -> None:
    """Static quantisation by each peer's own tool: weights per channel, activations per tensor."""
    import nncf
    import openvino
    from ai_edge_quantizer import quantizer, recipe
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            picture = next(self.left, None)
            return None if picture is None else {"input": picture[None]}

    quantize_static(
        str(folder / "model.onnx"), str(folder / "model.int8.onnx"), Reader(), quant_format=QuantFormat.QDQ,
        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip

    model = openvino.Core().read_model(str(folder / "model.xml"))
    dataset = nncf.Dataset([picture[None] for picture in pictures])
    model = nncf.quantize(model, dataset, preset=nncf.QuantizationPreset.MIXED, subset_size=len(pictures))
    openvino.save_model(model, str(folder / "model.int8.xml"), compress_to_fp16=False)

    tool = quantizer.Quantizer(str(folder / "model.tflite"))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    samples = [{"input": np.ascontiguousarray(p.transpose(1, 2, 0))[None]} for p in pictures]
    ranges = tool.calibrate({"serving_default": samples})
    tool.quantize(ranges).export_model(str(folder / "model.int8.tflite"), overwrite=True)


def ours_in_8_bit(graph: Graph, folder: Path, pictures: np.ndarray) -> None:
    """The weights with every value's range beside them, found as models/training/ranges.py finds them in training pictures."""
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file, save_file

    eligible = [
        value
        for value, (node, pooled) in enumerate(zip(graph.nodes, graph.pool_first().nodes, strict=True), 1)
        if {node["op"], pooled["op"]} <= {"conv", "add"} and value not in graph.outputs.values()
    ]
    model = onnx.load(str(folder / "model.onnx"))
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(f"v{value}") for value in eligible)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    low, high, mean = (dict.fromkeys([0, *eligible], 0.0) for _ in range(3))
    for picture in pictures:
        found = session.run([f"v{value}" for value in eligible], {"input": picture[None]})
        for value, numbers in zip([0, *eligible], [picture[None], *found], strict=True):
            flat = numbers[0].reshape(numbers.shape[1], -1)
            low[value] = np.minimum(low[value], flat.min(1))
            high[value] = np.maximum(high[value], flat.max(1))
            mean[value] += flat.mean(1) / len(pictures)
    ranges = {f"int8.{v}": np.stack([MARGIN * low[v], MARGIN * high[v], mean[v]]) for v in eligible}
    if (folder / "manifest.json").exists():
        # A pixel's own 256 steps.
        rule = manifest(folder)["input"]
        low[0], high[0] = ((np.array([end] * 3) - rule["mean"]) / rule["std"] for end in (0, 1))
    ranges["int8.0"] = np.stack([low[0], high[0], mean[0]])
    weights = load_file(str(folder / "weights.safetensors"))
    weights |= {name: np.ascontiguousarray(value, np.float16) for name, value in ranges.items()}
    save_file(weights, str(folder / "weights.int8.safetensors"))


if __name__ == "__main__":
    os.environ.setdefault("NNCF_TELEMETRY", "0")
    main()
