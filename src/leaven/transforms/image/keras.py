"""Converts arguments of Keras' ImageDataGenerator to a chain of transforms."""

from __future__ import annotations

from collections.abc import Sequence

from leaven.errors import SpecError
from leaven.protocols import ImageTransform
from leaven.transforms.image.colors import Brightness
from leaven.transforms.image.compose import ImageChain
from leaven.transforms.image.geometry import FlipImage, RotateImage, ShearImage, ShiftImage, ZoomImage

Range = float | Sequence[float]


def convert_keras_arguments(
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
) -> ImageChain:
    """The chain of transforms for arguments of Keras' `ImageDataGenerator`.

    rotation_range, shear_range in degrees; shifts as shares of a side (1 and above, pixels in Keras, are refused, since
    the size is unknown); zoom_range a number or (low, high), where above 1 is *smaller*, as in Keras; guards are off,
    since Keras has none.

    >>> len(convert_keras_arguments(rotation_range=30, width_shift_range=0.1, horizontal_flip=True).transforms)
    3

    Raises SpecError without any transform, and for invalid values.
    """
    fill = {"fill": fill_mode, "fill_value": cval}
    steps: list[ImageTransform] = []
    if rotation_range:
        steps.append(RotateImage((-rotation_range, rotation_range), **fill))  # type: ignore[arg-type]
    if width_shift_range or height_shift_range:
        across, down = width_shift_range, height_shift_range
        steps.append(ShiftImage((-across, across), (-down, down), **fill))  # type: ignore[arg-type]
    if shear_range:
        steps.append(ShearImage((-shear_range, shear_range), **fill))  # type: ignore[arg-type]
    if (factors := _invert_zoom(zoom_range)) != (1, 1):
        steps.append(ZoomImage(factors, keep_aspect_ratio=False, **fill))  # type: ignore[arg-type]
    if horizontal_flip:
        steps.append(FlipImage(guard=False))
    if vertical_flip:
        steps.append(FlipImage(guard=False, vertical=True))
    if brightness_range is not None:
        steps.append(Brightness((brightness_range[0], brightness_range[1]), guard=False))
    if not steps:
        raise SpecError("like_keras", "an argument that changes images", "none", "write rotation_range=30, …")
    return ImageChain(tuple(steps))


def _invert_zoom(zoom_range: Range) -> tuple[float, float]:
    """Factors of our zoom: the inverse of Keras' factors."""
    low, high = (1 - zoom_range, 1 + zoom_range) if isinstance(zoom_range, int | float) else zoom_range
    if low <= 0:
        raise SpecError("zoom_range", "a number below 1, or (low, high) above 0", repr(zoom_range), "write 0.2")
    return 1 / high, 1 / low
