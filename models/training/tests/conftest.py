"""A tiny data folder, drawn: six kinds of coloured blobs on skin, so that everything runs without real pictures."""

import csv
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

import data
import network

COLOURS = {"ACK": "#d8a0a0", "BCC": "#c06080", "MEL": "#201010", "NEV": "#603010", "SCC": "#e0c060", "SEK": "#907050"}


def _draw(file, colour, ground, at) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (120, 120), ground)
    ImageDraw.Draw(picture).ellipse([at, at, at + 40, at + 40], fill=colour)
    picture.save(file, quality=90)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A data folder in the layout of the real one, with drawn pictures and random network weights."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    rows = []
    for label, colour in COLOURS.items():
        for i in range(10):
            patient = f"PAT_{label}{i}"
            name = f"{patient}_1_{i}.jpg"
            skin = tuple(int(v) for v in random.integers(150, 230, 3))
            _draw(root / "padufes20/images" / label / name, colour, skin, int(random.integers(20, 60)))
            _draw(root / "padufes20/cutouts" / label / name, colour, "black", 40)
            answers = {k: str(random.random() < 0.5) for k in ["itch", "grew", "hurt", "changed", "bleed", "elevation"]}
            shared = {"patient_id": patient, "lesion_id": "1", "age": str(20 + 6 * i), "gender": "FEMALE",
                      "region": "FACE", "fitspatrick": "2.0", "diagnostic": label} | answers  # fmt: skip
            for kind in ["images", "cutouts"]:
                rows.append({"file": f"{kind}/{label}/{name}"} | shared)
    for file, columns in [("index.csv", list(rows[0])), ("metadata_only.csv", list(rows[0])[1:])]:
        with (root / "padufes20" / file).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows[::2])
            if file == "index.csv":
                writer.writerows(rows[1::2])
    strangers = [{"file": f"foot_ulcer/{i}.jpg", "diagnostic": "OUT"} for i in range(6)]
    for row in strangers:
        noise = random.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        (root / "out_of_scope/foot_ulcer").mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(root / "out_of_scope" / row["file"])
    with (root / "out_of_scope/index.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "diagnostic"])
        writer.writeheader()
        writer.writerows(strangers)
    torch.manual_seed(0)
    tensors = {k: v.detach().contiguous() for k, v in network.Net(6).tensors().items() if not k.startswith("head")}
    (root / "weights").mkdir()
    save_file(tensors, root / "weights" / f"{network.MOBILENET}_f32.safetensors")
    yield root
    shutil.rmtree(root)


@pytest.fixture
def drawn_data(drawn, tmp_path, monkeypatch):
    """The drawn folder in place of the real one, and an empty cache."""
    monkeypatch.setenv("BAREFOOT_DATA", str(drawn))
    monkeypatch.setenv("BAREFOOT_CACHE", str(tmp_path / "cache"))
    return data.data_folder()
