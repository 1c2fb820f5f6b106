"""Image noise, bounding boxes of objects on a plain background, and single-color images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.keyed_rng import draw_bits

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_LEVELS = 4_096  # quantiles: 12 bits per value, five values per draw; the first draws of a key are for parameters


def compute_normal_quantiles() -> Floats:
    """float32 (4096,): equally likely quantiles of the normal distribution, scaled to mean 0 and deviation 1."""
    from scipy.special import ndtri

    steps = ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS)
    return np.asarray(steps / steps.std(), np.float32)


@njit(cache=True, nogil=True)
def add_noise(pixels: Pixels, keys: npt.NDArray[np.uint64], levels: Floats, table: Floats) -> None:
    """Adds α(x) · noise to each value x in place. pixels (images, values); levels (images, 256): α of each value."""
    bits, part = np.uint64(12), np.uint64(4_095)
    for row in range(pixels.shape[0]):
        if not levels[row].any():
            continue
        values = pixels[row]
        for begin in range(0, len(values), 5):
            word = draw_bits(keys[row], 1_000 + begin // 5)
            for i in range(begin, min(begin + 5, len(values))):
                x = values[i]
                noisy = np.float32(x) + levels[row, x] * table[word & part] + np.float32(0.5)
                values[i] = np.uint8(min(max(noisy, np.float32(0)), np.float32(255)))
                word = word >> bits


@njit(cache=True, nogil=True)
def find_object_boxes(pixels: Pixels, tolerance: int) -> npt.NDArray[np.int64]:
    """int64 (images, 4): top, left, bottom, right (exclusive) of the object on a plain background; 0 for none.

    The background is plain if all border pixels are within `tolerance` of the first; the object is outside.
    """
    boxes = np.zeros((pixels.shape[0], 4), np.int64)
    height, width = pixels.shape[1], pixels.shape[2]
    for row in range(pixels.shape[0]):
        image = pixels[row]
        if not _has_plain_border(image, tolerance):
            continue
        top, left, bottom, right = height, width, 0, 0
        for y in range(height):
            for x in range(width):
                if _differs(image[y, x], image[0, 0], tolerance):
                    top, left = min(top, y), min(left, x)
                    bottom, right = max(bottom, y + 1), max(right, x + 1)
        if bottom > top:
            boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3] = top, left, bottom, right
    return boxes


@njit(cache=True, nogil=True)
def _differs(first: Pixels, second: Pixels, tolerance: int) -> bool:
    """Whether any channel differs by more than `tolerance`."""
    return (
        max(abs(int(first[0]) - second[0]), abs(int(first[1]) - second[1]), abs(int(first[2]) - second[2])) > tolerance
    )


@njit(cache=True, nogil=True)
def _has_plain_border(image: Pixels, tolerance: int) -> bool:
    height, width = image.shape[0], image.shape[1]
    for x in range(width):
        if _differs(image[0, x], image[0, 0], tolerance) or _differs(image[height - 1, x], image[0, 0], tolerance):
            return False
    for y in range(height):
        if _differs(image[y, 0], image[0, 0], tolerance) or _differs(image[y, width - 1], image[0, 0], tolerance):
            return False
    return True


def is_single_color(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """bool (images,): whether all pixels equal the first."""
    return np.asarray((pixels == pixels[:, :1, :1]).all(axis=(1, 2, 3)))
