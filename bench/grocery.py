"""Measures the lift of image augmentation in product classification by crop size, angle and noise level.

    python -m bench.grocery                  # all missing trainings, then the table and docs/results/grocery.svg
    python -m bench.grocery --minutes 9      # time limit; the next call resumes from runs/grocery
    python -m bench.grocery --only none mixed --steps 2400   # some variants, more steps, without the chart

5,125 photographs of 81 products at 32 × 32 pixels: 2,640 for training, 2,485 of other shops and days for testing. The
same small net takes the same steps from the same initial weights in every variant. The interval of a variant's lift is
a bootstrap over photographs and seeds.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
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
RESULTS = Path("runs") / "grocery"
FIGURE = Path(__file__).parent.parent / "docs" / "results" / "grocery.svg"
SEEDS, STEPS, SIDE, DRAWS = (1, 2, 3), 600, 32, 4_000
CROPS, ANGLES, LEVELS = (0.8, 0.5, 0.2), (10, 30, 90), (8, 24, 64)
VARIANTS: dict[str, ImageTransform | None] = {
    "none": None,
    **{f"crop {share}": CropImage((share, 1.0)) for share in CROPS},
    **{f"rotate {angle}": RotateImage((-angle, angle), fill="reflect") for angle in ANGLES},
    **{f"noise {level}": AddImageNoise((0, level)) for level in LEVELS},
    "mixed": ImageChain(
        (CropImage((0.5, 1.0)), RotateImage((-10, 10), fill="reflect"), FlipImage(), Brightness(), Contrast())
    ),
}
AXIS_TITLES = {
    "crop": "minimum share of the area",
    "rotate": "maximum angle, degrees",
    "noise": "maximum noise, levels",
}
Hits = npt.NDArray[np.float64]


def load_photographs(split: str) -> Images:
    """Return the photographs of a split with their products."""
    with (DATA / "photos.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == split]
    loaded = load_images([DATA / row["image"] for row in rows], (SIDE, SIDE), [int(row["item_id"]) + 1 for row in rows])
    assert not loaded.failures, loaded.failures
    return loaded.images


def load_catalog() -> Catalog:
    """Return the products with their titles; colors and sides in titles restrict the transforms."""
    with (DATA / "items.csv").open() as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["item_id"]))
    return Catalog([row["item_id"] for row in rows], {"title": [row["title"] for row in rows]})


def measure_hits(variant: str, seed: int, steps: int, train: Images, test: Images) -> npt.NDArray[np.bool_]:
    """Return whether each test photograph is classified correctly, bool (photographs,)."""
    from leaven.nn.image_classifier import ImageClassifierTraining, train_image_classifier

    transform = VARIANTS[variant]
    views = None
    if transform is not None:
        fitted = transform.fit(load_catalog())

        def views(part: Images, keys: npt.NDArray[np.uint64]) -> Images:
            return fitted(part, keys, np.ones(len(part), np.float32))

    training = ImageClassifierTraining(key=rng.derive_key(seed, "grocery"), steps=steps, device="cpu")
    encoder = train_image_classifier(train, train.items.astype(np.int64) - 1, training, views)
    return np.asarray(encoder.predict_probabilities(test.pixels).argmax(axis=1) == test.items - 1)


def locate_hits(variant: str, seed: int, steps: int) -> Path:
    """Return the path of the hits of one training."""
    return RESULTS / f"{variant.replace(' ', '-')}-{seed}-{steps}.npy"


@dataclass(frozen=True)
class Lift:
    """Difference of accuracies with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def compute_lift(hits: Hits, base: Hits) -> Lift:
    """Return the lift of hits (seeds, photographs) over those of the baseline, bootstrapped over both axes."""
    difference, draw = hits - base, rng.make_generator(rng.derive_key(0, "grocery"))
    means = np.empty(DRAWS)
    n_seeds, n_photographs = difference.shape
    for index in range(DRAWS):
        rows = draw.integers(0, n_seeds, n_seeds)
        means[index] = difference[rows][:, draw.integers(0, n_photographs, n_photographs)].mean()
    low, high = np.quantile(means, (0.025, 0.975))
    return Lift(float(difference.mean()), float(low), float(high))


def print_table(hits: dict[str, Hits], steps: int) -> None:
    """Print the accuracy of every seed, the mean, and the lift over no augmentation."""
    base = hits["none"]
    print(f"81 products, chance {1 / 81:.3f}; {steps} steps of 64 photographs; accuracy on {base.shape[1]:,} images.\n")
    print("| variant | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean | lift | 95 % |")
    print("|---|" + "---:|" * (len(SEEDS) + 3))
    lifts: dict[str, Lift] = {}
    for variant, own_hits in hits.items():
        cells = " | ".join(f"{share:.3f}" for share in own_hits.mean(axis=1))
        if variant == "none":
            print(f"| {variant} | {cells} | {own_hits.mean():.3f} | | |")
            continue
        lifts[variant] = lift = compute_lift(own_hits, base)
        print(
            f"| {variant} | {cells} | {own_hits.mean():.3f} | {lift.mean:+.3f} | {lift.low:+.3f} … {lift.high:+.3f} |"
        )
    print("\ncrop: minimum share of the area; rotate: maximum angle in degrees; noise: maximum noise in levels of")
    print("255; mixed: crop 0.5, rotate 10, flip, brightness and contrast, restricted by colors and sides in titles.\n")
    if len(hits) < len(VARIANTS):
        return
    draw_chart(lifts)
    print(f"![lift by crop size, angle and noise]({FIGURE.name})")


def draw_chart(lifts: Mapping[str, Lift]) -> None:
    """Save curves of the lift over each parameter, with intervals."""
    import altair as alt

    rows = [
        {"kind": kind, "value": float(value), "lift": lift.mean, "low": lift.low, "high": lift.high}
        for variant, lift in lifts.items()
        if variant != "mixed"
        for kind, value in (variant.split(),)
    ]
    charts = []
    for kind, axis_title in AXIS_TITLES.items():
        data = alt.Chart(alt.Data(values=[row for row in rows if row["kind"] == kind]))
        x = alt.X("value:Q", title=axis_title)
        y = alt.Y("lift:Q", title="lift in accuracy", axis=alt.Axis(format="+.2f"))
        zero = alt.Chart(alt.Data(values=[{"y": 0}])).mark_rule(strokeDash=[3, 3], color="#857b6c").encode(y="y:Q")
        spans = data.mark_rule(color="#12665a", strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q")
        line = data.mark_line(color="#12665a", point={"color": "#12665a"}).encode(x=x, y=y)
        charts.append((zero + spans + line).properties(title=kind, width=190, height=170))
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    alt.hconcat(*charts).resolve_scale(y="shared").configure_view(stroke=None).save(str(FIGURE))


def main(arguments: list[str] | None = None) -> None:
    """Run the missing trainings, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no training after this time")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps of every variant")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="variants besides none")
    options = parser.parse_args(sys.argv[1:] if arguments is None and __name__ == "__main__" else arguments or [])
    if not DATA.exists():
        print(f"skipped: {DATA} is missing: set LEAVEN_DATA to the folder of public data")
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    trainings = [(variant, seed) for seed in SEEDS for variant in VARIANTS if variant in {"none", *options.only}]
    missing = [one for one in trainings if not locate_hits(*one, options.steps).exists()]
    train, test = (load_photographs("train"), load_photographs("test")) if missing else (None, None)
    start = time.monotonic()
    for done, (variant, seed) in enumerate(missing):
        if time.monotonic() - start > 60 * options.minutes:
            print(f"{len(missing) - done} trainings are missing: run the same command again", file=sys.stderr)
            raise SystemExit(5)
        assert train is not None
        assert test is not None
        hits = measure_hits(variant, seed, options.steps, train, test)
        np.save(locate_hits(variant, seed, options.steps), hits)
        print(
            f"{variant}, seed {seed}: {hits.mean():.3f}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True
        )
    variants = dict.fromkeys(variant for variant, _ in trainings)
    all_hits = {
        variant: np.stack([np.load(locate_hits(variant, seed, options.steps)) for seed in SEEDS])
        for variant in variants
    }
    print_table({variant: one.astype(np.float64) for variant, one in all_hits.items()}, options.steps)


if __name__ == "__main__":
    main()
