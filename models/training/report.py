"""Figures as Markdown: the tables of `run evaluate` and the model cards."""

from __future__ import annotations

import math
from typing import Any

import data
from evaluate import interval

SIMPLE = [
    ("balanced_accuracy", "balanced accuracy"),
    ("accuracy", "accuracy"),
    ("macro_f1", "macro F1"),
    ("top3", "right one among the first three"),
    ("auc_malignant", "AUC malignant / benign"),
    ("ece", "expected calibration error"),
    ("coverage90", "coverage of the 90 % set"),
    ("mean_set_size", "mean size of the 90 % set"),
    ("named_fraction", "share named"),
    ("accuracy_when_named", "accuracy when named"),
]


def share(value: float, n: int) -> str:
    """A share of n pictures with its 95 % interval (Wilson), as if no two pictures showed the same lesion or patient."""
    z = 1.96
    middle, half = (value + z * z / (2 * n)), z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{value:.3f} ({low:.2f} to {high:.2f})"


def seed_table(pooled: dict[str, Any]) -> list[str]:
    """What the platform of 2018 reported of itself: mean accuracy over diseases, how many above 95 %, the best one."""

    def best(x: dict[str, Any]) -> str:
        return f"{x['best_class']} ({x['per_class'][x['best_class']]['recall']:.3f})"

    both = pooled["with_metadata"]
    return [
        f"| the seed's table: mean accuracy over diseases | {pooled['balanced_accuracy']:.3f} "
        f"| {both['balanced_accuracy']:.3f} |",
        f"| the seed's table: diseases with accuracy above 95 % | {pooled['classes_over_95']} "
        f"| {both['classes_over_95']} |",
        f"| the seed's table: best disease | {best(pooled)} | {best(both)} |",
    ]


def tables(pack: str, per_fold: list[dict[str, Any]], pooled: dict[str, Any]) -> str:
    """All figures, photo alone and with metadata side by side."""
    lines = ["| figure | photo alone | with metadata |", "|---|---|---|"]
    both = [f["with_metadata"] for f in per_fold]
    for key, name in SIMPLE:
        cells = []
        for folds, all_of in [(per_fold, pooled), (both, pooled["with_metadata"])]:
            have = [f[key] for f in folds if f[key] is not None]
            mean, half = interval(have)
            cells.append(f"{mean:.3f} ± {half:.3f} (pooled {all_of[key]:.3f})")
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    spans = ["{:.3f} to {:.3f}".format(*x["balanced_accuracy_95"]) for x in (pooled, pooled["with_metadata"])]
    lines.insert(3, f"| the same pooled, 95 % interval by resampling | {spans[0]} | {spans[1]} |")
    lines += seed_table(pooled)
    out = pooled["out_of_scope"]
    lines += [
        f"| out-of-scope AUROC (163 strangers) | {out['auroc']:.3f} | |",
        f"| strangers refused / own pictures refused | {out['refused_fraction']:.3f} / "
        f"{out['own_refused_fraction']:.3f} | |",
        "",
        "| class | n | recall | precision | in the 90 % set | recall with metadata | precision | in the set |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for item in data.LABELS[pack]:
        a, b = pooled["per_class"][item.label], pooled["with_metadata"]["per_class"][item.label]
        lines.append(
            f"| {item.label} → `{item.slug}` | {a['n']} | {a['recall']:.3f} | {a['precision']:.3f} "
            f"| {a['coverage90']:.3f} | {b['recall']:.3f} | {b['precision']:.3f} | {b['coverage90']:.3f} |"
        )
    lines += [
        "",
        "| group | n | accuracy | in the 90 % set | accuracy with metadata | in the set |",
        "|---|---|---|---|---|---|",
    ]
    for column, values in pooled["per_group"].items():
        for value, a in values.items():
            b = pooled["with_metadata"]["per_group"][column][value]
            lines.append(
                f"| {column} {value} | {a['n']} | {a['accuracy']:.3f} | {share(a['coverage90'], a['n'])} "
                f"| {b['accuracy']:.3f} | {share(b['coverage90'], b['n'])} |"
            )
    return "\n".join(lines) + "\n"


TEXT = {
    "clinical": """## What it is for

A second look at **one lesion** photographed with a phone, in a clinic without a dermatologist: it names one of six diagnoses, or says that it cannot
tell and lists those it cannot rule out, or refuses a picture that shows none of this. The doctor makes the diagnosis. It is **not a registered medical
device**, it has not been tried on patients, and a benign answer never rules out cancer.

Not for: rashes, infections, ulcers, nails, hair, mucosa, children; pictures through a dermatoscope (there is a pack for these).

| label | covers | disease of the encyclopedia |
|---|---|---|
| ACK | actinic keratosis | `ak` |
| BCC | basal cell carcinoma | `bcc` |
| MEL | melanoma | `melanoma` |
| NEV | melanocytic naevus | `naevus` |
| SCC | squamous cell carcinoma, Bowen's disease among them | `scc` |
| SEK | seborrhoeic keratosis | `sk` |
""",
    "dermoscopy": """## What it is for

A second look at **one lesion** photographed through a dermatoscope clipped on a phone: it names one of seven diagnoses, or says that it cannot tell and
lists those it cannot rule out, or refuses the picture. The doctor makes the diagnosis. It is **not a registered medical device**, it has not been tried on
patients, and a benign answer never rules out cancer. Not for plain phone photos (there is a pack for these).

| label | covers | disease of the encyclopedia |
|---|---|---|
| akiec | actinic keratosis **and** Bowen's disease (squamous cell carcinoma in situ); counted as malignant | `ak` |
| bcc | basal cell carcinoma | `bcc` |
| bkl | seborrhoeic keratosis, solar lentigo, lichen-planus-like keratosis | `sk` |
| df | dermatofibroma | `df` |
| mel | melanoma | `melanoma` |
| nv | melanocytic naevus | `naevus` |
| vasc | angioma, angiokeratoma, pyogenic granuloma, haemorrhage. The encyclopedia has no article on adult angioma; of its articles only the pyogenic granuloma is among what this label covers, and it is the one that bleeds and must be sent on. Show the label's own words, not the article's alone | `pyog` |
""",
}

GUESS = {
    "clinical": "From the photo alone it cannot.",
    "dermoscopy": """From the photo alone it guesses the site from the picture and heeds the guess:
sets are wider where the picture looks like ear, scalp, neck or chest, narrower where it looks like trunk. Without this naevi on the scalp were in the set one time in three.""",
}

LIMITS = {
    "clinical": """## Limits

- **Skin types.** Of the pictures whose skin type is known nearly all are Fitzpatrick I-III; 23 of 569 are IV-VI. Nothing is known about darker skin.
- **Not a random sample.** The 569 whole pictures over-represent clean outlines (naevi above all); SCC (19) and MEL (34) are few, and
  their figures swing by five points with one picture more or less right.
- One country (Brazil), one project, mostly biopsied lesions; six diagnoses. Everything else that exists on skin is unknown to it, and the out-of-scope score
  was measured on chronic foot ulcers and three other pictures only.
- 980 further lesions were seen in training as cut-outs pasted on the skin of other pictures; no cut-out was ever a test.
- Metadata figures use the symptoms as the patients told them in PAD-UFES-20.
""",
    "dermoscopy": """## Limits

- **Not for sale.** The pictures are for non-commercial use; so is this pack.
- **Skin types.** HAM10000 does not record them; it comes from Austria and Australia and shows light skin. Nothing is known about darker skin.
- Trained at 200 x 150 pixels from professional dermatoscopes; clip-on lenses were not measured.
- Two thirds are naevi; `df` and `vasc` are few. Half of the diagnoses rest on histology, the others on follow-up or consensus.
- The out-of-scope score was measured on chronic foot ulcers and three other pictures, which are not dermoscopy at all: an easy test.
""",
}


def card(manifest: dict[str, Any], per_fold: list[dict[str, Any]], pooled: dict[str, Any]) -> str:
    """The model card of a pack."""
    pack = manifest["id"]
    unit = "patient" if pack == "clinical" else "lesion"
    size = manifest["input"]["size"]
    sources = "\n".join(
        f"- {s['name']}" + (f", {s['pictures']} pictures" if "pictures" in s else "")
        + (f", doi {s['doi']}" if "doi" in s else "") + f": {s['licence']}"
        for s in manifest["sources"]
    )  # fmt: skip
    return f"""# {manifest["title_en"]} ({manifest["title_zh"]})

Pack `{pack}` {manifest["version"]}, licence {manifest["licence"]}. MobileNetV2 1.0 at {size} x {size}, 16-bit weights.
{" ".join(manifest["attribution"])}

{TEXT[pack]}
## Made of

{sources}

`models/training/run train {pack}` makes it again from the data folder.

## Measured

{unit.capitalize()}-grouped 5-fold cross-validation: each picture is judged by a network that saw nothing of its {unit}, and by calibration fitted on
the other four folds. Mean over folds ± half the 95 % interval (Student's t); "pooled" is over all {pooled["n"]} pictures at once. The pack itself is trained on everything
and calibrated on these out-of-fold answers; it is not itself measured. A group below 30 pictures says little.
The recipe has a fixed length and no fold chose its own epoch or threshold; but the recipe, the correction of the head, the rule for naming, how far the set heeds groups and the layer of the
out-of-scope score were chosen by looking at these same folds and strangers, so expect a little less on new ones. Accuracy "when named" counts only pictures in scope. Where the findings are known the 90 % set heeds
age, sex, site and skin type. {GUESS[pack]} What was tried: `models/REPORT.md`. Intervals beside the groups' coverage are 95 % (Wilson).

    models/training/run evaluate {pack}

{tables(pack, per_fold, pooled)}
{LIMITS[pack]}"""
