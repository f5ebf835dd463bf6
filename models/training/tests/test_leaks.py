"""Nothing that a fold is tested on may have been learned from: not the patient, not the picture, not its cut-out."""

import hashlib
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

import data


@pytest.fixture(params=["clinical", "dermoscopy"])
def pictures(request):
    try:
        return data.load(request.param)
    except data.DataMissing as missing:
        pytest.skip(str(missing))


SAME = 0.992
"""Correlation of two thumbnails above which they count as one picture (re-encoded, resized, a burst shot).

A 64-bit difference hash was tried and is useless here: every picture is a dark spot in the middle of pale skin.
"""


def thumbnail(file) -> np.ndarray:
    picture = Image.open(file)
    picture.draft("RGB", (64, 64))
    values = np.asarray(picture.convert("RGB").resize((24, 24)), np.float32).ravel()
    values -= values.mean()
    return values / (np.linalg.norm(values) + 1e-6)


def test_no_patient_or_lesion_is_on_both_sides(pictures) -> None:
    for fold in range(data.FOLDS):
        learned = set(pictures.group[pictures.train(fold)])
        tested = set(pictures.group[pictures.test(fold)])
        assert tested and not learned & tested


def test_every_picture_is_tested_once_and_no_cutout_ever(pictures) -> None:
    count = np.zeros(len(pictures), int)
    for fold in range(data.FOLDS):
        count[pictures.test(fold)] += 1
    assert count.max() == 1
    assert not count[pictures.cutout].any()
    outside = np.array([".." in r["file"] for r in pictures.rows])
    assert (count[~pictures.cutout & ~outside] == 1).all()


def test_a_cutout_belongs_to_its_pictures_patient(pictures) -> None:
    owner = defaultdict(set)
    for file, group in zip(pictures.files, pictures.group, strict=True):
        owner[file.name].add(group)
    assert all(len(groups) == 1 for groups in owner.values())


def test_no_picture_is_on_both_sides_by_its_bytes(pictures) -> None:
    sides = defaultdict(set)
    for i, file in enumerate(pictures.files):
        if not pictures.cutout[i]:
            sides[hashlib.sha256(file.read_bytes()).digest()].add(int(pictures.fold[i]))
    assert all(len(folds) == 1 for folds in sides.values())


def test_no_picture_is_on_both_sides_by_its_looks(pictures):
    whole = np.flatnonzero(~pictures.cutout)
    if len(whole) > 3000:  # dermoscopy: one picture in four against one in four keeps this under a minute
        whole = whole[::4]
    looks = np.stack([thumbnail(pictures.files[i]) for i in whole])
    fold = pictures.fold[whole]
    across = (looks @ looks.T > SAME) & (fold[:, None] != fold[None])
    pairs = [(pictures.files[whole[a]].name, pictures.files[whole[b]].name) for a, b in np.argwhere(across) if a < b]
    assert not pairs


def test_strangers_are_never_learned(pictures) -> None:
    assert not {f.resolve() for f in data.out_of_scope()} & {f.resolve() for f in pictures.files}
