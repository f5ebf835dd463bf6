"""Writes packs: 16-bit weights, network, manifest, model card; and a golden vector for the Rust tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import log_softmax

import data
from calibrate import Calibration, Guess, Guessed, Scope, class_weights, known
from evaluate import Folds, fit_findings, fit_guess, fit_photo, scope_threshold
from network import Net, load_pack_network
from train import MEAN, STD, Recipe, predictions, train

REFERENCES = 600
IMAGENET = {
    "name": "MobileNetV2 1.0/224, ImageNet (initial weights)",
    "doi": "10.1109/CVPR.2018.00474",
    "licence": "Apache-2.0",
}
ABOUT: dict[str, dict[str, Any]] = {
    "clinical": {
        "version": "0.2.1",
        "title_zh": "手机临床照片：六类皮损",
        "title_en": "Phone photos: six kinds of skin lesion",
        "licence": "CC-BY-4.0",
        "attribution": [
            "Trained on PAD-UFES-20 (Pacheco A. G. C. et al. 2020, doi 10.17632/zr7vgbcyr2.1), CC BY 4.0.",
            "Initial weights: MobileNetV2, Sandler M. et al. 2018, TensorFlow authors, Apache-2.0.",
        ],
        "source": {"name": "PAD-UFES-20", "doi": "10.17632/zr7vgbcyr2.1", "licence": "CC-BY-4.0"},
    },
    "dermoscopy": {
        "version": "0.3.0",
        "title_zh": "皮肤镜照片：七类皮损",
        "title_en": "Dermoscopy: seven kinds of skin lesion",
        "licence": "CC-BY-NC-SA-4.0",
        "attribution": [
            "Trained on HAM10000 (Tschandl P. et al. 2018, doi 10.1038/sdata.2018.161), CC BY-NC-SA 4.0.",
            "Trained on 763 pictures of the ISIC Archive that are not in HAM10000, CC0 or CC BY-NC.",
            "Initial weights: MobileNetV2, Sandler M. et al. 2018, TensorFlow authors, Apache-2.0.",
        ],
        "source": {"name": "HAM10000", "doi": "10.1038/sdata.2018.161", "licence": "CC-BY-NC-SA-4.0"},
    },
}
Tensors = dict[str, torch.Tensor]


def halved(tensors: Tensors) -> Tensors:
    """16-bit copies."""
    return {k: v.detach().half().contiguous() for k, v in tensors.items()}


def describe(file: Path) -> dict[str, Any]:
    """Size and hash of a pack's file."""
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_pack(folder: Path, manifest: dict[str, Any], tensors: Tensors, net: Net, card: str) -> None:
    """Writes the four files of a pack; the manifest last, because it holds the others' hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(halved(tensors), folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)
    nodes = ",\n".join("  " + json.dumps(n) for n in net.network["nodes"])
    outputs = json.dumps(net.network["outputs"])
    (folder / "network.json").write_text(f'{{"nodes": [\n{nodes}\n], "outputs": {outputs}}}\n')
    (folder / "MODEL_CARD.md").write_text(card)
    manifest["files"] = {f: describe(folder / f) for f in ["weights.safetensors", "network.json", "MODEL_CARD.md"]}
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")


def build(
    pack: str, recipe: Recipe, folds: Folds, fold: int | None, findings_balance: float, scope_k: int, flip: bool
) -> tuple[dict[str, Any], Tensors, Net]:
    """Manifest and tensors of the pack of one fold (fitted on the other four) or of everything."""
    info = folds.info
    keep = np.ones(len(folds.label), bool) if fold is None else folds.fold != fold
    scale, shift = folds.head(keep)
    logits = folds.raw * scale + shift
    photo = fit_photo(folds, logits, keep, folds.guessed(scope_k))
    log_p = log_softmax(logits / photo.temperature, 1)

    names = [x.label for x in data.LABELS[pack]]
    findings = fit_findings(folds, log_p, keep, findings_balance)

    net = Net(len(names)).load_tensors(load_file(str(train(pack, recipe, fold))))
    with torch.no_grad():
        net.head.weight *= torch.from_numpy(scale).float()[:, None]
        net.head.bias.copy_(net.head.bias * torch.from_numpy(scale).float() + torch.from_numpy(shift).float())
    own = predictions(pack, recipe, fold)
    scope = Scope.fit(own["train_features"], info.label[own["train_rows"]], scope_k)
    scope.threshold = scope_threshold(folds, scope_k, [f for f in range(data.FOLDS) if f != fold])

    guess = fit_guess(pack, scope, info, own)

    about = ABOUT[pack]
    learned = info.train(fold)
    source = about["source"] | {
        "pictures": len({info.files[i].name for i in learned}),
        "patients": len(set(info.group[learned])),
    }
    sources = [source, IMAGENET]
    if pack == "dermoscopy":
        extra = sum(f.parent.parent.name == "isic_extra" for f in info.files)
        source["pictures"] -= extra
        source["lesions"] = source.pop("patients") - extra
        sources.insert(1, {"name": "ISIC Archive, not in HAM10000", "licence": "CC0-1.0 AND CC-BY-NC-4.0",
                           "pictures": extra})  # fmt: skip
    manifest: dict[str, Any] = {
        "format": 1,
        "kind": "image-model",
        "id": pack if fold is None else f"{pack}-fold{fold}",
        **{k: about[k] for k in ["version", "title_zh", "title_en", "licence", "attribution"]},
        "sources": sources,
        "files": {},
        "input": {
            "size": recipe.size,
            "fit": data.FIT[pack],
            "filter": "bilinear",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "flip_average": flip,
        },
        "labels": [{"label": x.label, "slug": x.slug, "malignant": x.malignant} for x in data.LABELS[pack]],
        "calibration": photo.manifest(),
        "scope": {"threshold": round(scope.threshold, 4)},
        **({"guesses": guess.names} if guess else {}),
        "metadata": findings.manifest(),
    }  # fmt: skip
    tensors = (
        net.tensors()
        | net.constants()
        | {
            "scope.mean": torch.from_numpy(scope.mean),
            "scope.projection": torch.from_numpy(scope.projection),
            "scope.centres": torch.from_numpy(scope.centres),
            "scope.reference": torch.from_numpy(reference(scope, own["train_features"], info.label[own["train_rows"]])),
        }
    )
    if guess:
        tensors |= {"guess.weight": torch.from_numpy(guess.weight), "guess.bias": torch.from_numpy(guess.bias)}
    return manifest, tensors, net


def reference(scope: Scope, features: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Places of at most `REFERENCES` training pictures, classes drawn alike: what a class added later must not take."""
    chance = class_weights(label, label.max() + 1, 1.0)
    n = min(REFERENCES, len(label))
    drawn = np.random.default_rng(0).choice(len(label), n, replace=False, p=chance / chance.sum())
    return scope.place(features[np.sort(drawn)])


def golden(pack_folder: Path, file: Path) -> None:
    """PyTorch's answer to an input that a formula defines, on the 16-bit weights upcast to 32 bit."""
    manifest = json.loads((pack_folder / "manifest.json").read_text())
    size = manifest["input"]["size"]
    with torch.inference_mode():
        logits, features = load_pack_network(pack_folder)(golden_input(size))
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "pack": manifest["id"],
        "weights_sha256": manifest["files"]["weights.safetensors"]["sha256"],
        "input": "x[0][c][y][x] = sin(0.1*c + 0.01*y + 0.013*x), computed in f64, rounded to f32",
        "size": size,
        "logits": [float(v) for v in logits[0]],
        "features_first_16": [float(v) for v in features[0, :16]],
        "tolerance": 1e-3,
    }
    file.write_text(json.dumps(content, indent=1) + "\n")


def golden_input(size: int) -> torch.Tensor:
    """The input of the golden vector."""
    c, y, x = (torch.arange(n, dtype=torch.float64) for n in (3, size, size))
    return torch.sin(0.1 * c[:, None, None] + 0.01 * y[None, :, None] + 0.013 * x[None, None, :]).float()[None]


class Pack:
    """A pack read back and applied as the Rust program applies it: the reference for `barefoot evaluate images`."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text())
        tensors = load_file(str(folder / "weights.safetensors"))
        self.net = load_pack_network(folder).to(memory_format=torch.channels_last)
        scope = [tensors[f"scope.{n}"].float().numpy() for n in ["mean", "projection", "centres"]]
        self.scope = Scope(*scope, threshold=self.manifest["scope"]["threshold"])
        self.guess: Guess | None = None
        if "guesses" in self.manifest:
            table = [tensors[f"guess.{n}"].float().numpy() for n in ["weight", "bias"]]
            self.guess = Guess(self.manifest["guesses"], *table)

    def calibration(self, part: dict[str, Any]) -> Calibration:
        """The numbers of one calibration block."""
        return Calibration(
            part["temperature"],
            np.array(part["set_thresholds"]),
            np.array(part["named_thresholds"]),
            part.get("set_shifts", {}),
        )

    def look(self, pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray, Guessed | None]:
        """Logits, strangeness and guesses of pictures `[size, size, 3]` in 8 bit, computed in 32 bit."""
        given = self.manifest["input"]
        logits, places = [], []
        for picture in pictures:
            pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)
            x = torch.from_numpy((pixels / 255 - given["mean"][0]) / given["std"][0])[None]
            with torch.inference_mode():
                said, features = self.net(x)
                if given.get("flip_average"):
                    said = (said + self.net(x.flip(3))[0]) / 2
            logits.append(said[0].numpy())
            places.append(self.scope.place(features.numpy())[0])
        where = np.array(places)
        return np.array(logits), self.scope.nearest(where), self.guess and self.guess.of(where)

    def with_findings(self, logits: np.ndarray, rows: list[dict[str, str]]) -> np.ndarray:
        """Logits with the known findings added, from the manifest alone."""
        part = self.manifest["metadata"]
        log_p = log_softmax(logits / self.manifest["calibration"]["temperature"], 1)
        out = part["photo_weight"] * log_p + np.array(part["bias"])
        for i, row in enumerate(rows):
            for column, value in known(row).items():
                out[i] += part["indicators"].get(f"{column}={value}", 0.0)
        return out
