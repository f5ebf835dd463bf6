"""What `barefoot pack extend` brings and costs: the arithmetic of core/vision/src/prototype.rs on known features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

import data
from calibrate import COVERAGE, Scope
from train import Recipe, predictions

DRAWS = 20


def quantile(values: np.ndarray) -> float:
    """The split-conformal quantile."""
    return float(np.sort(values)[min(int(np.ceil(COVERAGE * (len(values) + 1))), len(values)) - 1])


@dataclass
class Prototype:
    """A class made of the places of confirmed pictures."""

    scope: Scope
    centre: np.ndarray
    slope: float
    offset: float
    set_threshold: float
    reach: float

    @classmethod
    def fit(cls, places: np.ndarray, scope: Scope, reference: np.ndarray, trained: int) -> Prototype:
        """Two normal distributions of one spread, of how much nearer the new centre is than the nearest trained one."""
        n, centre = len(places), places.mean(0)
        alone = ((places - (n * centre - places) / (n - 1)) ** 2).sum(1)
        own = scope.nearest(places) - alone
        other = scope.nearest(reference) - ((reference - centre) ** 2).sum(1)
        spread = (own.var(ddof=1) + other.var(ddof=1)) / 2
        slope = (own.mean() - other.mean()) / spread
        offset = -(own.mean() ** 2 - other.mean() ** 2) / (2 * spread) - np.log(trained)
        threshold = quantile(1 - expit(slope * own + offset))
        return cls(scope, centre, slope, offset, threshold, quantile(alone))

    def chance(self, places: np.ndarray) -> np.ndarray:
        """Probability of the class against all trained ones together."""
        nearer = self.scope.nearest(places) - self.distance(places)
        return expit(self.slope * nearer + self.offset)

    def distance(self, places: np.ndarray) -> np.ndarray:
        """Squared distance to the centre."""
        return ((places - self.centre) ** 2).sum(1)


def tried(
    scope: Scope, new: np.ndarray, reference: np.ndarray, old: np.ndarray, p: np.ndarray, label: np.ndarray, n: int
) -> list[float]:
    """One row: the new class's recall and share in the set, the old pictures' losses, mean over random draws of `n`."""
    random, rows = np.random.default_rng(n), []
    classes = np.unique(label)
    recall = lambda right: float(np.mean([right[label == c].mean() for c in classes]))  # noqa: E731
    for _ in range(DRAWS):
        order = random.permutation(len(new))
        made = Prototype.fit(new[order[:n]], scope, reference, p.shape[1])
        rest = new[order[n:]]
        chance, other = made.chance(rest), made.chance(old)
        best = p.max(1)
        # Joined as in the Rust core: the trained labels share what the new class leaves.
        first, taken = chance > 0.5, other > best * (1 - other)
        right = p.argmax(1) == label
        rows.append([
            float(first.mean()),
            float((1 - chance <= made.set_threshold).mean()),
            float(taken.mean()),
            float((1 - other <= made.set_threshold).mean()),
            recall(right),
            recall(right & ~taken),
        ])  # fmt: skip
    return [float(v) for v in np.mean(rows, 0)]


def table(pack: str, recipe: Recipe, scope_k: int) -> str:
    """Foot ulcers as a new class on all folds and, where the recipe leaves a label out, that label on fold 0."""
    info, names = data.load(pack), [x.label for x in data.LABELS[pack]]
    lines = [
        "| new class | pictures | recognised first | in the set | old ones lost to it | old ones with it in their set "
        "| balanced accuracy of the old, before → after |",
        "|---|---|---|---|---|---|---|",
    ]
    ulcers = np.array([f.parent.name == "foot_ulcer" for f in data.out_of_scope()])

    def softened(logits: np.ndarray) -> np.ndarray:
        e = np.exp(logits - logits.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def add(name: str, n: int, v: list[float]) -> None:
        lines.append(f"| {name} | {n} | {v[0]:.3f} | {v[1]:.3f} | {v[2]:.3f} | {v[3]:.3f} | {v[4]:.3f} → {v[5]:.3f} |")

    whole = replace(recipe, without="")
    for n in (10, 20, 50):
        rows = []
        for fold in range(data.FOLDS) if not recipe.without else []:
            said = predictions(pack, whole, fold)
            scope = Scope.fit(said["train_features"], info.label[said["train_rows"]], scope_k)
            reference = scope.place(said["train_features"])
            new, old = scope.place(said["out_features"][ulcers]), scope.place(said["features"])
            rows.append(tried(scope, new, reference, old, softened(said["logits"]), info.label[said["rows"]], n))
        if rows:
            add("foot ulcer", n, [float(v) for v in np.mean(rows, 0)])
    if recipe.without:
        left = names.index(recipe.without)
        said = predictions(pack, recipe, 0)
        train_label, label = info.label[said["train_rows"]], info.label[said["rows"]]
        seen, old = train_label != left, label != left
        kept = [c for c in range(len(names)) if c != left]
        renumbered = np.searchsorted(kept, train_label[seen])
        scope = Scope.fit(said["train_features"][seen], renumbered, scope_k)
        new = np.concatenate([said["train_features"][~seen], said["features"][~old]])
        reference, places = scope.place(said["train_features"][seen]), scope.place(said["features"][old])
        p, truth = softened(said["logits"][old][:, kept]), np.searchsorted(kept, label[old])
        for n in (10, 20, 50):
            add(recipe.without, n, tried(scope, scope.place(new), reference, places, p, truth, n))
    return "\n".join(lines)
