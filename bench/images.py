"""Measures decoded and transformed images per second on one thread, next to albumentations in the same run.

    python -m bench.peers albumentations     # once: its environment
    python -m bench images

The center 112 × 112 pixels of photographs (LEAVEN_DATA/grocery) become views of 96 × 96 by rotation, shift, shear,
zoom, crop, flip, brightness, contrast and noise. Both variants alternate, each in a separate process; the table shows
the best round in CPU seconds. "Reseeded" is albumentations with one seed per image, which makes an image independent of
its batch, as in leaven.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.peers import locate_python

if TYPE_CHECKING:
    from leaven.transforms.image import ImageChain

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "grocery" / "images" / "train"
COUNT, SECONDS, ROUNDS, BATCH = 512, 1.5, 3, 64
TARGET = 2.0


def build_chain() -> ImageChain:
    """Return the measured chain of transforms."""
    from leaven.transforms.image import (
        AddImageNoise,
        Brightness,
        Contrast,
        CropImage,
        FlipImage,
        ImageChain,
        RotateImage,
        ShearImage,
        ShiftImage,
        ZoomImage,
    )

    geometry = (RotateImage((-15, 15)), ShiftImage(), ShearImage((-10, 10)), ZoomImage((0.9, 1.1)))
    cut = CropImage(size=(96, 96), restore_size=False)
    return ImageChain((*geometry, cut, FlipImage(), Brightness(), Contrast(), AddImageNoise((2, 16))))


def measure_speeds() -> dict[str, float]:
    """Return images per second of leaven: decoded, and decoded and transformed."""
    from leaven import rng
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import Images, decode_image, resize_image

    files = [path.read_bytes() for path in sorted(DATA.glob("*.jpg"))[:COUNT]]
    fitted = build_chain().fit(Catalog(ids=[]))
    keys = rng.derive_user_ids([str(index) for index in range(len(files))])
    ones = np.ones(BATCH, np.float32)

    def process_batch(begin: int, change: bool) -> None:
        batch = files[begin : begin + BATCH]
        decoded = [image for file in batch if not isinstance(image := decode_image(file), str)]
        images = Images.from_pixels(np.stack([resize_image(image, (112, 112), "cover") for image in decoded]))
        if change:
            fitted(images, keys[begin : begin + BATCH], ones[: len(decoded)])

    speeds = {}
    for name, change in (("decoded", False), ("whole", True)):
        process_batch(0, change)
        done, start = 0, time.process_time()
        while time.process_time() - start < SECONDS:
            process_batch(done % len(files), change)
            done += BATCH
        speeds[name] = done / (time.process_time() - start)
    return speeds


def run_variant(call: list[str]) -> dict[str, float]:
    """Return the JSON in the last line that a command prints."""
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{call}: exit {done.returncode}\n{done.stderr[-2000:]}")
    speeds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return speeds


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    if "--measure" in (sys.argv[1:] if arguments is None else arguments):
        print(json.dumps(measure_speeds()))
        return
    python = locate_python("albumentations")
    if not DATA.exists() or not python.exists():
        missing = DATA if not DATA.exists() else python
        print(f"skipped: {missing} is missing (LEAVEN_DATA; python -m bench.peers albumentations)")
        return
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    leaven_runs, peer_runs = [], []
    script = str(Path(__file__).with_name("images_variant.py"))
    for _ in range(ROUNDS):
        leaven_runs.append(run_variant([sys.executable, "-m", "bench.images", "--measure"]))
        peer_runs.append(run_variant([str(python), script, str(DATA), str(COUNT), str(SECONDS)]))
    best = {name: max(run[name] for run in leaven_runs) for name in leaven_runs[0]}
    peer = {name: max(run[name] for run in peer_runs) for name in ("shared", "reseeded")}
    print(
        f"One thread, load {os.getloadavg()[0]:.1f}, albumentations {peer_runs[0]['version']}, "
        f"best of {ROUNDS} rounds.\n"
    )
    print("| variant | images/s |\n|---|---:|")
    print(f"| leaven, decoded only | {best['decoded']:,.0f} |")
    print(f"| leaven, decoded and transformed | {best['whole']:,.0f} |")
    print(f"| albumentations, decoded and transformed | {peer['shared']:,.0f} |")
    print(f"| albumentations, reseeded for each image | {peer['reseeded']:,.0f} |")
    ratio, strict = best["whole"] / peer["shared"], best["whole"] / peer["reseeded"]
    verdict = "target reached" if ratio >= TARGET else "target missed"
    print(f"\nleaven over albumentations: {ratio:.2f} ×, {strict:.2f} × against reseeded; {verdict} ({TARGET:g} ×).")


if __name__ == "__main__":
    main()
