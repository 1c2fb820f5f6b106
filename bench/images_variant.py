"""Pictures a second by albumentations, in its own environment: `python images_variant.py FOLDER COUNT SECONDS`.

Prints one line of JSON: pictures a second of processor time, with one chance for all and reseeded for each picture.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for a newer version when imported

import albumentations as A
import cv2
import numpy as np

cv2.setNumThreads(1)
SIDE = 112


def chain() -> A.Compose:
    """Affine, crop, flip, brightness, contrast, noise: the ranges of bench/images.py."""
    return A.Compose(
        [
            A.Affine(
                rotate=(-15, 15),
                translate_percent=(-0.1, 0.1),
                shear=(-10, 10),
                scale=(0.9, 1.1),
                border_mode=cv2.BORDER_REPLICATE,
                p=1,
            ),
            A.RandomCrop(96, 96),
            A.HorizontalFlip(p=0.5),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
            A.GaussNoise(std_range=(2 / 255, 16 / 255), p=1),
        ],
        seed=7,
    )


def speed(files: list[bytes], seconds: float, reseeded: bool) -> float:
    """Pictures a second, decoding included."""
    changed, done = chain(), 0
    began = time.process_time()
    while time.process_time() - began < seconds:
        batch = files[done % len(files) :][:64]
        made = []
        for place, held in enumerate(batch):
            picture = cv2.imdecode(np.frombuffer(held, np.uint8), cv2.IMREAD_COLOR_RGB)
            top, left = (picture.shape[0] - SIDE) // 2, (picture.shape[1] - SIDE) // 2
            picture = picture[top : top + SIDE, left : left + SIDE]
            if reseeded:
                changed.set_random_seed(done + place)
            made.append(changed(image=picture)["image"])
        np.stack(made)
        done += len(batch)
    return done / (time.process_time() - began)


if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).glob("*.jpg"))[: int(sys.argv[2])]
    held = [path.read_bytes() for path in paths]
    speed(held, 0.2, False)
    found = {"shared": speed(held, float(sys.argv[3]), False), "reseeded": speed(held, float(sys.argv[3]), True)}
    print(json.dumps(found | {"version": A.__version__}))
