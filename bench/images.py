"""How many pictures a second are decoded and changed, beside albumentations in the same run, on one thread?

    python -m bench.peers albumentations     # once: its environment
    python -m bench images

The middle 112 × 112 pixels of photographs (LEAVEN_DATA/grocery) become views of 96 × 96: turned, shifted, sheared,
zoomed, cut, mirrored, brighter or darker, of more or less contrast, noisy. Both arms run in turns, each in a process of
its own; the best turn counts; seconds are the processor's. "Reseeded" is albumentations with a seed a picture, which is
what gives the same picture whatever its batch, as ours does.
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

from bench.peers import python_of

if TYPE_CHECKING:
    from leaven.transforms.image import ImageChain

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "grocery" / "images" / "train"
COUNT, SECONDS, TURNS, BATCH = 512, 1.5, 3, 64
WANTED = 2.0


def wish() -> ImageChain:
    """The chain of the measurement."""
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


def measure() -> dict[str, float]:
    """Pictures a second of ours: decoded, decoded and changed."""
    from leaven import rng
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.images import Images, decode_image, resize_image

    held = [path.read_bytes() for path in sorted(DATA.glob("*.jpg"))[:COUNT]]
    fitted = wish().fit(Catalog(ids=[]))
    keys = rng.derive_user_ids([str(place) for place in range(len(held))])
    ones = np.ones(BATCH, np.float32)

    def work(begin: int, change: bool) -> None:
        found = [picture for one in held[begin : begin + BATCH] if not isinstance(picture := decode_image(one), str)]
        pictures = Images.from_pixels(np.stack([resize_image(picture, (112, 112), "cover") for picture in found]))
        if change:
            fitted(pictures, keys[begin : begin + BATCH], ones[: len(found)])

    speeds = {}
    for name, change in (("decoded", False), ("whole", True)):
        work(0, change)
        done, began = 0, time.process_time()
        while time.process_time() - began < SECONDS:
            work(done % len(held), change)
            done += BATCH
        speeds[name] = done / (time.process_time() - began)
    return speeds


def run(call: list[str]) -> dict[str, float]:
    """The last line that an arm prints."""
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{call}: exit {done.returncode}\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    if "--measure" in (sys.argv[1:] if arguments is None else arguments):
        print(json.dumps(measure()))
        return
    python = python_of("albumentations")
    if not DATA.exists() or not python.exists():
        missing = DATA if not DATA.exists() else python
        print(f"skipped: {missing} is missing (LEAVEN_DATA; python -m bench.peers albumentations)")
        return
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    ours, theirs = [], []
    arm = str(Path(__file__).with_name("images_variant.py"))
    for _ in range(TURNS):
        ours.append(run([sys.executable, "-m", "bench.images", "--measure"]))
        theirs.append(run([str(python), arm, str(DATA), str(COUNT), str(SECONDS)]))
    best = {name: max(one[name] for one in ours) for name in ours[0]}
    peer = {name: max(one[name] for one in theirs) for name in ("shared", "reseeded")}
    print(f"One thread, load {os.getloadavg()[0]:.1f}, albumentations {theirs[0]['version']}, best of {TURNS} turns.\n")
    print("| arm | pictures/s |\n|---|---:|")
    print(f"| leaven, decoded alone | {best['decoded']:,.0f} |")
    print(f"| leaven, decoded and changed | {best['whole']:,.0f} |")
    print(f"| albumentations, decoded and changed | {peer['shared']:,.0f} |")
    print(f"| albumentations, reseeded for each picture | {peer['reseeded']:,.0f} |")
    ratio, strict = best["whole"] / peer["shared"], best["whole"] / peer["reseeded"]
    verdict = "as wanted" if ratio >= WANTED else "not as wanted"
    print(f"\nleaven over albumentations: {ratio:.2f} ×, {strict:.2f} × when it is reseeded; {verdict} ({WANTED:g} ×).")


if __name__ == "__main__":
    main()
