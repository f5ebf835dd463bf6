"""From logits to honest answers: temperature, the 90 % set, when to name, when to refuse, and what findings add.

Every function fits on what it is given and nothing else, so that evaluation can fit on four folds and measure on
the fifth, and export can fit on all five.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

COVERAGE = 0.9
NAMED_ACCURACY = 0.85
NAMED_MARGIN = 0.01
"""The threshold is chosen for a little more than the accuracy promised, because it is chosen on few pictures."""
IN_SCOPE_KEPT = 0.95
NOT_KNOWN = ["", "unk", "unknown"]
SPELLINGS = {"gender": "gender", "region": "region", "sex": "gender", "localization": "region"}
"""Columns of the data sets (PAD-UFES-20, HAM10000) and the finding that they become."""
YES_NO = ["itch", "grew", "hurt", "changed", "bleed", "elevation"]


def class_weights(label: np.ndarray, classes: int, balance: float) -> np.ndarray:
    """Weight of each row: 0 counts rows alike, 1 counts classes alike."""
    count = np.bincount(label, minlength=classes).astype(float)
    weight = np.where(count > 0, np.maximum(count, 1) ** -balance, 0)[label]
    return weight / weight.mean()


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """The temperature of least cross-entropy."""

    def loss(log_t: np.ndarray) -> float:
        return float(-log_softmax(logits / np.exp(log_t[0]), 1)[np.arange(len(label)), label].mean())

    return float(np.exp(minimize(loss, [0.0], method="Nelder-Mead").x[0]))


def fit_head(logits: np.ndarray, label: np.ndarray, balance: float) -> tuple[np.ndarray, np.ndarray]:
    """A scale and a shift for each class's logit, both shrunk towards none.

    Cures the priors of a class-balanced training and classes that are too sure of themselves. It goes into
    `head.weight` and `head.bias`; nothing at run time knows of it.
    """
    classes = logits.shape[1]
    weight = class_weights(label, classes, balance)

    def loss(parameters: np.ndarray) -> float:
        scale, shift = parameters[1 : classes + 1], parameters[classes + 1 :]
        picked = log_softmax(logits * np.exp(parameters[0] + scale) + shift, 1)[np.arange(len(label)), label]
        return float(-(weight * picked).mean() + 0.2 * (shift**2).mean() + 0.1 * (scale**2).mean())

    best = minimize(loss, np.zeros(2 * classes + 1), method="L-BFGS-B").x
    shift = best[classes + 1 :] / np.exp(best[0])
    return np.exp(best[1 : classes + 1]), shift - shift.mean()


def fit_set(p: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Class-conditional conformal thresholds: a class is in the set when 1 - p <= its threshold."""
    out = np.ones(p.shape[1])
    for c in range(p.shape[1]):
        score = np.sort(1 - p[label == c, c])
        rank = int(np.ceil((len(score) + 1) * COVERAGE)) - 1
        out[c] = score[rank] if rank < len(score) else 1.0
    return out


def prediction_set(p: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The set as booleans; the top class is always in it."""
    inside = 1 - p <= thresholds + 1e-7
    inside[np.arange(len(p)), p.argmax(1)] = True
    return inside


def fit_named(p: np.ndarray, label: np.ndarray) -> float:
    """The least top probability at which those above it are right often enough.

    Accuracy by top probability is a fitted logistic curve: the raw running accuracy of a few hundred pictures jumps
    about, and the last place where it touches the bar is a lucky one.
    """
    top, right = p.max(1), p.argmax(1) == label
    if right.all() or not right.any():
        return 1.0
    odds = np.log(top / (1 - top + 1e-6))[:, None]
    chance = LogisticRegression(C=1.0).fit(odds, right).predict_proba(odds)[:, 1]
    order = np.argsort(-top)
    accuracy = np.cumsum(chance[order]) / np.arange(1, len(top) + 1)
    good = np.flatnonzero(accuracy >= NAMED_ACCURACY + NAMED_MARGIN)
    return float(top[order][good[-1]]) if len(good) else 1.0


@dataclass
class Calibration:
    """What turns logits into an answer."""

    temperature: float
    set_thresholds: np.ndarray
    named_threshold: float

    @classmethod
    def fit(cls, logits: np.ndarray, label: np.ndarray) -> Calibration:
        """Fits temperature first, the thresholds on top of it."""
        temperature = fit_temperature(logits, label)
        p = softmax(logits / temperature, 1)
        return cls(temperature, fit_set(p, label), fit_named(p, label))

    def manifest(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return {
            "temperature": round(self.temperature, 6),
            "set_thresholds": [round(float(t), 6) for t in self.set_thresholds],
            "named_threshold": round(self.named_threshold, 6),
        }


@dataclass
class Scope:
    """Distance to the nearest class centre in a whitened subspace of the features."""

    mean: np.ndarray
    projection: np.ndarray
    centres: np.ndarray
    threshold: float = 0.0

    @classmethod
    def fit(cls, features: np.ndarray, label: np.ndarray, k: int, shrink: float = 0.1) -> Scope:
        """Principal axes of the training features, each scaled by the spread within classes."""
        features = features.astype(np.float64)
        mean = features.mean(0)
        centred = features - mean
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        axes = axes[:k]
        flat = centred @ axes.T
        centres = np.stack([flat[label == c].mean(0) for c in np.unique(label)])
        within = flat - np.stack([flat[label == c].mean(0) for c in range(label.max() + 1)])[label]
        covariance = within.T @ within / len(within)
        covariance = (1 - shrink) * covariance + shrink * np.eye(k) * np.trace(covariance) / k
        values, vectors = np.linalg.eigh(covariance)
        whiten = (vectors / np.sqrt(values)) @ vectors.T
        return cls(mean, whiten @ axes, centres @ whiten.T)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Larger is stranger."""
        flat = (features.astype(np.float64) - self.mean) @ self.projection.T
        return ((flat[:, None] - self.centres[None]) ** 2).sum(2).min(1)


def known(row: dict[str, str]) -> dict[str, str]:
    """The findings of one row that are known, under the names of the manifest: `region=FACE`, `age=60`, ..."""
    out: dict[str, str] = {}
    if row.get("age", "").lower() not in NOT_KNOWN:
        out["age"] = str(min(90, max(0, int(float(row["age"])) // 10 * 10)))
    for column, name in SPELLINGS.items():
        if row.get(column, "").lower() not in NOT_KNOWN:
            out[name] = row[column].upper()
    if row.get("fitspatrick", "").lower() not in NOT_KNOWN:
        out["fitspatrick"] = str(int(float(row["fitspatrick"])))
    for column in YES_NO:
        if row.get(column, "").lower() in ("true", "false"):
            out[column] = row[column].lower()
    return out


@dataclass
class Encoder:
    """Findings as columns that are zero on average among the known, and exactly zero when unknown.

    So *that* something was recorded says nothing: in PAD-UFES-20 it nearly tells whether there was a biopsy.
    """

    frequency: dict[str, dict[str, float]] = field(default_factory=dict)
    missingness: bool = False
    """Adds a column per finding for 'not recorded'. Only to measure what that artefact would bring; never shipped."""

    @classmethod
    def fit(cls, rows: list[dict[str, str]], missingness: bool = False) -> Encoder:
        """Counts how often each known value occurs."""
        count: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for row in rows:
            for column, value in known(row).items():
                count[column][value] += 1
        share = {c: {v: n / sum(vs.values()) for v, n in sorted(vs.items())} for c, vs in sorted(count.items())}
        return cls(share, missingness)

    def columns(self) -> list[tuple[str, str]]:
        """Column and value of each number."""
        return [(c, v) for c, values in self.frequency.items() for v in values]

    def one(self, column: str, value: str | None) -> list[float]:
        """The numbers of one column."""
        values = self.frequency[column]
        out = [0.0] * len(values) if value not in values else [float(v == value) - f for v, f in values.items()]
        return [*out, float(value is None)] if self.missingness else out

    def encode(self, rows: list[dict[str, str]]) -> np.ndarray:
        """All rows as numbers."""
        out = []
        for row in rows:
            have = known(row)
            out.append([x for column in self.frequency for x in self.one(column, have.get(column))])
        return np.array(out)


@dataclass
class Findings:
    """Additive logits: photo_weight * log p_photo + bias + the sum of the known findings' indicators."""

    encoder: Encoder
    weights: np.ndarray
    bias: np.ndarray
    photo_weight: float
    calibration: Calibration | None = None

    @classmethod
    def fit(
        cls,
        expert_rows: list[dict[str, str]],
        expert_label: np.ndarray,
        log_p: np.ndarray,
        rows: list[dict[str, str]],
        label: np.ndarray,
        balance: float,
        missingness: bool = False,
        penalty: float = 0.3,
    ) -> Findings:
        """First an expert that knows only questionnaires, then how far to trust it and the photo."""
        encoder = Encoder.fit(expert_rows, missingness)
        classes = log_p.shape[1]
        expert = LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced")
        expert.fit(encoder.encode(expert_rows), expert_label)
        said = encoder.encode(rows) @ expert.coef_.T
        weight = class_weights(label, classes, balance)

        def loss(parameters: np.ndarray) -> float:
            logits = np.exp(parameters[0]) * log_p + np.exp(parameters[1]) * said + parameters[2:]
            picked = log_softmax(logits, 1)[np.arange(len(label)), label]
            return float(-(weight * picked).mean() + 0.01 * (parameters[2:] ** 2).mean())

        best = minimize(loss, np.zeros(classes + 2), method="L-BFGS-B").x
        return cls(encoder, np.exp(best[1]) * expert.coef_.T, best[2:] - best[2:].mean(), float(np.exp(best[0])))

    def logits(self, log_p: np.ndarray, rows: list[dict[str, str]]) -> np.ndarray:
        """Logits with the findings."""
        return self.photo_weight * log_p + self.bias + self.encoder.encode(rows) @ self.weights

    def manifest(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        indicators, at = {}, 0
        for column, values in self.encoder.frequency.items():
            block = self.weights[at : at + len(values)]
            for value in values:
                numbers = np.array(self.encoder.one(column, value)) @ block
                indicators[f"{column}={value}"] = [round(float(x), 5) for x in numbers]
            at += len(values)
        assert self.calibration is not None
        return {
            "photo_weight": round(self.photo_weight, 6),
            "bias": [round(float(b), 5) for b in self.bias],
            "indicators": indicators,
            "calibration": self.calibration.manifest(),
        }
