"""What can be told of a picture: how bright, how sharp, how noisy, and is it another one over again?

Pure functions of uint8 (pictures, side, side, 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import Pixels, resized
from leaven.metrics.synthetic.distribution_distances import squared_distances

Points = npt.NDArray[np.float64]

SIGNS = ("brightness", "contrast", "red", "green", "blue", "colourfulness", "sharpness", "edge to middle")
LEVELS = (2.0, 8.0, 32.0)
"""Standard deviations of noise, in levels of 255, that a denoiser is asked to take away."""
_PATCH = 8  # pixels of a side
_LEARNED = 50_000  # patches that a denoiser learns from
_CHUNK = 256  # pictures at a time
_THUMB = 16  # pixels of a side by which copies are known
_SAME = 3.0  # levels of 255: what compressing and resizing change of a thumbnail


def signs(pixels: Pixels) -> Points:
    """float64 (pictures, 8): what `SIGNS` names, in levels of 255."""
    found = np.empty((len(pixels), len(SIGNS)))
    for low in range(0, len(pixels), _CHUNK):
        part = pixels[low : low + _CHUNK].astype(np.float64)
        grey, mean = part.mean(axis=3), part.mean(axis=(1, 2))  # (n, side, side), (n, 3)
        edges = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
        far = part.max(axis=3) - part.min(axis=3)
        side = grey.shape[1] // 4
        middle = grey[:, side : -side or None, side : -side or None].mean(axis=(1, 2))
        whole = grey.mean(axis=(1, 2))
        columns = [whole, grey.std(axis=(1, 2)), *mean.T, far.mean(axis=(1, 2)), edges, whole - middle]
        found[low : low + len(part)] = np.column_stack(columns)
    return found


@dataclass(frozen=True, eq=False)
class PatchDenoiser:
    """What the best linear denoiser takes away from patches of 8 × 8, at several strengths of noise.

    mean (width,), directions (width, width), variance (width,) of the patches of one real fold; usual (levels,): what
    it takes from a picture of that fold, on average.
    """

    mean: Points
    directions: Points
    variance: Points
    usual: Points

    @classmethod
    def fit(cls, pixels: Pixels, chance: np.random.Generator) -> PatchDenoiser:
        """Learned from real pictures. Wiener's filter: of each principal direction of patches with variance v, noise of
        variance s takes the share s / (v + s) away (Gonzalez and Woods, Digital Image Processing, 2018, section 5.8).
        """
        held = _patches(pixels)
        patches = held.reshape(-1, held.shape[2])
        chosen = patches[chance.permutation(len(patches))[:_LEARNED]].astype(np.float64)
        mean = chosen.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov(chosen, rowvar=False))
        law = cls(mean, directions, np.maximum(variance, 0.0), np.ones(len(LEVELS)))
        usual = law.residuals(pixels).mean(axis=0)
        return cls(law.mean, law.directions, law.variance, np.where(usual > 0, usual, 1.0))

    def residuals(self, pixels: Pixels) -> Points:
        """float64 (pictures, levels): root mean square of what is taken away, 1 as in the real fold on average."""
        shares = [(level**2 / (self.variance + level**2)) ** 2 for level in LEVELS]
        found = np.empty((len(pixels), len(LEVELS)))
        for low in range(0, len(pixels), _CHUNK):
            patches = _patches(pixels[low : low + _CHUNK]).astype(np.float64) - self.mean  # (n, patches, width)
            squares = ((patches @ self.directions) ** 2).mean(axis=1)  # (n, width)
            found[low : low + len(patches)] = np.sqrt(squares @ np.stack(shares).T / squares.shape[1])
        return found / self.usual


def _patches(pixels: Pixels) -> npt.NDArray[np.float32]:
    """float32 (pictures, patches, width): side by side; what is left over at the edges is left out."""
    n, tall, wide = pixels.shape[:3]
    side = min(_PATCH, tall, wide)
    rows, columns = tall // side, wide // side
    cut = pixels[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side, 3)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows * columns, -1).astype(np.float32)


def thumbnails(pixels: Pixels) -> Points:
    """float64 (pictures, 768): the pictures at 16 × 16, in levels of 255."""
    size = (_THUMB, _THUMB)
    small = [resized(one, size, "stretch").ravel() for one in pixels]
    return np.stack(small).astype(np.float64) if small else np.zeros((0, _THUMB * _THUMB * 3))


def copied_from(mine: Points, training: Points) -> npt.NDArray[np.int64]:
    """int64 (pictures,): the training thumbnail that each repeats, but for compression and size; -1 for none."""
    found = np.full(len(mine), -1, np.int64)
    for low in range(0, len(mine), _CHUNK):
        part = mine[low : low + _CHUNK]
        apart = squared_distances(part, training) / part.shape[1]
        nearest = apart.argmin(axis=1)
        same = apart[np.arange(len(part)), nearest] < _SAME**2
        found[low : low + len(part)] = np.where(same, nearest, -1)
    return found
