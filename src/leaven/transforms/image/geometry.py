"""Rotates, shifts, shears, zooms, flips and crops images.

Every transform is one matrix for each image; a chain of them is one warp (`canvas.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.field_checks import check_choice, check_count, check_range, check_share
from leaven.kernels.image_kernels import find_object_boxes
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.image.canvas import Canvas, Size
from leaven.transforms.image.operator import ImageEdit, draw_between, guard_mirroring

Floats = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.int64]
FILL_MODES = ("nearest", "reflect", "constant")
_MIN_CONTRAST = 24  # levels between a plain background and an object
_MAX_SHEAR = 80.0  # degrees; at 90 an image has no height


def check_fill_mode(kind: str, fill: str, value: int, p: float) -> None:
    """Raise SpecError unless fill mode, fill value (0..255) and probability are valid."""
    check_choice(f"{kind}.fill", fill, FILL_MODES)
    check_count(f"{kind}.fill_value", value, 0)
    check_range(f"{kind}.fill_value", (0, value), 0, 255)
    check_share(f"{kind}.p", p)


def build_centered_warp(linear: Floats, size: Size) -> Floats:
    """float64 (n, 3, 3): a linear map (n, 2, 2) about the center of an image."""
    center = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    warp = np.zeros((len(linear), 3, 3))
    warp[:, :2, :2], warp[:, 2, 2] = linear, 1.0
    warp[:, :2, 2] = center - linear @ center
    return warp


def build_translation(right: Floats, down: Floats) -> Floats:
    """float64 (n, 3, 3): every pixel from a position further to the right and down."""
    warp = np.zeros((len(right), 3, 3))
    warp[:, [0, 1, 2], [0, 1, 2]] = 1.0
    warp[:, 0, 2], warp[:, 1, 2] = right, down
    return warp


@dataclass(frozen=True)
class RotateImage:
    """Rotate images about their center (旋转 rotate(x, θ)).

    angle_range  degrees, counter-clockwise, drawn uniformly per image (× strength)
    fill         pixels outside the image: "nearest", "reflect" or "constant"
    fill_value   0..255, for "constant"
    p            probability that an image is rotated
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("rotate picture")
    angle_range: tuple[float, float] = (-30.0, 30.0)
    fill: str = "nearest"
    fill_value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("rotate.angle_range", self.angle_range, -360, 360)
        check_fill_mode("rotate", self.fill, self.fill_value, self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=self.fill != "constant")

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        angle = np.deg2rad(draw_between(keys, 1, self.angle_range) * strength)
        rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
        return canvas.add_warp(build_centered_warp(rotation, canvas.size), None, self.fill, self.fill_value)


@dataclass(frozen=True)
class ShiftImage:
    """Shift images horizontally and vertically.

    horizontal_range, vertical_range  share of the width and of the height, drawn uniformly per image (× strength)
    fill, fill_value, p               as in `RotateImage`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("shift picture")
    horizontal_range: tuple[float, float] = (-0.1, 0.1)
    vertical_range: tuple[float, float] = (-0.1, 0.1)
    fill: str = "nearest"
    fill_value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("shift.horizontal_range", self.horizontal_range, -1, 1)
        check_range("shift.vertical_range", self.vertical_range, -1, 1)
        check_fill_mode("shift", self.fill, self.fill_value, self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=self.fill != "constant")

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        right = draw_between(keys, 1, self.horizontal_range) * strength * canvas.size[1]
        down = draw_between(keys, 2, self.vertical_range) * strength * canvas.size[0]
        return canvas.add_warp(build_translation(-right, -down), None, self.fill, self.fill_value)


@dataclass(frozen=True)
class ShearImage:
    """Shear images horizontally.

    angle_range          degrees from upright, drawn uniformly per image (× strength)
    fill, fill_value, p  as in `RotateImage`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("shear picture")
    angle_range: tuple[float, float] = (-15.0, 15.0)
    fill: str = "nearest"
    fill_value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("shear.angle_range", self.angle_range, -_MAX_SHEAR, _MAX_SHEAR)
        check_fill_mode("shear", self.fill, self.fill_value, self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=self.fill != "constant")

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        linear = np.tile(np.eye(2), (len(keys), 1, 1))
        linear[:, 0, 1] = np.tan(np.deg2rad(draw_between(keys, 1, self.angle_range) * strength))
        return canvas.add_warp(build_centered_warp(linear, canvas.size), None, self.fill, self.fill_value)


@dataclass(frozen=True)
class ZoomImage:
    """Zoom images about their center.

    factor_range         above 1 larger, below smaller; drawn uniformly per image (to the power of strength)
    keep_aspect_ratio    both sides by the same factor, else each by its own, as in Keras
    fill, fill_value, p  as in `RotateImage`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("zoom picture")
    factor_range: tuple[float, float] = (0.8, 1.25)
    keep_aspect_ratio: bool = True
    fill: str = "nearest"
    fill_value: int = 255
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("zoom.factor_range", self.factor_range, 0.05, 20)
        check_fill_mode("zoom", self.fill, self.fill_value, self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=self.fill != "constant")

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        across = draw_between(keys, 1, self.factor_range)
        down = across if self.keep_aspect_ratio else draw_between(keys, 2, self.factor_range)
        linear = np.zeros((len(keys), 2, 2))
        linear[:, 0, 0], linear[:, 1, 1] = across**-strength, down**-strength
        return canvas.add_warp(build_centered_warp(linear, canvas.size), None, self.fill, self.fill_value)


@dataclass(frozen=True)
class FlipImage:
    """Flip images left to right, except those that may show writing or a logo.

    guard     skip items with a brand, and items whose text names writing, print, a side …
    vertical  flip top to bottom instead
    p         probability that an image is flipped (× strength)
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("flip picture")
    guard: bool = True
    vertical: bool = False
    p: float = 0.5

    def __post_init__(self) -> None:
        check_share("flip.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Finds the items that must not be flipped, if guarded."""
        return ImageEdit(self._edit_canvas, 1.0, guard_mirroring(catalog) if self.guard else {}, keeps_uniform=True)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        is_flipped = rng.draw_uniform(keys, 1) < self.p * strength
        linear = np.tile(np.eye(2), (len(keys), 1, 1))
        side = int(self.vertical)
        linear[:, side, side] = np.where(is_flipped, -1.0, 1.0)
        return canvas.add_warp(build_centered_warp(linear, canvas.size))


@dataclass(frozen=True)
class CropImage:
    """Crop images to a window at a random position (裁剪 crop(x, (h, w))).

    share_range         share of the image area, drawn uniformly per image; 1 - strength · (1 - share) stays
    aspect_ratio_range  width over height of the window, relative to the image
    size                height and width of the window in pixels instead; (0, 0): by share
    restore_size        resize the window to the image size; False, with `size`: keep the size of the window, which at
                        strength 0 is the center crop
    min_object_share    on a plain background the window holds at least this share of each side of the object; 0: any
    p                   probability that an image is cropped
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("crop picture")
    share_range: tuple[float, float] = (0.6, 1.0)
    aspect_ratio_range: tuple[float, float] = (0.8, 1.25)
    size: tuple[int, int] = (0, 0)
    restore_size: bool = True
    min_object_share: float = 0.8
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("crop.share_range", self.share_range, 0.01, 1)
        check_range("crop.aspect_ratio_range", self.aspect_ratio_range, 0.1, 10)
        for side in self.size:
            check_count("crop.size", side, 0)
        if (self.size[0] > 0) != (self.size[1] > 0):
            raise SpecError("crop.size", "two sides above 0, or (0, 0)", repr(self.size), "write (height, width)")
        if not self.restore_size and not self.size[0]:
            raise SpecError("crop.size", "a size for restore_size = false", repr(self.size), "write (height, width)")
        check_share("crop.min_object_share", self.min_object_share)
        check_share("crop.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=True)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        sides = np.array(canvas.size, np.float64)
        self._check_size(canvas.size)
        keeps_object = self.min_object_share > 0 and not canvas.has_warp
        boxes = find_object_boxes(canvas.backend.to_numpy(canvas.pixels), _MIN_CONTRAST) if keeps_object else None
        window = self._draw_windows(keys, strength, sides, boxes)
        draws = np.stack([rng.draw_uniform(keys, 3), rng.draw_uniform(keys, 4)], axis=1)
        center = (sides - window) / 2
        corner = center + strength[:, None] * (draws * (sides - window) - center)
        if boxes is not None:
            corner = _cover_objects(corner, window, boxes, sides)
        if not self.restore_size:
            return canvas.add_warp(build_translation(np.rint(corner[:, 1]), np.rint(corner[:, 0])), self.size)
        scale = window / sides  # (n, 2): height, width
        warp = build_translation(corner[:, 1] + (scale[:, 1] - 1) / 2, corner[:, 0] + (scale[:, 0] - 1) / 2)
        warp[:, 0, 0], warp[:, 1, 1] = scale[:, 1], scale[:, 0]
        return canvas.add_warp(warp)

    def _check_size(self, size: Size) -> None:
        if self.size[0] > size[0] or self.size[1] > size[1]:
            raise SpecError("crop.size", f"a window within {size}", repr(self.size), "give a smaller window")

    def _draw_windows(
        self, keys: RngKeys, strength: Strength, sides: Floats, boxes: npt.NDArray[np.int64] | None
    ) -> Floats:
        """float64 (n, 2): height and width of each window."""
        if self.size[0]:
            window = np.broadcast_to(np.array(self.size, np.float64), (len(keys), 2))
            return window if not self.restore_size else sides - (sides - window) * strength[:, None]
        area = 1 - (1 - draw_between(keys, 1, self.share_range)) * strength
        low, high = np.log(self.aspect_ratio_range[0]), np.log(self.aspect_ratio_range[1])
        ratio = np.exp(draw_between(keys, 2, (low, high)) * strength / 2)
        window = np.minimum(np.sqrt(area)[:, None] * np.stack([1 / ratio, ratio], axis=1), 1.0) * sides
        if boxes is not None:
            window = np.maximum(window, np.minimum(self.min_object_share * (boxes[:, 2:] - boxes[:, :2]), sides))
        return np.asarray(window)


def _cover_objects(corner: Floats, window: Floats, boxes: Boxes, sides: Floats) -> Floats:
    """Corners moved as little as possible so that windows contain the object or, if smaller, are within it."""
    begin, end = boxes[:, :2].astype(np.float64), boxes[:, 2:] - window
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    has_object = boxes[:, 2:3] > 0  # a bottom of 0: no object
    return np.where(has_object, np.clip(np.clip(corner, low, high), 0, sides - window), corner)
