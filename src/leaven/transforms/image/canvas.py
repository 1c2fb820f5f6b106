"""Fuses transforms of images into one pass over the pixels.

Geometric steps are deferred: each multiplies a matrix that maps pixels of the result to positions in the source. Color
steps are deferred as one linear map. When the pixels are needed, each image gets one warp, then one color map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import Images, Pixels
from leaven.kernels import image_kernels as kernels
from leaven.protocols import RngKeys

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Size = tuple[int, int]
P = TypeVar("P")
"""Pixels of a backend: a NumPy array, or a tensor on a device."""
_IDENTITY = np.eye(3)


class ImageBackend(Protocol[P]):
    """Operations on pixels, uint8 (n, h, w, 3)."""

    def warp_images(self, pixels: P, matrix: Floats, size: Size, fill: str, value: int) -> P:
        """Each pixel (x, y) of the result from position matrix · (x, y, 1) of the source. matrix (n, 3, 3)."""
        ...

    def map_colors(self, pixels: P, gain: Floats, offset: Floats) -> P:
        """gain (n, 3, 3) · color + offset (n, 3), rounded, in 0..255."""
        ...

    def add_noise(self, pixels: P, keys: RngKeys, levels: npt.NDArray[np.float32]) -> P:
        """x + α(x) · noise; levels (n, 256): α of each value."""
        ...

    def blur_images(self, pixels: P, sigma: Floats) -> P:
        """Gaussian blur with standard deviations in pixels, (n,); 0: unchanged."""
        ...

    def erase_boxes(self, pixels: P, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> P:
        """Fill boxes (n, 4), top, left, bottom, right, with colors, values (n, 3)."""
        ...

    def blend_images(self, pixels: P, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> P:
        """Blend with others (n, h, w, 3) by masks (n, h, w) in 0..1."""
        ...

    def reduce_resolution(self, pixels: P, scale: Floats) -> P:
        """Reduce the resolution to a share of the pixels along each side, (n,), at the same size."""
        ...

    def compress_jpeg(self, pixels: P, quality: npt.NDArray[np.int64]) -> P:
        """Encode as JPEG and decode; quality (n,) in 1..100, 0: unchanged."""
        ...

    def to_numpy(self, pixels: P) -> npt.NDArray[np.uint8]:
        """The pixels as a NumPy array."""
        ...


@dataclass(frozen=True, eq=False)
class Canvas:
    """Images with their pending operations.

    matrix        float64 (n, 3, 3): pixel of the result -> position in `pixels`, from the center of the first pixel
    size          height and width of the result
    gain, offset  float64 (n, 3, 3) and (n, 3): color map, after the warp
    fill          pixels outside the source: "nearest", "reflect", "constant" (`fill_value`), or "" while unset
    """

    backend: ImageBackend[Any]
    pixels: Any
    items: npt.NDArray[np.int32]
    size: Size
    matrix: Floats
    gain: Floats
    offset: Floats
    fill: str = ""
    fill_value: int = 0
    has_warp: bool = False
    has_color_map: bool = False

    @classmethod
    def from_images(cls, images: Images, backend: ImageBackend[Pixels]) -> Canvas:
        """A canvas without pending operations."""
        return cls.from_pixels(backend, images.pixels, images.items)

    @classmethod
    def from_pixels(cls, backend: ImageBackend[Any], pixels: Any, items: npt.NDArray[np.int32]) -> Canvas:
        """A canvas without pending operations, on pixels of a backend."""
        count = len(items)
        identity = np.broadcast_to(_IDENTITY, (count, 3, 3))
        return cls(backend, pixels, items, tuple(pixels.shape[1:3]), identity, identity, np.zeros((count, 3)))

    def add_warp(self, matrix: Floats, size: Size | None = None, fill: str = "", value: int = 0) -> Canvas:
        """Add a warp: pixel of the new result -> position in the result so far. matrix (n, 3, 3)."""
        has_other_fill = bool(fill and self.fill) and (fill, value) != (self.fill, self.fill_value)
        canvas = self.apply_pending() if has_other_fill or self.has_color_map else self
        fill, value = (fill, value) if fill else (canvas.fill, canvas.fill_value)
        matrix = canvas.matrix @ matrix
        return replace(canvas, matrix=matrix, size=size or canvas.size, fill=fill, fill_value=value, has_warp=True)

    def add_color_map(self, gain: Floats, offset: Floats) -> Canvas:
        """Add a color map. gain (n, 3, 3), offset (n, 3)."""
        offset = (gain @ self.offset[:, :, None])[:, :, 0] + offset
        return replace(self, gain=gain @ self.gain, offset=offset, has_color_map=True)

    def apply_pending(self) -> Canvas:
        """The canvas with all pending operations applied."""
        pixels = self.pixels
        if self.has_warp:
            pixels = self.backend.warp_images(pixels, self.matrix, self.size, self.fill or "nearest", self.fill_value)
        if self.has_color_map:
            pixels = self.backend.map_colors(pixels, self.gain, self.offset)
        return self.from_pixels(self.backend, pixels, self.items) if self.has_warp or self.has_color_map else self

    def replace_pixels(self, pixels: Any) -> Canvas:
        """The canvas with other pixels, without pending operations."""
        return self.from_pixels(self.backend, pixels, self.items)

    def render_pixels(self) -> Any:
        """The pixels with all pending operations applied."""
        return self.apply_pending().pixels


class OpenCvBackend:
    """CPU backend: OpenCV image by image, noise by a compiled kernel."""

    def __init__(self) -> None:
        from leaven.datasets.images import import_opencv

        self.cv2 = import_opencv()
        self.border_modes = {
            "nearest": self.cv2.BORDER_REPLICATE,
            "reflect": self.cv2.BORDER_REFLECT,
            "constant": self.cv2.BORDER_CONSTANT,
        }

    def warp_images(self, pixels: Pixels, matrix: Floats, size: Size, fill: str, value: int) -> Pixels:
        """Linear interpolation; images with an identity warp are copied exactly."""
        cv2, (tall, wide) = self.cv2, size
        result = np.empty((len(pixels), tall, wide, 3), np.uint8)
        is_unchanged = is_identity(matrix) & (size == pixels.shape[1:3])
        flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.border_modes[fill]
        for row, image in enumerate(pixels):
            if is_unchanged[row]:
                result[row] = image
            else:
                cv2.warpAffine(image, matrix[row, :2], (wide, tall), result[row], flags, border, (value,) * 3)
        return result

    def map_colors(self, pixels: Pixels, gain: Floats, offset: Floats) -> Pixels:
        """By a lookup table where channels do not mix, else by a matrix."""
        result = np.empty_like(pixels)
        maps = np.concatenate([gain, offset[:, :, None]], axis=2)
        is_separable = _maps_channels_alike(gain, offset)
        steps = np.arange(256.0)
        tables = np.clip(np.rint(gain[:, :1, 0] * steps + offset[:, :1]), 0, 255).astype(np.uint8)  # (n, 256)
        is_unchanged = _keeps_colors(gain, offset)
        for row, image in enumerate(pixels):
            if is_unchanged[row]:
                result[row] = image
            elif is_separable[row]:
                self.cv2.LUT(image, tables[row], result[row])
            else:
                self.cv2.transform(image, maps[row], result[row])
        return result

    def add_noise(self, pixels: Pixels, keys: RngKeys, levels: npt.NDArray[np.float32]) -> Pixels:
        """By a compiled kernel, on a copy."""
        result = np.array(pixels, copy=True, order="C")
        kernels.add_noise(result.reshape(len(result), -1), keys, levels, kernels.compute_normal_quantiles())
        return result

    def blur_images(self, pixels: Pixels, sigma: Floats) -> Pixels:
        """By GaussianBlur, with reflected edges."""
        result = np.array(pixels, copy=True)
        for row in np.flatnonzero(sigma > 0).tolist():
            self.cv2.GaussianBlur(pixels[row], (0, 0), sigma[row], result[row])
        return result

    def erase_boxes(self, pixels: Pixels, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> Pixels:
        """On a copy."""
        result = np.array(pixels, copy=True)
        for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
            result[row, top:bottom, left:right] = values[row]
        return result

    def blend_images(self, pixels: Pixels, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> Pixels:
        """Rounded."""
        share = masks[..., None]
        return np.asarray(np.rint(pixels + share * (others.astype(np.float32) - pixels)), np.uint8)

    def reduce_resolution(self, pixels: Pixels, scale: Floats) -> Pixels:
        """Shrunk by area averages, enlarged by linear interpolation."""
        result, (tall, wide) = np.array(pixels, copy=True), pixels.shape[1:3]
        for row in np.flatnonzero(scale < 1).tolist():
            small_size = max(round(wide * scale[row]), 1), max(round(tall * scale[row]), 1)
            small = self.cv2.resize(pixels[row], small_size, interpolation=self.cv2.INTER_AREA)
            self.cv2.resize(small, (wide, tall), result[row], interpolation=self.cv2.INTER_LINEAR)
        return result

    def compress_jpeg(self, pixels: Pixels, quality: npt.NDArray[np.int64]) -> Pixels:
        """By OpenCV's encoder and decoder."""
        result, cv2 = np.array(pixels, copy=True), self.cv2
        for row in np.flatnonzero(quality > 0).tolist():
            bgr = cv2.cvtColor(pixels[row], cv2.COLOR_RGB2BGR)
            _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality[row])])
            result[row] = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        return result

    def to_numpy(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """The pixels, contiguous."""
        return np.ascontiguousarray(pixels)


def is_identity(matrix: Floats) -> Bools:
    """bool (n,): matrices that equal the identity."""
    return np.asarray(np.abs(matrix - _IDENTITY).max(axis=(1, 2)) < 1e-9) if len(matrix) else np.zeros(0, bool)


def _keeps_colors(gain: Floats, offset: Floats) -> Bools:
    return np.asarray((np.abs(gain - _IDENTITY) < 1e-9).all(axis=(1, 2)) & (np.abs(offset) < 1e-9).all(axis=1))


def _maps_channels_alike(gain: Floats, offset: Floats) -> Bools:
    """bool (n,): maps that apply one linear function to each channel."""
    same = gain[:, :1, :1] * _IDENTITY
    return np.asarray((gain == same).all(axis=(1, 2)) & (offset == offset[:, :1]).all(axis=1))
