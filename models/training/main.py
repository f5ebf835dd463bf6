"""The commands of `models/training/run`: train, evaluate, fold, extend, int8, baseline."""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import data
import extend
import ranges
import report
from calibrate import Answer, where_known
from evaluate import Folds, cross_fitted, figures, interval
from export import Pack, build, golden, write_pack
from network import Net
from train import RECIPES, Recipe, parse_recipe, predict

PACKS = data.REPOSITORY / "models" / "packs"
CHOICES: dict[str, dict[str, Any]] = {
    "clinical": {"balance": 0.7, "findings_balance": 0.7, "scope_k": 128, "flip": False},
    "dermoscopy": {"balance": 0.7, "findings_balance": 0.7, "scope_k": 128, "flip": False},
}
"""What is chosen on top of the recipe; REPORT.md says from which figures."""


def in_parallel(pack: str, changes: list[str], folds: list[str]) -> None:
    """Trains folds in as many single-threaded processes as there are cores: faster than threads for a net so small."""
    jobs = int(os.environ.get("BAREFOOT_JOBS", str(os.cpu_count() or 1)))
    settings = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
    waiting, running = list(folds), []
    while waiting or running:
        while waiting and len(running) < jobs:
            command = [sys.executable, str(data.HERE / "train.py"), pack, waiting.pop(0), "--set", *changes]
            running.append(subprocess.Popen(command, env=os.environ | settings))
        time.sleep(1)
        for process in [p for p in running if p.poll() is not None]:
            running.remove(process)
            if process.returncode:
                raise SystemExit(f"A training process failed with {process.returncode}; run the command again.")


def open_folds(pack: str, recipe: Recipe) -> Folds:
    """Out-of-fold predictions under the pack's choices."""
    return Folds(pack, [recipe], CHOICES[pack]["balance"], CHOICES[pack]["flip"])


def train_pack(pack: str, recipe: Recipe, changes: list[str]) -> None:
    """Five folds, then everything, then the pack."""
    if recipe.start or recipe.without:
        raise SystemExit(
            "This recipe is for measuring only: a pack that starts from another one bears that one's licence too, "
            "and one that leaves a label out knows less than it says. Use `run evaluate` or `run extend` with it."
        )
    in_parallel(pack, changes, [str(k) for k in range(data.FOLDS)] + ["all"])
    make_pack(pack, recipe)


def make_pack(pack: str, recipe: Recipe) -> None:
    """Calibrates on the out-of-fold answers and writes the pack of the network trained on everything."""
    choice = CHOICES[pack]
    folds = open_folds(pack, recipe)
    manifest, tensors, net = build(
        pack, recipe, folds, None, choice["findings_balance"], choice["scope_k"], choice["flip"]
    )
    per_fold, pooled = cross_fitted(folds, choice["findings_balance"], choice["scope_k"])
    write_pack(PACKS / pack, manifest, tensors, net, report.card(manifest, per_fold, pooled))
    golden(PACKS / pack, data.HERE / "golden" / f"{pack}.json")
    size = sum(f.stat().st_size for f in (PACKS / pack).iterdir())
    print(f"{PACKS / pack}: {size / 1e6:.1f} MB; balanced accuracy {pooled['balanced_accuracy']:.3f} out of fold, "
          f"{pooled['with_metadata']['balanced_accuracy']:.3f} with metadata")  # fmt: skip


def evaluate_pack(pack: str, recipe: Recipe, as_json: bool, missingness: bool) -> None:
    """Every figure of the model card."""
    choice = CHOICES[pack]
    per_fold, pooled = cross_fitted(
        open_folds(pack, recipe), choice["findings_balance"], choice["scope_k"], missingness
    )
    if as_json:
        print(json.dumps({"pooled": pooled, "folds": per_fold}, indent=1))
    else:
        print(report.tables(pack, per_fold, pooled))


def fold_pack(pack: str, recipe: Recipe, fold: int) -> None:
    """A pack that has never seen one fold, an index of that fold, and Python's figures on it."""
    choice = CHOICES[pack]
    folds = open_folds(pack, recipe)
    manifest, tensors, net = build(
        pack, recipe, folds, fold, choice["findings_balance"], choice["scope_k"], choice["flip"]
    )
    folder = data.cache_folder() / "fold-packs" / manifest["id"]
    write_pack(folder / "pack", manifest, tensors, net, f"# {manifest['id']}\n\nFor comparing programs only.\n")
    rows = [folds.info.rows[i] for i in folds.info.test(fold)]
    files = [folds.info.files[i] for i in folds.info.test(fold)]
    columns = list(rows[0])
    with (folder / "index.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for row, file in zip(rows, files, strict=True):
            writer.writerow(row | {"file": str(file.resolve())})
        for file in data.out_of_scope():
            writer.writerow(dict.fromkeys(columns, "") | {"file": str(file.resolve()), "diagnostic": "OUT"})
    result = measure_index(folder / "pack", folder / "index.csv", pack)
    (folder / "python.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    print(f"barefoot evaluate images --pack {folder}/pack --index {folder}/index.csv --json", file=sys.stderr)


def measure_index(folder: Path, index: Path, pack: str) -> dict[str, Any]:
    """What `barefoot evaluate images` prints, by PyTorch in 32 bit from the pack's files and the same pixels."""
    with index.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    model = Pack(folder)
    files = [index.parent / r["file"] for r in rows]
    pictures = data.as_the_program_sees(folder, files, model.manifest["input"]["size"])
    began = time.time()
    logits, strange, guessed = model.look(pictures)
    spent = (time.time() - began) * 1000 / len(rows)
    names = [x["label"] for x in model.manifest["labels"]]
    inside = np.array([r["diagnostic"] in names for r in rows])
    own = [r for r in rows if r["diagnostic"] in names]
    label = np.array([names.index(r["diagnostic"]) for r in own])
    refused = strange > model.scope.threshold

    def measure(answer: Answer) -> dict[str, Any]:
        p, sets, named = answer
        return figures(pack, p, label, own, sets, named & ~refused[inside])

    photo = model.calibration(model.manifest["calibration"])
    alone = photo.answer(logits[inside], own, guessed and guessed.at(inside))
    result = measure(alone)
    result["out_of_scope"] = {
        "n": int((~inside).sum()),
        "auroc": float(roc_auc_score(~inside, strange)) if (~inside).any() else None,
        "refused_fraction": float(refused[~inside].mean()) if (~inside).any() else None,
        "own_refused_fraction": float(refused[inside].mean()),
    }
    findings = model.calibration(model.manifest["metadata"]["calibration"])
    both = findings.answer(model.with_findings(logits[inside], own), own)
    result["with_metadata"] = measure(where_known(both, alone, own))
    result["ms_per_image"] = spent
    return result


def baseline(pack: str) -> None:
    """The floor: ImageNet features as they are, and a logistic regression."""
    info = data.load(pack)
    tested = np.flatnonzero(info.fold >= 0)
    net = Net(len(data.LABELS[pack])).load_imagenet().eval()
    net.head = torch.nn.Identity()
    features, _ = predict(net, data.read_all(info.files, RECIPES[pack].size, data.FIT[pack])[tested])
    x, y, fold = features.numpy(), info.label[tested], info.fold[tested]
    scores = []
    for k in range(data.FOLDS):
        test = fold == k
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=3000, class_weight="balanced"))
        scores.append(balanced_accuracy_score(y[test], model.fit(x[~test], y[~test]).predict(x[test])))
        print(f"fold {k}: balanced accuracy {scores[-1]:.3f}", flush=True)
    mean, half = interval(scores)
    print(f"mean {mean:.3f} ± {half:.3f}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="models/training/run", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in [
        ("train", "train five folds and the pack"),
        ("evaluate", "print every figure of the model card"),
        ("fold", "write a fold's pack, index and figures"),
        ("extend", "what a class added from 10, 20 or 50 pictures brings and costs"),
        ("int8", "what computing in 8 bits costs in accuracy and saves in time"),
        ("baseline", "frozen ImageNet features + logistic regression"),
    ]:
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("pack", choices=list(RECIPES))
        if name == "fold":
            command.add_argument("fold", type=int, choices=range(data.FOLDS))
        if name == "evaluate":
            command.add_argument("--json", action="store_true")
            command.add_argument("--missingness", action="store_true", help="let 'not recorded' count as a finding")
        if name == "int8":
            command.add_argument("--threads", type=int, default=1)
        command.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="changes to the recipe")
    given = parser.parse_args()
    recipe = parse_recipe(given.pack, given.set)
    match given.command:
        case "train":
            train_pack(given.pack, recipe, given.set)
        case "evaluate":
            evaluate_pack(given.pack, recipe, given.json, given.missingness)
        case "fold":
            fold_pack(given.pack, recipe, given.fold)
        case "extend":
            print(extend.table(given.pack, recipe, CHOICES[given.pack]["scope_k"]))
        case "int8":
            folds = open_folds(given.pack, recipe)
            print(ranges.compare(given.pack, recipe, folds, CHOICES[given.pack], given.threads))
        case "baseline":
            baseline(given.pack)


if __name__ == "__main__":
    main()
