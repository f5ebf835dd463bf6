"""Where the pictures are, who they belong to, and which fold each patient is in.

Nothing from the data folder is ever copied into the repository; decoded pictures are cached outside it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.model_selection import StratifiedGroupKFold

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FOLDS = 5
FIT = {"clinical": "cover", "dermoscopy": "squash"}
"""`squash` keeps the whole of the 4:3 dermoscopy pictures; isic_extra comes squashed already."""
STORED_SIZE = {"clinical": 300, "dermoscopy": 200}
"""Longest side of the pictures as they are kept in memory for training."""


@dataclass(frozen=True)
class Label:
    """One class of a pack: the data set's own name, our disease slug, and whether it is cancer."""

    label: str
    slug: str
    malignant: bool


LABELS = {
    "clinical": [
        Label("ACK", "ak", False),
        Label("BCC", "bcc", True),
        Label("MEL", "melanoma", True),
        Label("NEV", "naevus", False),
        Label("SCC", "scc", True),
        Label("SEK", "sk", False),
    ],
    "dermoscopy": [
        Label("akiec", "ak", True),
        Label("bcc", "bcc", True),
        Label("bkl", "sk", False),
        Label("df", "df", False),
        Label("mel", "melanoma", True),
        Label("nv", "naevus", False),
        Label("vasc", "pyog", False),
    ],
}
"""`akiec` counts as malignant because it holds Bowen's disease; `vasc` is mostly angioma: see the model cards."""

ISIC_EXTRA = {
    "actinic_keratosis": "akiec",
    "dermatofibroma": "df",
    "melanoma": "mel",
    "nevus": "nv",
    "seborrheic_keratosis": "bkl",
    "squamous_cell_carcinoma": "akiec",
}


class DataMissing(SystemExit):
    """The data folder is not there; the message says what to do."""


def data_folder() -> Path:
    """The folder of `BAREFOOT_DATA`, by default `../shared/data` beside the repository."""
    folder = Path(os.environ.get("BAREFOOT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        raise DataMissing(f"No training data at {folder}. Set BAREFOOT_DATA to the folder that holds padufes20/.")
    return folder


def cache_folder() -> Path:
    """Checkpoints, decoded pictures and predictions, outside the repository."""
    root = Path(os.environ.get("BAREFOOT_CACHE", Path.home() / ".cache" / "barefoot"))
    folder = root / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass
class Pictures:
    """Rows of one data set. `group` is what must not cross folds; `fold` is -1 for rows that are never a test."""

    pack: str
    rows: list[dict[str, str]]
    files: list[Path]
    label: np.ndarray
    group: np.ndarray
    fold: np.ndarray
    cutout: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def test(self, fold: int) -> np.ndarray:
        """Indices of the test pictures of a fold."""
        return np.flatnonzero(self.fold == fold)

    def train(self, fold: int | None) -> np.ndarray:
        """Indices a fold may learn from: everything whose group has no picture in the test; None = everything."""
        if fold is None:
            return np.arange(len(self))
        return np.flatnonzero(~np.isin(self.group, self.group[self.fold == fold]))


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def load(pack: str) -> Pictures:
    """The pictures of one pack with their folds."""
    if pack == "clinical":
        folder = data_folder() / "padufes20"
        rows = [r for r in _rows(folder / "index.csv") if not r["file"].startswith("native/")]
        group = np.array([r["patient_id"] for r in rows])
    else:
        folder = data_folder() / "ham10000"
        rows = _rows(folder / "index.csv")
        for kind, label in ISIC_EXTRA.items():
            for file in sorted((folder.parent / "isic_extra" / kind).glob("*.jpg")):
                relative = f"../isic_extra/{kind}/{file.name}"
                rows.append({"file": relative, "diagnostic": label, "lesion_id": f"isic:{file.stem}"})
        group = np.array([r["lesion_id"] for r in rows])
    names = [x.label for x in LABELS[pack]]
    label = np.array([names.index(r["diagnostic"]) for r in rows])
    cutout = np.array([r["file"].startswith("cutouts/") for r in rows])
    testable = ~cutout & np.array([not r["file"].startswith("..") for r in rows])
    fold = np.full(len(rows), -1)
    splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(
        label[testable], label[testable], group[testable]
    )
    for number, (_, test) in enumerate(splits):
        fold[np.flatnonzero(testable)[test]] = number
    return Pictures(pack, rows, [folder / r["file"] for r in rows], label, group, fold, cutout)


def metadata_only() -> list[dict[str, str]]:
    """Questionnaires of all PAD-UFES-20 lesions of these patients, most without a picture."""
    return _rows(data_folder() / "padufes20" / "metadata_only.csv")


def out_of_scope() -> list[Path]:
    """Pictures that no pack may name. Only ever measured on, never trained on."""
    folder = data_folder() / "out_of_scope"
    return [folder / r["file"] for r in _rows(folder / "index.csv")]


def open_upright(file: Path) -> Image.Image:
    """A picture turned upright, RGB."""
    return ImageOps.exif_transpose(Image.open(file)).convert("RGB")


def fitted(picture: Image.Image, size: int, fit: str) -> Image.Image:
    """The packs' input rule, with Pillow's antialiased bilinear.

    `cover` brings the shorter side to `size` and keeps the centre square; `squash` brings both sides to `size`.
    """
    if fit == "squash":
        return picture.resize((size, size), Image.Resampling.BILINEAR)
    width, height = picture.size
    scale = size / min(width, height)
    width, height = max(size, round(width * scale)), max(size, round(height * scale))
    left, top = (width - size) // 2, (height - size) // 2
    return picture.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))


def as_the_program_sees(pack: Path, files: list[Path], size: int) -> np.ndarray:
    """Pictures decoded and fitted by the Rust core, `[n, size, size, 3]`: its JPEG decoder and resizer differ from
    Pillow's by a grey level here and there (REPORT.md)."""
    command = ["cargo", "run", "--quiet", "--package", "barefoot-vision", "--example", "pixels", str(pack.resolve())]
    names = "\n".join(str(f.resolve()) for f in files)
    done = subprocess.run(command, input=names.encode(), stdout=subprocess.PIPE, cwd=REPOSITORY, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(len(files), size, size, 3)


def read_all(files: list[Path], size: int, fit: str) -> np.ndarray:
    """All pictures by the input rule as uint8 `[n, 3, size, size]`, kept in the cache folder."""
    key = hashlib.sha256(json.dumps([size, fit, *map(str, files)]).encode()).hexdigest()[:16]
    kept = cache_folder() / f"pictures-{key}.npy"
    if not kept.exists():
        out = np.empty((len(files), 3, size, size), np.uint8)
        for i, file in enumerate(files):
            out[i] = np.asarray(fitted(open_upright(file), size, fit)).transpose(2, 0, 1)
        part = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(part, out)
        part.rename(kept)
    return np.load(kept, mmap_mode="r")
