"""Where does each pixel come from: turned, shifted, sheared, zoomed, mirrored or cut out?

Every operator here is a matrix a picture; a chain of them is one warp (`canvas.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.kernels.image_kernels import object_boxes
from leaven.protocols import Keys, Strength
from leaven.transforms.image import safeguards
from leaven.transforms.image.canvas import Canvas, Size
from leaven.transforms.image.operator import Edit, spread
from leaven.transforms.validation import check_count, check_range, check_share, check_word

Floats = npt.NDArray[np.float64]
FILLS = ("nearest", "reflect", "constant")
_APART = 24  # levels between a plain ground and an object
_STEEPEST = 80.0  # degrees of shear: at 90 a picture has no height left


def check_fill(kind: str, fill: str, value: int, p: float) -> None:
    """SpecError unless fill mode, its value in 0..255, and the chance are what they must be."""
    check_word(f"{kind}.fill", fill, FILLS)
    check_count(f"{kind}.value", value, 0)
    check_range(f"{kind}.value", (0, value), 0, 255)
    check_share(f"{kind}.p", p)


def about_middle(linear: Floats, size: Size) -> Floats:
    """float64 (n, 3, 3): a linear map (n, 2, 2) about the middle of a picture."""
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    whole = np.zeros((len(linear), 3, 3))
    whole[:, :2, :2], whole[:, 2, 2] = linear, 1.0
    whole[:, :2, 2] = middle - linear @ middle
    return whole


def moved(right: Floats, down: Floats) -> Floats:
    """float64 (n, 3, 3): every pixel from that far to the right and below."""
    whole = np.zeros((len(right), 3, 3))
    whole[:, [0, 1, 2], [0, 1, 2]] = 1.0
    whole[:, 0, 2], whole[:, 1, 2] = right, down
    return whole


@dataclass(frozen=True)
class RotatePicture:
    """Turn pictures about their middle (旋转 rotate(x, θ)).

    angle_range  degrees, against the clock, drawn evenly per picture (× strength)
    fill         what comes in at the corners: "nearest", "reflect" or "constant", of `value` in 0..255
    p            chance that a picture is turned
    """

    angle_range: tuple[float, float] = (-30.0, 30.0)
    fill: str = "nearest"
    value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("rotate.angle_range", self.angle_range, -360, 360)
        check_fill("rotate", self.fill, self.value, self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=self.fill != "constant")

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        angle = np.deg2rad(spread(keys, 1, *self.angle_range) * strength)
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
        return canvas.moved_by(about_middle(turn, canvas.size), None, self.fill, self.value)


@dataclass(frozen=True)
class ShiftPicture:
    """Move pictures sideways and up or down.

    across_range, down_range  share of the width and of the height, drawn evenly per picture (× strength)
    fill, value, p            as of `rotate`
    """

    across_range: tuple[float, float] = (-0.1, 0.1)
    down_range: tuple[float, float] = (-0.1, 0.1)
    fill: str = "nearest"
    value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("shift.across_range", self.across_range, -1, 1)
        check_range("shift.down_range", self.down_range, -1, 1)
        check_fill("shift", self.fill, self.value, self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=self.fill != "constant")

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        right = spread(keys, 1, *self.across_range) * strength * canvas.size[1]
        down = spread(keys, 2, *self.down_range) * strength * canvas.size[0]
        return canvas.moved_by(moved(-right, -down), None, self.fill, self.value)


@dataclass(frozen=True)
class ShearPicture:
    """Lean pictures over: their top moves against their bottom.

    angle_range     degrees from upright, drawn evenly per picture (× strength)
    fill, value, p  as of `rotate`
    """

    angle_range: tuple[float, float] = (-15.0, 15.0)
    fill: str = "nearest"
    value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("shear.angle_range", self.angle_range, -_STEEPEST, _STEEPEST)
        check_fill("shear", self.fill, self.value, self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=self.fill != "constant")

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        lean = np.tan(np.deg2rad(spread(keys, 1, *self.angle_range) * strength))
        linear = np.tile(np.eye(2), (len(keys), 1, 1))
        linear[:, 0, 1] = lean
        return canvas.moved_by(about_middle(linear, canvas.size), None, self.fill, self.value)


@dataclass(frozen=True)
class ZoomPicture:
    """Bring pictures nearer or further away, about their middle.

    factor_range    above 1 larger, below smaller; drawn evenly per picture (to the power of strength)
    alike           both sides by the same factor, else each by its own, as Keras does
    fill, value, p  as of `rotate`
    """

    factor_range: tuple[float, float] = (0.8, 1.25)
    alike: bool = True
    fill: str = "nearest"
    value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("zoom.factor_range", self.factor_range, 0.05, 20)
        check_fill("zoom", self.fill, self.value, self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=self.fill != "constant")

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        across = spread(keys, 1, *self.factor_range)
        down = across if self.alike else spread(keys, 2, *self.factor_range)
        linear = np.zeros((len(keys), 2, 2))
        linear[:, 0, 0], linear[:, 1, 1] = across**-strength, down**-strength
        return canvas.moved_by(about_middle(linear, canvas.size), None, self.fill, self.value)


@dataclass(frozen=True)
class FlipPicture:
    """Mirror pictures, left to right; not those that carry writing or a logo.

    guard  items with a brand, and items whose words speak of writing, print, a side … stay; False: all may be mirrored
    down   upside down instead
    p      chance that a picture is mirrored (× strength)
    """

    guard: bool = True
    down: bool = False
    p: float = 0.5

    def __post_init__(self) -> None:
        check_share("flip.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Reads brands and words of the catalogue."""
        return Edit(self._work, 1.0, safeguards.sides(catalog) if self.guard else {}, even=True)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        met = rng.uniform(keys, 1) < self.p * strength
        linear = np.tile(np.eye(2), (len(keys), 1, 1))
        side = int(self.down)
        linear[:, side, side] = np.where(met, -1.0, 1.0)
        return canvas.moved_by(about_middle(linear, canvas.size))


@dataclass(frozen=True)
class CropPicture:
    """Cut a window out of pictures (裁剪 crop(x, (h, w))), at a drawn place.

    share_range   share of the picture's area, drawn evenly per picture; 1 - strength · (1 - share) is what stays
    ratio_range   width over height of the window, against those of the picture
    size          height and width of the window in pixels instead; (0, 0): by share
    keep_size     the window is brought back to the picture's size; False, with `size`: it stays as it was cut, and at
                  strength 0 it is the middle one
    object_share  where the ground is plain, the window holds at least this share of each side of the object; 0: any
    p             chance that a picture is cut
    """

    share_range: tuple[float, float] = (0.6, 1.0)
    ratio_range: tuple[float, float] = (0.8, 1.25)
    size: tuple[int, int] = (0, 0)
    keep_size: bool = True
    object_share: float = 0.8
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("crop.share_range", self.share_range, 0.01, 1)
        check_range("crop.ratio_range", self.ratio_range, 0.1, 10)
        for side in self.size:
            check_count("crop.size", side, 0)
        if (self.size[0] > 0) != (self.size[1] > 0):
            raise SpecError("crop.size", "two sides above 0, or (0, 0)", repr(self.size), "write (height, width)")
        if not self.keep_size and not self.size[0]:
            raise SpecError("crop.size", "the size that windows keep", repr(self.size), "write (height, width)")
        check_share("crop.object_share", self.object_share)
        check_share("crop.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=True)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        sides = np.array(canvas.size, np.float64)
        self._check_room(canvas.size)
        seen = self.object_share > 0 and not canvas.moved
        boxes = object_boxes(canvas.hands.host(canvas.pixels), _APART) if seen else None
        window = self._window(keys, strength, sides, boxes)
        lots = np.stack([rng.uniform(keys, 3), rng.uniform(keys, 4)], axis=1)
        middle = (sides - window) / 2
        place = middle + strength[:, None] * (lots * (sides - window) - middle)
        if boxes is not None:
            place = _over(place, window, boxes, sides)
        if not self.keep_size:
            return canvas.moved_by(moved(np.rint(place[:, 1]), np.rint(place[:, 0])), self.size)
        scale = window / sides  # (n, 2): height, width
        whole = moved(place[:, 1] + (scale[:, 1] - 1) / 2, place[:, 0] + (scale[:, 0] - 1) / 2)
        whole[:, 0, 0], whole[:, 1, 1] = scale[:, 1], scale[:, 0]
        return canvas.moved_by(whole)

    def _check_room(self, size: Size) -> None:
        if self.size[0] > size[0] or self.size[1] > size[1]:
            raise SpecError("crop.size", f"a window within {size}", repr(self.size), "give a smaller window")

    def _window(self, keys: Keys, strength: Strength, sides: Floats, boxes: npt.NDArray[np.int64] | None) -> Floats:
        """float64 (n, 2): height and width of each window."""
        if self.size[0]:
            asked = np.broadcast_to(np.array(self.size, np.float64), (len(keys), 2))
            return asked if not self.keep_size else sides - (sides - asked) * strength[:, None]
        area = 1 - (1 - spread(keys, 1, *self.share_range)) * strength
        low, high = np.log(self.ratio_range[0]), np.log(self.ratio_range[1])
        lean = np.exp(spread(keys, 2, low, high) * strength / 2)
        window = np.minimum(np.sqrt(area)[:, None] * np.stack([1 / lean, lean], axis=1), 1.0) * sides
        if boxes is not None:
            window = np.maximum(window, np.minimum(self.object_share * (boxes[:, 2:] - boxes[:, :2]), sides))
        return np.asarray(window)


def _over(place: Floats, window: Floats, boxes: npt.NDArray[np.int64], sides: Floats) -> Floats:
    """Windows moved as little as need be to hold the object, or, where they are smaller, to lie within it."""
    one, other = boxes[:, :2].astype(np.float64), boxes[:, 2:] - window
    low, high = np.minimum(one, other), np.maximum(one, other)
    there = boxes[:, 2:3] > 0  # a bottom of 0: no object
    return np.where(there, np.clip(np.clip(place, low, high), 0, sides - window), place)
