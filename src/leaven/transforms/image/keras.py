"""Converts arguments of Keras' ImageDataGenerator to a chain of transforms."""

from __future__ import annotations

from collections.abc import Sequence

from leaven.errors import SpecError
from leaven.protocols import ImageTransform
from leaven.transforms.image.colors import Brightness
from leaven.transforms.image.compose import PictureChain
from leaven.transforms.image.geometry import FlipPicture, RotatePicture, ShearPicture, ShiftPicture, ZoomPicture

Range = float | Sequence[float]


def like_keras(
    *,
    rotation_range: float = 0,
    width_shift_range: float = 0,
    height_shift_range: float = 0,
    shear_range: float = 0,
    zoom_range: Range = 0,
    brightness_range: Sequence[float] | None = None,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    fill_mode: str = "nearest",
    cval: int = 0,
) -> PictureChain:
    """The chain of transforms for arguments of Keras' `ImageDataGenerator`.

    rotation_range, shear_range in degrees; shifts as shares of a side (1 and above, pixels in Keras, are refused, since
    the size is unknown); zoom_range a number or (low, high), where above 1 is *smaller*, as in Keras; guards are off,
    since Keras has none.

    >>> len(like_keras(rotation_range=30, width_shift_range=0.1, horizontal_flip=True).of)
    3

    Raises SpecError without any transform, and for invalid values.
    """
    fill = {"fill": fill_mode, "value": cval}
    steps: list[ImageTransform] = []
    if rotation_range:
        steps.append(RotatePicture((-rotation_range, rotation_range), **fill))  # type: ignore[arg-type]
    if width_shift_range or height_shift_range:
        across, down = width_shift_range, height_shift_range
        steps.append(ShiftPicture((-across, across), (-down, down), **fill))  # type: ignore[arg-type]
    if shear_range:
        steps.append(ShearPicture((-shear_range, shear_range), **fill))  # type: ignore[arg-type]
    if (factors := _invert_zoom(zoom_range)) != (1, 1):
        steps.append(ZoomPicture(factors, alike=False, **fill))  # type: ignore[arg-type]
    if horizontal_flip:
        steps.append(FlipPicture(guard=False))
    if vertical_flip:
        steps.append(FlipPicture(guard=False, down=True))
    if brightness_range is not None:
        steps.append(Brightness((brightness_range[0], brightness_range[1]), guard=False))
    if not steps:
        raise SpecError("like_keras", "an argument that changes images", "none", "write rotation_range=30, …")
    return PictureChain(tuple(steps))


def _invert_zoom(zoom_range: Range) -> tuple[float, float]:
    """Factors of our zoom: the inverse of Keras' factors."""
    low, high = (1 - zoom_range, 1 + zoom_range) if isinstance(zoom_range, int | float) else zoom_range
    if low <= 0:
        raise SpecError("zoom_range", "a number below 1, or (low, high) above 0", repr(zoom_range), "write 0.2")
    return 1 / high, 1 / low
