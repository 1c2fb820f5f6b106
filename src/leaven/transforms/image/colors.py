"""How bright, how rich in contrast, how colourful is a picture, and of which hue?

Each operator is a linear map of red, green and blue. Several in a row are one map, so nothing is clipped between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.protocols import Keys, Strength
from leaven.transforms.image import safeguards
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.operator import Edit, spread
from leaven.transforms.validation import check_range, check_share

Floats = npt.NDArray[np.float64]
_MIDDLE = 127.5
_LUMA = np.array([0.299, 0.587, 0.114])  # weights of grey, ITU-R BT.601


def _check(kind: str, name: str, pair: tuple[float, float], p: float, least: float, most: float) -> None:
    check_range(f"{kind}.{name}", pair, least, most)
    check_share(f"{kind}.p", p)


def _edit(wish: Brightness | Contrast | Saturation | Hue, catalog: Catalog) -> Edit:
    return Edit(wish._work, wish.p, safeguards.colours(catalog) if wish.guard else {})


def _factor(keys: Keys, strength: Strength, pair: tuple[float, float]) -> Floats:
    return 1 + (spread(keys, 1, *pair) - 1) * strength


@dataclass(frozen=True)
class Brightness:
    """Make pictures brighter or darker: every value times a factor.

    factor_range  drawn evenly per picture; 1 + strength · (factor - 1)
    guard         items whose words name a colour or a shade stay: a dark "light blue" would be a lie
    p             chance that a picture is changed
    """

    factor_range: tuple[float, float] = (0.8, 1.2)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        _check("brightness", "factor_range", self.factor_range, self.p, 0, 10)

    def fit(self, catalog: Catalog) -> Edit:
        """Reads the catalogue's words for colours."""
        return _edit(self, catalog)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        factor = _factor(keys, strength, self.factor_range)
        return canvas.coloured_by(factor[:, None, None] * np.eye(3), np.zeros((len(keys), 3)))


@dataclass(frozen=True)
class Contrast:
    """Pull values away from the middle grey, or towards it.

    factor_range  above 1 more contrast, below less; drawn evenly per picture; 1 + strength · (factor - 1)
    guard         items whose words name a colour or a shade stay
    p             chance that a picture is changed
    """

    factor_range: tuple[float, float] = (0.8, 1.2)
    guard: bool = False
    p: float = 1.0

    def __post_init__(self) -> None:
        _check("contrast", "factor_range", self.factor_range, self.p, 0, 10)

    def fit(self, catalog: Catalog) -> Edit:
        """Reads the catalogue's words for colours, where it is to guard them."""
        return _edit(self, catalog)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        factor = _factor(keys, strength, self.factor_range)
        offset = np.repeat((_MIDDLE * (1 - factor))[:, None], 3, axis=1)
        return canvas.coloured_by(factor[:, None, None] * np.eye(3), offset)


@dataclass(frozen=True)
class Saturation:
    """Make colours fuller, or pale to grey.

    factor_range  0 is grey, 1 as it was, above fuller; drawn evenly per picture; 1 + strength · (factor - 1)
    guard         items whose words name a colour or a shade stay: "red dress"
    p             chance that a picture is changed
    """

    factor_range: tuple[float, float] = (0.7, 1.3)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        _check("saturation", "factor_range", self.factor_range, self.p, 0, 10)

    def fit(self, catalog: Catalog) -> Edit:
        """Reads the catalogue's words for colours."""
        return _edit(self, catalog)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        factor = _factor(keys, strength, self.factor_range)[:, None, None]
        gain = factor * np.eye(3) + (1 - factor) * _LUMA  # each row: own value, and what is grey
        return canvas.coloured_by(gain, np.zeros((len(keys), 3)))


@dataclass(frozen=True)
class Hue:
    """Turn colours about the axis from black to white.

    angle_range  degrees, 120 makes green of red; drawn evenly per picture (× strength)
    guard        items whose words name a colour or a shade stay: "red dress"
    p            chance that a picture is changed
    """

    angle_range: tuple[float, float] = (-18.0, 18.0)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        _check("hue", "angle_range", self.angle_range, self.p, -180, 180)

    def fit(self, catalog: Catalog) -> Edit:
        """Reads the catalogue's words for colours."""
        return _edit(self, catalog)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        angle = np.deg2rad(spread(keys, 1, *self.angle_range) * strength)[:, None, None]
        axis = np.full((3, 3), 1 / 3)
        cross = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
        gain = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * axis  # Rodrigues
        return canvas.coloured_by(gain, np.zeros((len(keys), 3)))
