"""Naming by class, sets that heed groups, and classes made of a few pictures, on numbers whose truth is known."""

import numpy as np
from scipy.special import softmax

from calibrate import MOST_COVERAGE, NEVER, Calibration, Guess, Guessed, Scope, fit_named
from extend import Prototype

Drawn = tuple[np.ndarray, np.ndarray, list[dict[str, str]]]


def drawn(n: int, random: np.random.Generator, strength: float = 3.0) -> Drawn:
    """Logits of three classes that are far less sure of themselves on the ear than on the back."""
    label = random.integers(3, size=n)
    ear = random.random(n) < 0.15
    logits = random.normal(0, 1, (n, 3)) + strength * np.eye(3)[label] * np.where(ear, 0.2, 1.0)[:, None]
    return logits, label, [{"region": "ear" if e else "back"} for e in ear]


def covered(fitted: Calibration, logits: np.ndarray, label: np.ndarray, rows: list[dict[str, str]]) -> dict[str, float]:
    inside = fitted.sets(softmax(logits / fitted.temperature, 1), rows)[np.arange(len(label)), label]
    region = np.array([r["region"] for r in rows])
    return {name: float(inside[region == name].mean()) for name in ("ear", "back")}


def test_a_group_that_is_harder_gets_wider_sets():
    random = np.random.default_rng(0)
    logits, label, rows = drawn(3000, random)
    fresh = drawn(3000, random)
    plain = covered(Calibration.fit(logits, label), *fresh)
    heeding = Calibration.fit(logits, label, rows)
    assert plain["ear"] < 0.7
    assert 0.86 < covered(heeding, *fresh)["ear"] < 0.95
    assert covered(heeding, *fresh)["back"] > 0.9, "the first class is always in the set, and on the back it is right"
    assert heeding.set_shifts["region=EAR"] > heeding.set_shifts["region=BACK"]
    assert heeding.manifest()["set_shifts"] == heeding.set_shifts


def test_a_harder_group_gets_wider_sets_from_a_guess_of_it():
    random = np.random.default_rng(3)
    logits, label, rows = drawn(4000, random, 2.0)
    fresh, truth, fresh_rows = drawn(4000, random, 2.0)

    def sight(of):
        """A guess that is right nine times in ten."""
        ear = np.array([r["region"] == "ear" for r in of])
        share = np.where(ear ^ (random.random(len(ear)) < 0.1), 0.8, 0.2)
        return Guessed(["region=BACK", "region=EAR"], np.column_stack([1 - share, share]))

    fitted = Calibration.fit(logits, label, rows, sight(rows))
    _, inside, _ = fitted.answer(fresh, fresh_rows, sight(fresh_rows))
    hit, region = inside[np.arange(len(truth)), truth], np.array([r["region"] for r in fresh_rows])
    plain = covered(Calibration.fit(logits, label), fresh, truth, fresh_rows)
    assert plain["ear"] < 0.75 and hit[region == "ear"].mean() > 0.84
    assert min(hit[truth == c].mean() for c in range(3)) > 0.87
    assert fitted.set_shifts["region=EAR"] > fitted.set_shifts["region=BACK"]
    assert hit.mean() < MOST_COVERAGE + 0.02


def test_a_guess_learns_regions_and_leaves_out_the_rare():
    random = np.random.default_rng(4)
    rows = [{"region": r} for r in ["ear"] * 100 + ["back"] * 100 + ["hand"] * 100 + ["acral"] * 3 + [""] * 20]
    places = random.normal(0, 1, (len(rows), 4))
    places[:100, 0] += 8
    places[200:300, 1] += 8
    guess = Guess.fit(places, rows)
    said = guess.of(places)
    assert said.names == ["region=BACK", "region=EAR", "region=HAND"] and np.allclose(said.shares.sum(1), 1)
    assert said.shares[:100, 1].mean() > 0.85 and said.shares[100:200, 0].mean() > 0.85
    assert (said.at(np.arange(len(rows)) < 2).shares == said.shares[:2]).all()


def test_a_class_that_is_often_wrong_needs_a_higher_probability_to_be_named():
    random = np.random.default_rng(1)
    n = 4000
    said, top = random.integers(3, size=n), random.uniform(0.4, 0.99, n)
    p = np.where(np.eye(3)[said] > 0, top[:, None], (1 - top[:, None]) / 2)
    chance = np.where(said == 2, top - 0.3, top)
    label = np.where(random.random(n) < chance, said, (said + 1) % 3)
    thresholds = fit_named(p, label)
    assert thresholds[2] > thresholds[0] + 0.05 and thresholds[2] > thresholds[1] + 0.05
    named = p.max(1) >= thresholds[said]
    assert 0.84 < (label == said)[named].mean() < 0.92
    assert (fit_named(p, said) == NEVER).all(), "always right: nothing to learn where it goes wrong"


def test_a_prototype_takes_its_own_and_leaves_the_others():
    random = np.random.default_rng(2)
    features = random.normal(0, 1, (200, 5))
    label = random.integers(2, size=200)
    features[label == 1, 0] += 4
    scope = Scope.fit(features, label, 5)
    new = random.normal(0, 1, (60, 5))
    new[:, 1] += 7
    made = Prototype.fit(scope.place(new[:20]), scope, scope.place(features), 2)
    assert (made.chance(scope.place(new[20:])) > 0.5).mean() > 0.95
    assert (made.chance(scope.place(features)) > 0.5).mean() < 0.02
    assert (1 - made.chance(scope.place(new[20:])) <= made.set_threshold).mean() > 0.75
