"""Trains one network (a fold, or everything) of a pack; resumes from its checkpoint after an interruption."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

import data
from augment import erase, geometry, light, paste_on_skin
from network import Net

MEAN = STD = 0.5
SAVE_EVERY = 100


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained."""

    size: int = 224
    steps: int = 700
    batch: int = 32
    lr: float = 4e-4
    weight_decay: float = 0.02
    frozen_nodes: int = 6
    """The first nodes keep their ImageNet weights (edges and colours; also the slowest to train)."""
    dropout: float = 0.2
    smoothing: float = 0.05
    mixup: float = 0.0
    ema: float = 0.995
    balance: float = 1.0
    """0 draws classes as often as they occur, 1 all equally often."""
    zoom_low: float = 0.6
    zoom_high: float = 1.1
    light: float = 1.0
    erase: float = 0.25
    cutouts: float = 0.7
    """How often a cut-out is drawn compared with a picture of its class; 0 leaves cut-outs out."""
    seed: int = 0
    start: str = ""
    """A pack whose network, trained on everything of its own, gives the first weights (all but the head) in place of
    ImageNet's. Its pictures must share no patient with this pack's."""
    without: str = ""
    """A label whose pictures are left out of training altogether: what a hospital would later add (`run extend`)."""
    after: Recipe | None = None
    """The recipe of an earlier stage, trained on the same fold, whose weights this one starts from."""
    also: Recipe | None = None
    """A second recipe; the two networks' weights are averaged (both start from the same weights: a model soup)."""


HAM_FIRST = Recipe(size=160, steps=500, lr=6e-4, frozen_nodes=13, cutouts=0.0, balance=0.8, zoom_low=0.7, light=0.7)
RECIPES = {
    "clinical": Recipe(size=192, steps=450),
    "dermoscopy": replace(HAM_FIRST, steps=800, seed=1, after=HAM_FIRST),
}


def recipe_name(recipe: Recipe) -> str:
    """What differs from a plain `Recipe()`."""
    changed = []
    for f in fields(Recipe):
        value = getattr(recipe, f.name)
        if value != f.default:
            shown = hashlib.sha256(recipe_name(value).encode()).hexdigest()[:6] if isinstance(value, Recipe) else value
            changed.append(f"{f.name}={shown}")
    return ",".join(changed) or "default"


def recipe_folder(pack: str, recipe: Recipe) -> Path:
    """Where a recipe's checkpoints and predictions lie; one folder for each set of choices."""
    folder = data.cache_folder() / pack / recipe_name(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def draw_weights(pictures: data.Pictures, rows: np.ndarray, recipe: Recipe) -> Tensor:
    """How likely each training row is drawn."""
    label, cutout = pictures.label[rows], pictures.cutout[rows]
    seen = {Path(pictures.files[i]).name for i in rows if not pictures.cutout[i]}
    again = np.array([pictures.cutout[i] and pictures.files[i].name in seen for i in rows])
    weight = np.where(cutout, np.where(again, recipe.cutouts * 0.4, recipe.cutouts), 1.0)
    for c in np.unique(label):
        total = weight[label == c].sum()
        weight[label == c] *= total**-recipe.balance
    return torch.from_numpy(weight)


def make_batch(pictures: np.ndarray, info: data.Pictures, rows: np.ndarray, pick: Tensor, recipe: Recipe) -> Tensor:
    """Augmented pictures, normalised."""
    chosen = rows[pick.numpy()]
    order = np.argsort(chosen)
    x = torch.from_numpy(pictures[chosen[order]][np.argsort(order)]).float() / 255
    cut = torch.from_numpy(info.cutout[chosen])
    if cut.any():
        whole = rows[~info.cutout[rows]]
        donors = whole[torch.randint(len(whole), (int(cut.sum()),)).numpy()]
        ground = torch.stack([torch.from_numpy(np.array(pictures[d])) for d in donors]).float() / 255
        x[cut] = paste_on_skin(x[cut], ground)
    x = geometry(x, recipe.size, (recipe.zoom_low, recipe.zoom_high))
    x = erase(light(x, recipe.light), recipe.erase)
    return ((x - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def predict(net: Net, pictures: np.ndarray, autocast: bool = True) -> tuple[Tensor, Tensor]:
    """Logits and features of uint8 pictures that already have the network's size."""
    logits, features = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for i in range(0, len(pictures), 32):
            x = torch.from_numpy(np.array(pictures[i : i + 32])).float() / 255
            x = ((x - MEAN) / STD).contiguous(memory_format=torch.channels_last)
            a, b = net(x)
            logits.append(a.float())
            features.append(b.float())
    return torch.cat(logits), torch.cat(features)


def train(pack: str, recipe: Recipe, fold: int | None) -> Path:
    """Trains and returns the file of tensors (the averaged weights); does nothing when it is there already."""
    folder = recipe_folder(pack, recipe)
    name = "all" if fold is None else f"fold{fold}"
    done, checkpoint = folder / f"{name}.safetensors", folder / f"{name}.checkpoint.pt"
    if done.exists():
        return done
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    if recipe.also is not None:
        one, two = (load_file(str(train(pack, r, fold))) for r in (replace(recipe, also=None), recipe.also))
        save_file({k: (one[k] + two[k]) / 2 for k in one}, done)
        return done
    torch.manual_seed(recipe.seed * 100 + (99 if fold is None else fold))
    info = data.load(pack)
    rows = info.train(fold)
    if recipe.cutouts == 0:
        rows = rows[~info.cutout[rows]]
    if recipe.without:
        rows = rows[[info.rows[i]["diagnostic"] != recipe.without for i in rows]]
    pictures = data.read_all(info.files, data.STORED_SIZE[pack], data.FIT[pack])
    weights = draw_weights(info, rows, recipe)
    target = torch.from_numpy(info.label[rows])
    classes = len(data.LABELS[pack])

    net = Net(classes, recipe.dropout)
    if recipe.after is not None:
        net.load_tensors(load_file(str(train(pack, recipe.after, fold))))
    elif recipe.start:
        given = load_file(str(train(recipe.start, RECIPES[recipe.start], None)))
        own = {k: v.detach() for k, v in net.tensors().items() if k.startswith("head.")}
        net.load_tensors(given | own)
    else:
        net.load_imagenet()
    net.to(memory_format=torch.channels_last)
    net.freeze(recipe.frozen_nodes)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    average = [p.detach().clone() for p in trained]
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, step = state["average"], state["step"]
        torch.set_rng_state(state["rng"])
    began, first, running = time.time(), step, 0.0
    net.train()
    while step < recipe.steps:
        warm = min(1.0, (step + 1) / (0.08 * recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * warm * (0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))
        pick = torch.multinomial(weights, recipe.batch, replacement=True)
        x = make_batch(pictures, info, rows, pick, recipe)
        y = F.one_hot(target[pick], classes).float()
        if recipe.mixup > 0:
            share = float(np.random.default_rng(step).beta(recipe.mixup, recipe.mixup))
            x, y = share * x + (1 - share) * x.flip(0), share * y + (1 - share) * y.flip(0)
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = net(x)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=recipe.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 2.0)
        optimiser.step()
        step += 1
        decay = min(recipe.ema, step / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in trained], 1 - decay)
        running += float(loss.detach())
        if step % SAVE_EVERY == 0 or step == recipe.steps:
            pace = (time.time() - began) / (step - first)
            print(
                f"{pack} {name} step {step}/{recipe.steps} loss {running / SAVE_EVERY:.3f} {pace:.2f} s/step",
                flush=True,
            )
            running = 0.0
            part = checkpoint.with_suffix(".part")
            torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "average": average,
                        "step": step, "rng": torch.get_rng_state()}, part)  # fmt: skip
            part.rename(checkpoint)
    with torch.no_grad():
        for p, a in zip(trained, average, strict=True):
            p.copy_(a)
    part = done.with_suffix(".part")
    save_file({k: v.detach().contiguous() for k, v in net.tensors().items()}, part)
    part.rename(done)
    checkpoint.unlink(missing_ok=True)
    return done


def predictions(pack: str, recipe: Recipe, fold: int | None) -> dict[str, np.ndarray]:
    """What a trained network says: its test pictures (all testable ones for `all`), mirrors, and out-of-scope ones."""
    weights = train(pack, recipe, fold)
    kept = weights.with_suffix(".npz")
    if kept.exists():
        return dict(np.load(kept))
    info = data.load(pack)
    net = Net(len(data.LABELS[pack])).load_tensors(load_file(str(weights))).eval().to(memory_format=torch.channels_last)
    every = data.read_all(info.files, recipe.size, data.FIT[pack])
    tested = np.flatnonzero(info.fold >= 0) if fold is None else info.test(fold)
    learned = info.train(fold)
    learned = learned[(info.fold[learned] >= 0)]
    if len(learned) > 3000:
        learned = np.random.default_rng(0).choice(learned, 3000, replace=False)
    strangers = data.read_all(data.out_of_scope(), recipe.size, data.FIT[pack])
    out: dict[str, np.ndarray] = {"rows": tested, "train_rows": learned}
    sets = {"": every[np.sort(tested)], "train_": every[np.sort(learned)], "out_": strangers}
    out["rows"], out["train_rows"] = np.sort(tested), np.sort(learned)
    for prefix, pictures in sets.items():
        logits, features = predict(net, pictures)
        mirrored, _ = predict(net, pictures[..., ::-1]) if prefix != "train_" else (logits, features)
        out |= {f"{prefix}logits": logits.numpy(), f"{prefix}mirrored": mirrored.numpy(),
                f"{prefix}features": features.half().numpy()}  # fmt: skip
    np.savez(kept, **out)
    return out


def parse_recipe(pack: str, changes: list[str]) -> Recipe:
    """`steps=500 size=192` applied to the pack's recipe; `also=` and `after=` take a quoted list of such changes."""
    recipe = RECIPES[pack]
    for change in changes:
        name, value = change.split("=", 1)
        if name in ("also", "after"):
            part = parse_recipe(pack, [c for c in value.split() if c != "none"])
            recipe = replace(recipe, **{name: None if value == "none" else replace(part, also=None, after=None)})
        else:
            recipe = replace(recipe, **{name: type(getattr(Recipe, name))(value)})
    return recipe


def main() -> None:
    """Trains the folds named on the command line, in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", choices=list(data.LABELS))
    parser.add_argument("folds", help="comma-separated fold numbers, or `all`")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    recipe = parse_recipe(arguments.pack, arguments.set)
    for fold in arguments.folds.split(","):
        said = predictions(arguments.pack, recipe, None if fold == "all" else int(fold))
        truth = data.load(arguments.pack).label[said["rows"]]
        guess = (said["logits"] + said["mirrored"]).argmax(1)
        recall = [float((guess[truth == c] == c).mean()) for c in np.unique(truth)]
        print(f"{arguments.pack} {fold}: balanced {np.mean(recall):.3f} accuracy {(guess == truth).mean():.3f}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
