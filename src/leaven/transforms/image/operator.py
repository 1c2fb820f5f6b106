"""Which pictures does an operator meet, and which must stay as they are?"""

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
"""Changes a canvas; where strength is 0 a picture stays."""
ONE_COLOUR = "the picture is of one colour"


class OnCanvas(Protocol):
    """What every fitted operator on pictures can do beside its contract: work on a canvas, so that steps are fused."""

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas: ...

    def reasons(self, pictures: Pictures) -> Mapping[str, Bools]: ...


@dataclass(frozen=True, eq=False)
class Edit:
    """A fitted operator.

    work     what it does
    p        chance that it meets a picture
    guarded  why -> bool (items + 1,): items whose pictures must stay
    even     whether a picture of one colour looks the same afterwards
    """

    work: Work
    p: float
    guarded: Mapping[str, Bools] = field(default_factory=dict)
    even: bool = False

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new picture a picture."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """The change on a canvas."""
        left = np.where(self.stays(canvas.items, keys), np.float32(0), strength).astype(np.float32)
        return self.work(canvas, keys, left)

    def stays(self, items: npt.NDArray[np.int32], keys: Keys) -> Bools:
        """bool (pictures,): by chance, or held by a guard."""
        found = np.asarray(rng.uniform(keys, 0) >= self.p)
        for held in self._held(items).values():
            found = found | held
        return found

    def reasons(self, pictures: Pictures) -> Reasons:
        """Guards of their items, and pictures in which there is nothing to see."""
        found = self._held(pictures.items)
        if self.even:
            found[ONE_COLOUR] = of_one_colour(pictures.pixels)
        return found

    def _held(self, items: npt.NDArray[np.int32]) -> Reasons:
        """An item that the catalogue did not have is held by no guard."""
        return {why: held[np.where(items < len(held), items, 0)] for why, held in self.guarded.items()}


def applied(fitted: OnCanvas, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
    """A fitted operator on pictures, by OpenCV; the input stays as it was."""
    if not len(pictures):
        return pictures
    made: Any = fitted.on(Canvas.of(pictures, OpenCv()), keys, strength).pictures()
    return replace(pictures, pixels=made)


def spread(keys: Keys, draw: int, low: float, high: float) -> Floats:
    """float64 (keys,) even between low and high: draw number `draw` of each key."""
    return low + (high - low) * rng.uniform(keys, draw)
