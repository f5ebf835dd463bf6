"""The figures of a pack: measured out of fold, the same keys as `barefoot evaluate images` prints."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import log_softmax
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

import data
from calibrate import Answer, Calibration, Findings, Guess, Guessed, Scope, fit_head, where_known
from train import Recipe, predictions

GROUPS = {
    "clinical": ["fitspatrick", "gender", "age", "region"],
    "dermoscopy": ["sex", "age", "localization"],
}
AGE_BANDS = [(0, 40, "0-39"), (40, 60, "40-59"), (60, 80, "60-79"), (80, 200, "80+")]
ECE_BINS = 15
GUESSING = ["dermoscopy"]
"""Packs whose 90 % sets heed the region that the picture is guessed to show (REPORT.md)."""


def group_value(row: dict[str, str], column: str) -> str:
    """The group a row falls in; ages in bands, empty as `unknown`."""
    text = row.get(column, "")
    if column == "age" and text:
        age = float(text)
        return next(name for low, high, name in AGE_BANDS if low <= age < high)
    if column == "fitspatrick" and text:
        return str(int(float(text)))
    return text or "unknown"


def expected_calibration_error(top: np.ndarray, right: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over 15 bins of equal width of the top probability."""
    which = np.minimum((top * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [(which == b).mean() * abs(right[which == b].mean() - top[which == b].mean()) for b in np.unique(which)]
    return float(sum(gaps))


def figures(
    pack: str, p: np.ndarray, label: np.ndarray, rows: list[dict[str, str]], inside: np.ndarray, named: np.ndarray
) -> dict[str, Any]:
    """One set of figures for pictures that are in scope."""
    labels = data.LABELS[pack]
    guess, n = p.argmax(1), len(label)
    right = guess == label
    covered = inside[np.arange(n), label]
    per_class: dict[str, dict[str, float]] = {}
    f1 = []
    for c, item in enumerate(labels):
        true, said = label == c, guess == c
        if not true.any():
            continue
        recall = float(right[true].mean())
        precision = float(right[said].mean()) if said.any() else 0.0
        f1.append(0.0 if recall + precision == 0 else 2 * recall * precision / (recall + precision))
        per_class[item.label] = {"n": int(true.sum()), "recall": recall, "precision": precision,
                                 "coverage90": float(covered[true].mean())}  # fmt: skip
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for column in GROUPS[pack]:
        values = np.array([group_value(r, column) for r in rows])
        for value in sorted(set(values)):
            at = values == value
            groups[column][value] = {"n": int(at.sum()), "accuracy": float(right[at].mean()),
                                     "coverage90": float(covered[at].mean())}  # fmt: skip
    malignant = np.array([x.malignant for x in labels])
    best = max(per_class, key=lambda k: per_class[k]["recall"])
    return {
        "n": n,
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([x["recall"] for x in per_class.values()])),
        "macro_f1": float(np.mean(f1)),
        "top3": float((np.argsort(-p, 1)[:, :3] == label[:, None]).any(1).mean()),
        "auc_malignant": float(roc_auc_score(malignant[label], p[:, malignant].sum(1))),
        "ece": expected_calibration_error(p.max(1), right),
        "coverage90": float(covered.mean()),
        "mean_set_size": float(inside.sum(1).mean()),
        "named_fraction": float(named.mean()),
        "accuracy_when_named": float(right[named].mean()) if named.any() else None,
        "per_class": per_class,
        "per_group": dict(groups),
        "classes_over_95": sum(x["recall"] > 0.95 for x in per_class.values()),
        "best_class": best,
    }


def resampled(label: np.ndarray, right: np.ndarray, owner: np.ndarray) -> list[float]:
    """95 % interval of the pooled balanced accuracy: 1,000 draws of whole patients (or lesions), with replacement."""
    owners, at = np.unique(owner, return_inverse=True)
    random, values = np.random.default_rng(0), []
    for _ in range(1000):
        times = np.bincount(random.integers(len(owners), size=len(owners)), minlength=len(owners))[at]
        true = np.bincount(label, times)
        values.append(float(np.mean((np.bincount(label, times * right) / np.maximum(true, 1))[true > 0])))
    return [float(v) for v in np.quantile(values, [0.025, 0.975])]


class Folds:
    """The out-of-fold predictions of a recipe, side by side."""

    def __init__(self, pack: str, recipes: list[Recipe], balance: float, flip: bool = True) -> None:
        self.pack, self.balance, self.flip = pack, balance, flip
        self.info = data.load(pack)
        said = [[predictions(pack, recipe, fold) for fold in range(data.FOLDS)] for recipe in recipes]
        self.said = said[0]
        order = [s["rows"] for s in self.said]
        self.rows_at = np.concatenate(order)
        self.fold = self.info.fold[self.rows_at]
        self.label = self.info.label[self.rows_at]
        self.rows = [self.info.rows[i] for i in self.rows_at]
        self.raw = np.concatenate([np.mean([self._logits(s[f], "") for s in said], 0) for f in range(data.FOLDS)])
        self.raw_out = [np.mean([self._logits(s[f], "out_") for s in said], 0) for f in range(data.FOLDS)]

    def _logits(self, said: dict[str, np.ndarray], prefix: str) -> np.ndarray:
        plain = said[f"{prefix}logits"]
        return (plain + said[f"{prefix}mirrored"]) / 2 if self.flip else plain

    def guessed(self, scope_k: int) -> Guessed | None:
        """Of each picture what the network that had not seen it guesses; None where the pack does not guess."""
        parts = []
        for said in self.said:
            scope = Scope.fit(said["train_features"], self.info.label[said["train_rows"]], scope_k)
            guess = fit_guess(self.pack, scope, self.info, said)
            if guess is None:
                return None
            parts.append(guess.of(scope.place(said["features"])))
        names = sorted({name for part in parts for name in part.names})
        shares = np.zeros((len(self.label), len(names)))
        for fold, part in enumerate(parts):
            shares[np.ix_(self.fold == fold, [names.index(name) for name in part.names])] = part.shares
        return Guessed(names, shares)

    def head(self, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The correction of the head, from some of the rows."""
        return fit_head(self.raw[keep], self.label[keep], self.balance)


def fit_guess(pack: str, scope: Scope, info: data.Pictures, said: dict[str, np.ndarray]) -> Guess | None:
    """What the middle layer tells of the region, from its own training pictures; None if the pack does not guess."""
    if pack not in GUESSING:
        return None
    return Guess.fit(scope.place(said["train_features"]), [info.rows[i] for i in said["train_rows"]])


def fit_photo(folds: Folds, logits: np.ndarray, keep: np.ndarray, guessed: Guessed | None) -> Calibration:
    """The calibration of the photo alone from the rows of `keep`."""
    if guessed is None:
        return Calibration.fit(logits[keep], folds.label[keep])
    rows = [folds.rows[i] for i in np.flatnonzero(keep)]
    return Calibration.fit(logits[keep], folds.label[keep], rows, guessed.at(keep))


def fit_findings(
    folds: Folds, log_p: np.ndarray, keep: np.ndarray, balance: float, missingness: bool = False
) -> Findings:
    """Findings and their calibration from the rows of `keep`, and no questionnaire of anybody outside it.

    The calibration sees each fold as answered by findings fitted on the other folds of `keep`.
    """
    names = [x.label for x in data.LABELS[folds.pack]]
    group = "patient_id" if folds.pack == "clinical" else "lesion_id"
    questionnaires = data.metadata_only() if folds.pack == "clinical" else folds.rows

    def fit(which: np.ndarray) -> Findings:
        hidden = {folds.rows[i][group] for i in np.flatnonzero(~which)}
        expert = [r for r in questionnaires if r[group] not in hidden]
        said = np.array([names.index(r["diagnostic"]) for r in expert])
        rows = [folds.rows[i] for i in np.flatnonzero(which)]
        return Findings.fit(expert, said, log_p[which], rows, folds.label[which], balance, missingness)

    unseen = np.zeros_like(log_p)
    for fold in np.unique(folds.fold[keep]):
        at = keep & (folds.fold == fold)
        rows = [folds.rows[i] for i in np.flatnonzero(at)]
        unseen[at] = fit(keep & (folds.fold != fold)).logits(log_p[at], rows)
    findings = fit(keep)
    rows = [folds.rows[i] for i in np.flatnonzero(keep)]
    findings.calibration = Calibration.fit(unseen[keep], folds.label[keep], rows)
    return findings


def cross_fitted(
    folds: Folds, findings_balance: float, scope_k: int, missingness: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Each fold measured with everything fitted on the other four; then all folds pooled."""
    per_fold: list[dict[str, Any]] = []
    pool: dict[str, list[Any]] = defaultdict(list)
    guessed = folds.guessed(scope_k)
    for k in range(data.FOLDS):
        test, rest = folds.fold == k, folds.fold != k
        scale, shift = folds.head(rest)
        logits = folds.raw * scale + shift
        photo = fit_photo(folds, logits, rest, guessed)
        said = folds.said[k]
        scope = Scope.fit(said["train_features"], folds.info.label[said["train_rows"]], scope_k)
        stranger, own = scope.score(said["out_features"]), scope.score(said["features"])
        threshold = scope_threshold(folds, scope_k, [f for f in range(data.FOLDS) if f != k])
        at = [i for i in range(len(test)) if test[i]]
        test_rows = [folds.rows[i] for i in at]

        def measure(answer: Answer, kind: str, of: Any) -> dict[str, Any]:
            y, rows, in_scope = of
            p, inside, sure = answer
            named = sure & in_scope
            pool[kind].append((p, y, rows, inside, named))
            return figures(folds.pack, p, y, rows, inside, named)

        of = (folds.label[test], test_rows, own <= threshold)
        alone = photo.answer(logits[test], test_rows, guessed and guessed.at(test))
        result = measure(alone, "photo", of)
        truth = np.r_[np.zeros(len(own)), np.ones(len(stranger))]
        result["out_of_scope"] = {
            "n": len(stranger),
            "auroc": float(roc_auc_score(truth, np.r_[own, stranger])),
            "refused_fraction": float((stranger > threshold).mean()),
            "own_refused_fraction": float((own > threshold).mean()),
        }
        log_p = log_softmax(logits / photo.temperature, 1)
        findings = fit_findings(folds, log_p, rest, findings_balance, missingness)
        assert findings.calibration is not None
        both = findings.calibration.answer(findings.logits(log_p[test], test_rows), test_rows)
        result["with_metadata"] = measure(where_known(both, alone, test_rows), "both", of)
        per_fold.append(result)
    joined = {}
    for kind, parts in pool.items():
        columns = list(zip(*parts, strict=True))
        joined[kind] = [list(chain(*c)) if isinstance(c[0], list) else np.concatenate(c) for c in columns]
    pooled = figures(folds.pack, *joined["photo"])
    pooled["with_metadata"] = figures(folds.pack, *joined["both"])
    group = "patient_id" if folds.pack == "clinical" else "lesion_id"
    for kind, into in [("photo", pooled), ("both", pooled["with_metadata"])]:
        p, label, rows = joined[kind][:3]
        into["balanced_accuracy_95"] = resampled(label, p.argmax(1) == label, np.array([r[group] for r in rows]))
    pooled["out_of_scope"] = {k: float(np.mean([f["out_of_scope"][k] for f in per_fold]))
                              for k in per_fold[0]["out_of_scope"]}  # fmt: skip
    return per_fold, pooled


def scope_threshold(folds: Folds, k: int, which: list[int]) -> float:
    """The score below which 95 % of unseen in-scope pictures stay."""
    unseen = []
    for f in which:
        said = folds.said[f]
        scope = Scope.fit(said["train_features"], folds.info.label[said["train_rows"]], k)
        unseen.append(scope.score(said["features"]))
    return float(np.quantile(np.concatenate(unseen), 0.95))


def interval(values: list[float]) -> tuple[float, float]:
    """Mean over folds and half the width of its 95 % interval (Student's t)."""
    v = np.array(values, float)
    return float(v.mean()), float(student.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))
