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
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression

COVERAGE = 0.9
NAMED_ACCURACY = 0.85
NAMED_MARGIN = 0.02
"""The thresholds are chosen for a little more than the accuracy promised, because they are chosen on few pictures."""
NEVER = 2.0
"""A threshold that no probability reaches."""
SHIFT_PENALTY = 0.3
GROUPED = ["age", "gender", "region", "fitspatrick"]
"""Findings in whose groups the set must hold its 90 %; symptoms are none."""
GROUP_COVERAGE, GROUP_RESERVE = 0.87, 0.3
"""What each group's coverage is brought to where the set heeds a guess: the first, plus the second over the root of the
group's size, because what a small group shows on one half of the pictures it does not hold on the other."""
CLASS_COVERAGE, MOST_COVERAGE = 0.895, 0.91
LEAST_GROUP, LEAST_REGION = 24, 8
GUESS_PENALTY = 3.0
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


def conformal(p: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Class-conditional conformal thresholds: a class is in the set when 1 - p <= its threshold."""
    out = np.ones(p.shape[1])
    for c in range(p.shape[1]):
        score = np.sort(1 - p[label == c, c])
        rank = int(np.ceil((len(score) + 1) * COVERAGE)) - 1
        out[c] = score[rank] if rank < len(score) else 1.0
    return out


def known_groups(rows: list[dict[str, str]]) -> list[list[str]]:
    """The groups of each row that are known, under the names of the manifest."""
    return [[f"{column}={value}" for column, value in known(row).items() if column in GROUPED] for row in rows]


def fit_shifts(p: np.ndarray, label: np.ndarray, groups: list[list[str]]) -> dict[str, float]:
    """How much each known group widens (above 0) or narrows the set.

    Quantile regression of -log p[true class] on classes and groups (Gibbs, Cherian, Candès 2023, "Conformal prediction
    with conditional guarantees"), the groups' part shrunk towards none; the pinball loss is smoothed to have a slope.
    """
    names = sorted({name for row in groups for name in row})
    column = {name: i for i, name in enumerate(names)}
    n, classes, soft = len(label), p.shape[1], 0.02
    x = np.zeros((n, classes + len(names)))
    x[np.arange(n), label] = 1
    for i, row in enumerate(groups):
        for name in row:
            x[i, classes + column[name]] = 1
    score = -np.log(np.maximum(p[np.arange(n), label], 1e-6))

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        over, shift = score - x @ b, b[classes:]
        value = (COVERAGE * over + soft * np.logaddexp(0, -over / soft)).mean() + SHIFT_PENALTY * (shift**2).sum() / n
        slope = -((COVERAGE - expit(-over / soft)) @ x) / n
        slope[classes:] += 2 * SHIFT_PENALTY * shift / n
        return float(value), slope

    start = np.zeros(x.shape[1])
    start[:classes] = [np.quantile(score[label == c], COVERAGE) if (label == c).any() else 0 for c in range(classes)]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return {name: round(float(v), 5) for name, v in zip(names, best[classes:], strict=True)}


def fit_even(
    p: np.ndarray, label: np.ndarray, groups: list[list[str]], shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds of the classes, and how much each guess widens the set: the smallest sets that cover every class and
    every group as often as wanted, and all pictures no more often than `MOST_COVERAGE`.

    `shares` [n, guesses] is what the picture is guessed to be. The groups themselves are known here and not at run
    time. Whether a class is in the set is smoothed to have a slope, first widely, then less; that the top class is
    always in it is taken into account. All is shrunk a little towards none.
    """
    n, classes = p.shape
    row, top, log_p = np.arange(n), p.argmax(1), np.log(np.maximum(p, 1e-6))
    names = sorted({name for row_groups in groups for name in row_groups})
    member = np.array([[name in row_groups for name in names] for row_groups in groups], float).reshape(n, len(names))
    member = member[:, member.sum(0) >= LEAST_GROUP]
    wanted = GROUP_COVERAGE + GROUP_RESERVE / np.sqrt(member.sum(0))
    member = np.hstack([member, np.eye(classes)[label]])
    member = member[:, member.sum(0) >= LEAST_GROUP]
    wanted = np.r_[wanted, np.full(member.shape[1] - len(wanted), CLASS_COVERAGE)]
    member /= member.sum(0)

    def loss(b: np.ndarray, soft: float) -> tuple[float, np.ndarray]:
        inside = expit((log_p + (shares @ b[classes:])[:, None] - b[:classes]) / soft)
        slope = inside * (1 - inside) / soft
        inside[row, top], slope[row, top] = 1, 0
        covered = inside[row, label]
        lacking = np.maximum(0, wanted - covered @ member)
        over = max(0.0, covered.mean() - MOST_COVERAGE)
        value = inside.sum(1).mean() + 300 * (lacking**2).sum() + 3000 * over**2 + GUESS_PENALTY * (b**2).sum() / n
        pull = np.full((n, classes), 1 / n)
        pull[row, label] += 6000 * over / n - 600 * member @ lacking
        pull *= slope
        return float(value), np.r_[-pull.sum(0), pull.sum(1) @ shares] + 2 * GUESS_PENALTY * b / n

    best = np.r_[np.full(classes, -2.5), np.zeros(shares.shape[1])]
    for soft, steps in ((1.0, 60), (0.25, 150)):
        best = minimize(loss, best, (soft,), jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    return 1 - np.exp(best[:classes]), best[classes:]


def widened(p: np.ndarray, groups: list[list[str]], shifts: dict[str, float]) -> np.ndarray:
    """p times e^(sum of the known groups' shifts): what the thresholds of the set are compared with."""
    return p * np.exp([sum(shifts.get(name, 0.0) for name in row) for row in groups])[:, None]


def prediction_set(p: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The set as booleans; the top class is always in it."""
    inside = 1 - p <= thresholds + 1e-6
    inside[np.arange(len(p)), p.argmax(1)] = True
    return inside


def log_odds(p: np.ndarray) -> np.ndarray:
    """Log-odds of the top probability."""
    top = p.max(1)
    return np.log(top / (1 - top + 1e-6))


def fit_named(p: np.ndarray, label: np.ndarray) -> np.ndarray:
    """For each class the least probability at which it may be named, so that those named are right often enough.

    The chance of being right is a logistic curve of the top probability with a step for the class that is said, shrunk
    towards none: a photo that "is a melanoma" at .8 is right less often than one that "is a keratosis" at .8. Curves
    and not running accuracies, because those of a few hundred pictures jump about.
    """
    classes, said, right = p.shape[1], p.argmax(1), p.argmax(1) == label
    never = np.full(classes, NEVER)
    if right.all() or not right.any():
        return never
    x = np.column_stack([log_odds(p), np.eye(classes)[said]])
    curve = LogisticRegression(C=1.0, max_iter=1000).fit(x, right)
    chance = np.sort(curve.predict_proba(x)[:, 1])[::-1]
    good = np.flatnonzero(np.cumsum(chance) / np.arange(1, len(chance) + 1) >= NAMED_ACCURACY + NAMED_MARGIN)
    slope = curve.coef_[0, 0]
    if not len(good) or slope <= 0:
        return never
    enough = logit(min(chance[good[-1]], 1 - 1e-9))
    odds = (enough - curve.intercept_[0] - curve.coef_[0, 1:]) / slope
    spoken = np.bincount(said, minlength=classes) > 0
    return np.where(spoken, expit(odds), NEVER)


Answer = tuple[np.ndarray, np.ndarray, np.ndarray]


def where_known(both: Answer, photo: Answer, rows: list[dict[str, str]]) -> Answer:
    """The answer with findings, but that of the photo alone for rows of which nothing is known: as the program does."""
    something = np.array([bool(known(row)) for row in rows])
    keep = [np.where(something.reshape(-1, *[1] * (b.ndim - 1)), b, a) for b, a in zip(both, photo, strict=True)]
    return keep[0], keep[1], keep[2]


@dataclass
class Calibration:
    """What turns logits into an answer."""

    temperature: float
    set_thresholds: np.ndarray
    named_thresholds: np.ndarray
    set_shifts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        logits: np.ndarray,
        label: np.ndarray,
        rows: list[dict[str, str]] | None = None,
        guessed: Guessed | None = None,
    ) -> Calibration:
        """Fits temperature first, the rest on top of it; with `rows`, the set heeds the groups that are known; with
        `guessed` too, it is made even over them but heeds only what the picture is guessed to be."""
        temperature = fit_temperature(logits, label)
        p = softmax(logits / temperature, 1)
        if guessed is not None:
            assert rows is not None
            thresholds, widths = fit_even(p, label, known_groups(rows), guessed.shares)
            shifts = {name: round(float(w), 5) for name, w in zip(guessed.names, widths, strict=True)}
            return cls(temperature, thresholds, fit_named(p, label), shifts)
        groups = known_groups(rows) if rows is not None else [[] for _ in label]
        shifts = fit_shifts(p, label, groups) if rows is not None else {}
        return cls(temperature, conformal(widened(p, groups, shifts), label), fit_named(p, label), shifts)

    def sets(self, p: np.ndarray, rows: list[dict[str, str]], guessed: Guessed | None = None) -> np.ndarray:
        """The 90 % sets; with `guessed` they heed what the pictures are guessed to be and not what is known."""
        if guessed is None:
            wide = widened(p, known_groups(rows), self.set_shifts)
        else:
            wide = p * np.exp(guessed.shares @ [self.set_shifts.get(name, 0.0) for name in guessed.names])[:, None]
        inside = prediction_set(wide, self.set_thresholds)
        inside[np.arange(len(p)), p.argmax(1)] = True
        return inside

    def named(self, p: np.ndarray) -> np.ndarray:
        """Whether the top class may be named, scope aside."""
        return p.max(1) >= self.named_thresholds[p.argmax(1)]

    def answer(self, logits: np.ndarray, rows: list[dict[str, str]], guessed: Guessed | None = None) -> Answer:
        """Probabilities, 90 % sets, and whether the top class may be named."""
        p = softmax(logits / self.temperature, 1)
        return p, self.sets(p, rows, guessed), self.named(p)

    def manifest(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        out: dict[str, Any] = {
            "temperature": round(self.temperature, 6),
            "set_thresholds": [round(float(t), 6) for t in self.set_thresholds],
            "named_thresholds": [round(float(t), 6) for t in self.named_thresholds],
        }
        return out | ({"set_shifts": self.set_shifts} if self.set_shifts else {})


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

    def place(self, features: np.ndarray) -> np.ndarray:
        """Where pictures lie in the space."""
        return (features.astype(np.float64) - self.mean) @ self.projection.T

    def nearest(self, places: np.ndarray) -> np.ndarray:
        """Squared distance to the nearest centre."""
        return ((places[:, None] - self.centres[None]) ** 2).sum(2).min(1)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Larger is stranger."""
        return self.nearest(self.place(features))


@dataclass
class Guessed:
    """How likely each region is for each picture, `[n, names]`."""

    names: list[str]
    shares: np.ndarray

    def at(self, which: np.ndarray) -> Guessed:
        """The same of some pictures."""
        return Guessed(self.names, self.shares[which])


@dataclass
class Guess:
    """The region of the body from a picture's place in the scope's space: softmax of a linear map."""

    names: list[str]
    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, places: np.ndarray, rows: list[dict[str, str]]) -> Guess:
        """From pictures whose region is known and not rare."""
        region = np.array([known(row).get("region", "") for row in rows])
        names, count = np.unique(region, return_counts=True)
        keep = np.isin(region, names[(names != "") & (count >= LEAST_REGION)])
        model = LogisticRegression(C=0.01, max_iter=500).fit(places[keep], region[keep])
        return cls([f"region={name}" for name in model.classes_], model.coef_, model.intercept_)

    def of(self, places: np.ndarray) -> Guessed:
        """What pictures are guessed to be."""
        return Guessed(self.names, softmax(places @ self.weight.T + self.bias, 1))


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
