"""How does noise come into pictures, where does their object lie, which are of one colour?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.keyed_rng import draw_bits

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_LEVELS = 4_096  # of the normal law: 12 bits a value, five values a draw; the first draws of a key are for parameters


def quantiles() -> Floats:
    """float32 (4096,): the normal law in steps of equal chance, with mean 0 and deviation 1."""
    from scipy.special import ndtri

    steps = ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS)
    return np.asarray(steps / steps.std(), np.float32)


@njit(cache=True, nogil=True)
def add_noise(pixels: Pixels, keys: npt.NDArray[np.uint64], levels: Floats, table: Floats) -> None:
    """x + α(x) · noise, in place. pixels (pictures, values); levels (pictures, 256): α of each value, 0: none."""
    bits, part = np.uint64(12), np.uint64(4_095)
    for row in range(pixels.shape[0]):
        if not levels[row].any():
            continue
        values = pixels[row]
        for begin in range(0, len(values), 5):
            word = draw_bits(keys[row], 1_000 + begin // 5)
            for place in range(begin, min(begin + 5, len(values))):
                x = values[place]
                made = np.float32(x) + levels[row, x] * table[word & part] + np.float32(0.5)
                values[place] = np.uint8(min(max(made, np.float32(0)), np.float32(255)))
                word = word >> bits


@njit(cache=True, nogil=True)
def object_boxes(pixels: Pixels, apart: int) -> npt.NDArray[np.int64]:
    """int64 (pictures, 4): top, left, bottom, right (past the end) of what stands on a plain ground; 0 where none does.

    The ground is plain where the border's pixels all lie within `apart` of the first; the object is what lies further.
    """
    found = np.zeros((pixels.shape[0], 4), np.int64)
    tall, wide = pixels.shape[1], pixels.shape[2]
    for row in range(pixels.shape[0]):
        picture = pixels[row]
        if not _plain_border(picture, apart):
            continue
        top, left, bottom, right = tall, wide, 0, 0
        for y in range(tall):
            for x in range(wide):
                if _differs(picture[y, x], picture[0, 0], apart):
                    top, left = min(top, y), min(left, x)
                    bottom, right = max(bottom, y + 1), max(right, x + 1)
        if bottom > top:
            found[row, 0], found[row, 1], found[row, 2], found[row, 3] = top, left, bottom, right
    return found


@njit(cache=True, nogil=True)
def _differs(one: Pixels, other: Pixels, apart: int) -> bool:
    return max(abs(int(one[0]) - other[0]), abs(int(one[1]) - other[1]), abs(int(one[2]) - other[2])) > apart


@njit(cache=True, nogil=True)
def _plain_border(picture: Pixels, apart: int) -> bool:
    tall, wide = picture.shape[0], picture.shape[1]
    for x in range(wide):
        if _differs(picture[0, x], picture[0, 0], apart) or _differs(picture[tall - 1, x], picture[0, 0], apart):
            return False
    for y in range(tall):
        if _differs(picture[y, 0], picture[0, 0], apart) or _differs(picture[y, wide - 1], picture[0, 0], apart):
            return False
    return True


def of_one_colour(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """bool (pictures,): every pixel is like the first."""
    return np.asarray((pixels == pixels[:, :1, :1]).all(axis=(1, 2, 3)))
