"""Changes brightness, contrast, saturation and hue of images.

Each transform is a linear map of red, green and blue. Consecutive maps are fused, without clipping in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.operator import ImageEdit, draw_between, guard_colors

Floats = npt.NDArray[np.float64]
_MID_GRAY = 127.5
_LUMA = np.array([0.299, 0.587, 0.114])  # weights of gray, ITU-R BT.601


def _check_factors(kind: str, config: Brightness | Contrast | Saturation) -> None:
    check_range(f"{kind}.factor_range", config.factor_range, 0, 10)
    check_share(f"{kind}.p", config.p)


def _fit_config(config: Brightness | Contrast | Saturation | Hue, catalog: Catalog) -> ImageEdit:
    return ImageEdit(config._edit_canvas, config.p, guard_colors(catalog) if config.guard else {})


def _draw_factors(keys: RngKeys, strength: Strength, pair: tuple[float, float]) -> Floats:
    return 1 + (draw_between(keys, 1, pair) - 1) * strength


@dataclass(frozen=True)
class Brightness:
    """Multiply all values by a factor.

    factor_range  drawn uniformly per image; 1 + strength · (factor - 1)
    guard         skip items whose text names a color or a shade: a dark "light blue" would be wrong
    p             probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("brightness")
    factor_range: tuple[float, float] = (0.8, 1.2)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_factors("brightness", self)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Finds the items whose text names a color, if guarded."""
        return _fit_config(self, catalog)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        factor = _draw_factors(keys, strength, self.factor_range)
        return canvas.add_color_map(factor[:, None, None] * np.eye(3), np.zeros((len(keys), 3)))


@dataclass(frozen=True)
class Contrast:
    """Scale the distance of values from middle gray.

    factor_range  above 1 more contrast, below less; drawn uniformly per image; 1 + strength · (factor - 1)
    guard         skip items whose text names a color or a shade
    p             probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("contrast")
    factor_range: tuple[float, float] = (0.8, 1.2)
    guard: bool = False
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_factors("contrast", self)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Finds the items whose text names a color, if guarded."""
        return _fit_config(self, catalog)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        factor = _draw_factors(keys, strength, self.factor_range)
        offset = np.repeat((_MID_GRAY * (1 - factor))[:, None], 3, axis=1)
        return canvas.add_color_map(factor[:, None, None] * np.eye(3), offset)


@dataclass(frozen=True)
class Saturation:
    """Scale the saturation of colors.

    factor_range  0 gray, 1 unchanged, above 1 more saturated; drawn uniformly per image; 1 + strength · (factor - 1)
    guard         skip items whose text names a color or a shade: "red dress"
    p             probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("saturation")
    factor_range: tuple[float, float] = (0.7, 1.3)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_factors("saturation", self)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Finds the items whose text names a color, if guarded."""
        return _fit_config(self, catalog)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        factor = _draw_factors(keys, strength, self.factor_range)[:, None, None]
        gain = factor * np.eye(3) + (1 - factor) * _LUMA  # each row: own value and gray
        return canvas.add_color_map(gain, np.zeros((len(keys), 3)))


@dataclass(frozen=True)
class Hue:
    """Rotate colors about the axis from black to white.

    angle_range  degrees, 120 turns red into green; drawn uniformly per image (× strength)
    guard        skip items whose text names a color or a shade: "red dress"
    p            probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("hue")
    angle_range: tuple[float, float] = (-18.0, 18.0)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("hue.angle_range", self.angle_range, -180, 180)
        check_share("hue.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Finds the items whose text names a color, if guarded."""
        return _fit_config(self, catalog)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        angle = np.deg2rad(draw_between(keys, 1, self.angle_range) * strength)[:, None, None]
        axis = np.full((3, 3), 1 / 3)
        cross = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
        gain = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * axis  # Rodrigues
        return canvas.add_color_map(gain, np.zeros((len(keys), 3)))
