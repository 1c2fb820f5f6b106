"""Does augmenting photographs help to tell products apart, and how do crop size, angle and noise matter?

    python -m bench.grocery                  # everything that is missing, then the table and docs/results/grocery.svg
    python -m bench.grocery --minutes 9      # at most so long; what was measured stays in runs/grocery, and it goes on
    python -m bench.grocery --only none mixed --steps 2400   # some arms, longer: no figure is drawn

5,125 photographs of 81 products at 32 × 32 pixels: 2,640 to train, 2,485 of other shops and days to test. The same
small net takes the same steps from the same start in every arm. The interval of an arm's lift is over photographs and
seeds (bootstrap of both).
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, load_images
from leaven.protocols import ImageTransform
from leaven.transforms.image import (
    AddImageNoise,
    Brightness,
    Contrast,
    CropImage,
    FlipImage,
    ImageChain,
    RotateImage,
)

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "grocery"
KEPT = Path("runs") / "grocery"
FIGURE = Path(__file__).parent.parent / "docs" / "results" / "grocery.svg"
SEEDS, STEPS, SIDE, DRAWS = (1, 2, 3), 600, 32, 4_000
CROPS, ANGLES, LEVELS = (0.8, 0.5, 0.2), (10, 30, 90), (8, 24, 64)
ARMS: dict[str, ImageTransform | None] = {
    "none": None,
    **{f"crop {share}": CropImage((share, 1.0)) for share in CROPS},
    **{f"rotate {angle}": RotateImage((-angle, angle), fill="reflect") for angle in ANGLES},
    **{f"noise {level}": AddImageNoise((0, level)) for level in LEVELS},
    "mixed": ImageChain(
        (CropImage((0.5, 1.0)), RotateImage((-10, 10), fill="reflect"), FlipImage(), Brightness(), Contrast())
    ),
}
SAYS = {"crop": "least share of the area", "rotate": "widest angle, degrees", "noise": "strongest noise, levels"}
Hits = npt.NDArray[np.float64]


def photographs(split: str) -> Images:
    """The photographs of a folder, each with its product."""
    with (DATA / "photos.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == split]
    found = load_images([DATA / row["image"] for row in rows], (SIDE, SIDE), [int(row["item_id"]) + 1 for row in rows])
    assert not found.failures, found.failures
    return found.images


def catalog() -> Catalog:
    """The products with their words, whose colours and sides are guarded."""
    with (DATA / "items.csv").open() as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["item_id"]))
    return Catalog([row["item_id"] for row in rows], {"title": [row["title"] for row in rows]})


def measure(arm: str, seed: int, steps: int, train: Images, test: Images) -> npt.NDArray[np.bool_]:
    """bool (test photographs,): which were told rightly."""
    from leaven.nn.image_classifier import ImageClassifierTraining, train_image_classifier

    wish = ARMS[arm]
    views = None
    if wish is not None:
        fitted = wish.fit(catalog())

        def views(part: Images, keys: npt.NDArray[np.uint64]) -> Images:
            return fitted(part, keys, np.ones(len(part), np.float32))

    training = ImageClassifierTraining(key=rng.derive_key(seed, "grocery"), steps=steps, device="cpu")
    encoder = train_image_classifier(train, train.items.astype(np.int64) - 1, training, views)
    return np.asarray(encoder.predict_probabilities(test.pixels).argmax(axis=1) == test.items - 1)


def place(arm: str, seed: int, steps: int) -> Path:
    """Where the hits of one training lie."""
    return KEPT / f"{arm.replace(' ', '-')}-{seed}-{steps}.npy"


def lift(arm: Hits, base: Hits) -> tuple[float, float, float]:
    """Difference of two arms' hits (seeds, photographs), and the central 95 % of it over photographs and seeds."""
    off, draw = arm - base, rng.make_generator(rng.derive_key(0, "grocery"))
    drawn = np.empty(DRAWS)
    for at in range(DRAWS):
        rows = draw.integers(0, off.shape[0], off.shape[0])
        drawn[at] = off[rows][:, draw.integers(0, off.shape[1], off.shape[1])].mean()
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(off.mean()), float(low), float(high)


def table(hits: dict[str, Hits], steps: int) -> None:
    """Accuracy of every seed, mean, and lift over no augmentation."""
    base = hits["none"]
    print(
        f"81 products, chance {1 / 81:.3f}; {steps} steps of 64 photographs; accuracy on {base.shape[1]:,} test ones.\n"
    )
    print("| arm | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean | lift | 95 % |")
    print("|---|" + "---:|" * (len(SEEDS) + 3))
    points = []
    for arm, one in hits.items():
        cells = " | ".join(f"{share:.3f}" for share in one.mean(axis=1))
        if arm == "none":
            print(f"| {arm} | {cells} | {one.mean():.3f} | | |")
            continue
        mean, low, high = lift(one, base)
        print(f"| {arm} | {cells} | {one.mean():.3f} | {mean:+.3f} | {low:+.3f} … {high:+.3f} |")
        points.append((arm, mean, low, high))
    print(
        "\ncrop: least share of the area that stays; rotate: widest angle in degrees; noise: strongest α in levels of"
    )
    print("255; mixed: crop 0.5, rotate 10, flip, brightness and contrast in one warp and one map, colours guarded.\n")
    if len(hits) < len(ARMS):
        return
    figure(points)
    print(f"![lift by crop size, angle and noise](results/{FIGURE.name})")


def figure(points: list[tuple[str, float, float, float]]) -> None:
    """Curves of the lift over each parameter, with intervals."""
    import altair as alt

    rows = [
        {"kind": kind, "value": float(value), "lift": mean, "low": low, "high": high}
        for arm, mean, low, high in points
        if arm != "mixed"
        for kind, value in (arm.split(),)
    ]
    charts = []
    for kind, says in SAYS.items():
        data = alt.Chart(alt.Data(values=[row for row in rows if row["kind"] == kind]))
        x = alt.X("value:Q", title=says)
        y = alt.Y("lift:Q", title="lift in accuracy", axis=alt.Axis(format="+.2f"))
        zero = alt.Chart(alt.Data(values=[{"y": 0}])).mark_rule(strokeDash=[3, 3], color="#857b6c").encode(y="y:Q")
        spans = data.mark_rule(color="#12665a", strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q")
        line = data.mark_line(color="#12665a", point={"color": "#12665a"}).encode(x=x, y=y)
        charts.append((zero + spans + line).properties(title=kind, width=190, height=170))
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    alt.hconcat(*charts).resolve_scale(y="shared").configure_view(stroke=None).save(str(FIGURE))


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing; print the table when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop before a training that begins later")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps of every arm")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS), help="these arms, and none")
    wish = parser.parse_args(sys.argv[1:] if arguments is None and __name__ == "__main__" else arguments or [])
    if not DATA.exists():
        print(f"skipped: {DATA} is missing: name the folder of the data in LEAVEN_DATA")
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    asked = [(arm, seed) for seed in SEEDS for arm in ARMS if arm in {"none", *wish.only}]
    missing = [one for one in asked if not place(*one, wish.steps).exists()]
    train, test = (photographs("train"), photographs("test")) if missing else (None, None)
    began = time.monotonic()
    for done, (arm, seed) in enumerate(missing):
        if time.monotonic() - began > 60 * wish.minutes:
            print(f"{len(missing) - done} trainings are missing: go on with the same command", file=sys.stderr)
            raise SystemExit(5)
        assert train is not None
        assert test is not None
        hits = measure(arm, seed, wish.steps, train, test)
        np.save(place(arm, seed, wish.steps), hits)
        print(f"{arm}, seed {seed}: {hits.mean():.3f}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    arms = dict.fromkeys(arm for arm, _ in asked)
    hits = {arm: np.stack([np.load(place(arm, seed, wish.steps)) for seed in SEEDS]) for arm in arms}
    table({arm: one.astype(np.float64) for arm, one in hits.items()}, wish.steps)


if __name__ == "__main__":
    main()
