"""Measures images per second of albumentations in its environment: `python images_variant.py FOLDER COUNT SECONDS`.

Prints one line of JSON: images per CPU second, with one generator for all images and reseeded for each image.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import checks for a newer version on the network

import albumentations as A
import cv2
import numpy as np

cv2.setNumThreads(1)
SIDE = 112


def build_chain() -> A.Compose:
    """Return affine, crop, flip, brightness, contrast and noise with the ranges of bench/images.py."""
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


def measure_speed(files: list[bytes], seconds: float, reseeded: bool) -> float:
    """Return images per second, including decoding."""
    chain, done = build_chain(), 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        batch = files[done % len(files) :][:64]
        views = []
        for index, file in enumerate(batch):
            image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR_RGB)
            top, left = (image.shape[0] - SIDE) // 2, (image.shape[1] - SIDE) // 2
            image = image[top : top + SIDE, left : left + SIDE]
            if reseeded:
                chain.set_random_seed(done + index)
            views.append(chain(image=image)["image"])
        np.stack(views)
        done += len(batch)
    return done / (time.process_time() - start)


if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).glob("*.jpg"))[: int(sys.argv[2])]
    files = [path.read_bytes() for path in paths]
    measure_speed(files, 0.2, False)
    speeds = {
        "shared": measure_speed(files, float(sys.argv[3]), False),
        "reseeded": measure_speed(files, float(sys.argv[3]), True),
    }
    print(json.dumps(speeds | {"version": A.__version__}))
