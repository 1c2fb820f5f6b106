"""Provides the fitted form of image transforms, with guards and reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Pictures
from leaven.kernels.image_kernels import of_one_colour
from leaven.protocols import Keys, Strength
from leaven.transforms.image.canvas import Canvas, OpenCv

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Reasons = dict[str, Bools]
Work = Callable[[Canvas, Keys, Strength], Canvas]
"""Edits a canvas; images of strength 0 stay unchanged."""
ONE_COLOUR = "the image is of one color"


class OnCanvas(Protocol):
    """A fitted image transform that can edit a canvas, so that consecutive steps are fused."""

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas: ...

    def reasons(self, pictures: Pictures) -> Mapping[str, Bools]: ...


@dataclass(frozen=True, eq=False)
class Edit:
    """A fitted image transform.

    edit           edits the canvas
    p              probability that an image is changed
    guards         reason -> bool (items + 1,): items whose images must stay unchanged
    keeps_uniform  whether images of one color stay unchanged
    """

    work: Work
    p: float
    guarded: Mapping[str, Bools] = field(default_factory=dict)
    even: bool = False

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new image for each image."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Edits a canvas, at strength 0 for skipped images."""
        skipped = self.stays(canvas.items, keys)
        return self.work(canvas, keys, np.where(skipped, np.float32(0), strength).astype(np.float32))

    def stays(self, items: npt.NDArray[np.int32], keys: Keys) -> Bools:
        """bool (images,): unchanged by chance, or guarded."""
        skipped = np.asarray(rng.uniform(keys, 0) >= self.p)
        for guarded in self._find_guarded(items).values():
            skipped = skipped | guarded
        return skipped

    def reasons(self, pictures: Pictures) -> Reasons:
        """Guarded items, and images of one color."""
        reasons = self._find_guarded(pictures.items)
        if self.even:
            reasons[ONE_COLOUR] = of_one_colour(pictures.pixels)
        return reasons

    def _find_guarded(self, items: npt.NDArray[np.int32]) -> Reasons:
        """Reason -> bool (images,); items outside the catalog are not guarded."""
        return {why: mask[np.where(items < len(mask), items, 0)] for why, mask in self.guarded.items()}


def applied(fitted: OnCanvas, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
    """Apply a fitted transform with OpenCV; the input is not modified."""
    if not len(pictures):
        return pictures
    pixels: Any = fitted.on(Canvas.of(pictures, OpenCv()), keys, strength).pictures()
    return replace(pictures, pixels=pixels)


def spread(keys: Keys, draw: int, bounds: tuple[float, float]) -> Floats:
    """float64 (keys,) uniform between two bounds: draw number `draw` of each key."""
    low, high = bounds
    return low + (high - low) * rng.uniform(keys, draw)
