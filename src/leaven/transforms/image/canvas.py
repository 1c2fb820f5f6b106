"""How do several changes of a picture become one pass over its pixels?

Geometry is not done at once: each step multiplies a matrix that says, for every pixel of the result, where in the
source it comes from. Colours wait likewise, as one linear map. The pixels move when somebody needs them: one warp a
picture, then one map of its colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import Pictures
from leaven.kernels import image_kernels as kernels
from leaven.protocols import Keys

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Size = tuple[int, int]
_IDENTITY = np.eye(3)


class Hands(Protocol):
    """What does the work on pixels; `pixels` is an array of NumPy, or a tensor on some device, (n, h, w, 3) uint8."""

    def warp(self, pixels: Any, matrix: Floats, size: Size, fill: str, value: int) -> Any:
        """Each pixel (x, y) of the result from place matrix · (x, y, 1) of the source. matrix (n, 3, 3)."""
        ...

    def colour(self, pixels: Any, gain: Floats, offset: Floats) -> Any:
        """gain (n, 3, 3) · colour + offset (n, 3), rounded, in 0..255."""
        ...

    def noise(self, pixels: Any, keys: Keys, levels: npt.NDArray[np.float32]) -> Any:
        """x + α(x) · noise; levels (n, 256): α of each value."""
        ...

    def blur(self, pixels: Any, sigma: Floats) -> Any:
        """A Gaussian of that deviation in pixels, (n,); 0: as it is."""
        ...

    def erase(self, pixels: Any, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> Any:
        """boxes (n, 4): top, left, bottom, right become of one colour, values (n, 3)."""
        ...

    def blend(self, pixels: Any, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> Any:
        """others (n, h, w, 3) laid over as far as masks (n, h, w) say, 0 … 1."""
        ...

    def coarse(self, pixels: Any, scale: Floats) -> Any:
        """As if taken with that share of the pixels along each side, (n,)."""
        ...

    def jpeg(self, pixels: Any, quality: npt.NDArray[np.int64]) -> Any:
        """Written as JPEG and read again; quality (n,) in 1..100, 0: as it is."""
        ...

    def host(self, pixels: Any) -> npt.NDArray[np.uint8]:
        """Some of the pixels as an array."""
        ...


@dataclass(frozen=True, eq=False)
class Canvas:
    """Pictures and what is still to be done to them.

    matrix   float64 (n, 3, 3): pixel of the result -> place in `pixels`, counted from the first one's middle
    size     height and width of the result
    gain, offset   float64 (n, 3, 3) and (n, 3): map of the colours, after the warp
    fill     what lies outside: "nearest", "reflect", "constant" (of `value`), or "" as long as nobody asked
    """

    hands: Hands
    pixels: Any
    items: npt.NDArray[np.int32]
    size: Size
    matrix: Floats
    gain: Floats
    offset: Floats
    fill: str = ""
    value: int = 0
    moved: bool = False
    coloured: bool = False

    @classmethod
    def of(cls, pictures: Pictures, hands: Hands) -> Canvas:
        """Nothing to be done yet."""
        return cls.fresh(hands, pictures.pixels, pictures.items)

    @classmethod
    def fresh(cls, hands: Hands, pixels: Any, items: npt.NDArray[np.int32]) -> Canvas:
        """Nothing to be done yet, on pixels that these hands can hold."""
        count = len(items)
        same = np.broadcast_to(_IDENTITY, (count, 3, 3))
        return cls(hands, pixels, items, tuple(pixels.shape[1:3]), same, same, np.zeros((count, 3)))

    def moved_by(self, matrix: Floats, size: Size | None = None, fill: str = "", value: int = 0) -> Canvas:
        """One more step of geometry: pixel of the new result -> place in the one so far. matrix (n, 3, 3)."""
        settled = self if not (fill and self.fill and (fill, value) != (self.fill, self.value)) else self.settled()
        settled = settled.settled() if settled.coloured else settled
        chosen = (fill, value) if fill else (settled.fill, settled.value)
        whole = settled.matrix @ matrix
        return replace(settled, matrix=whole, size=size or settled.size, fill=chosen[0], value=chosen[1], moved=True)

    def coloured_by(self, gain: Floats, offset: Floats) -> Canvas:
        """One more map of the colours. gain (n, 3, 3), offset (n, 3)."""
        whole = gain @ self.gain
        moved = (gain @ self.offset[:, :, None])[:, :, 0] + offset
        return replace(self, gain=whole, offset=moved, coloured=True)

    def settled(self) -> Canvas:
        """With nothing left to be done."""
        pixels = self.pixels
        if self.moved:
            pixels = self.hands.warp(pixels, self.matrix, self.size, self.fill or "nearest", self.value)
        if self.coloured:
            pixels = self.hands.colour(pixels, self.gain, self.offset)
        return self.fresh(self.hands, pixels, self.items) if self.moved or self.coloured else self

    def repainted(self, pixels: Any) -> Canvas:
        """Other pixels in the place of settled ones."""
        return self.fresh(self.hands, pixels, self.items)

    def pictures(self) -> Any:
        """The pixels, nothing left to be done."""
        return self.settled().pixels


class OpenCv:
    """Hands on a processor: OpenCV a picture at a time, noise by a compiled kernel."""

    def __init__(self) -> None:
        from leaven.datasets.images import opencv

        self.cv2 = opencv()
        self.borders = {
            "nearest": self.cv2.BORDER_REPLICATE,
            "reflect": self.cv2.BORDER_REFLECT,
            "constant": self.cv2.BORDER_CONSTANT,
        }

    def warp(self, pixels: Any, matrix: Floats, size: Size, fill: str, value: int) -> Any:
        """Linear interpolation; a picture that stays is copied byte by byte."""
        cv2, (tall, wide) = self.cv2, size
        made = np.empty((len(pixels), tall, wide, 3), np.uint8)
        stays = stay(matrix) & (size == pixels.shape[1:3])
        flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.borders[fill]
        for row, picture in enumerate(pixels):
            if stays[row]:
                made[row] = picture
            else:
                cv2.warpAffine(picture, matrix[row, :2], (wide, tall), made[row], flags, border, (value,) * 3)
        return made

    def colour(self, pixels: Any, gain: Floats, offset: Floats) -> Any:
        """By a table where channels do not mix, else by a matrix."""
        made = np.empty_like(pixels)
        whole = np.concatenate([gain, offset[:, :, None]], axis=2)
        alike = _alike(gain, offset)
        steps = np.arange(256.0)
        tables = np.clip(np.rint(gain[:, :1, 0] * steps + offset[:, :1]), 0, 255).astype(np.uint8)  # (n, 256)
        stays = _same_colours(gain, offset)
        for row, picture in enumerate(pixels):
            if stays[row]:
                made[row] = picture
            elif alike[row]:
                self.cv2.LUT(picture, tables[row], made[row])
            else:
                self.cv2.transform(picture, whole[row], made[row])
        return made

    def noise(self, pixels: Any, keys: Keys, levels: npt.NDArray[np.float32]) -> Any:
        """By the compiled kernel, on a copy."""
        made = np.array(pixels, copy=True, order="C")
        kernels.add_noise(made.reshape(len(made), -1), keys, levels, kernels.quantiles())
        return made

    def blur(self, pixels: Any, sigma: Floats) -> Any:
        """GaussianBlur, edges reflected."""
        made = np.array(pixels, copy=True)
        for row in np.flatnonzero(sigma > 0).tolist():
            self.cv2.GaussianBlur(pixels[row], (0, 0), sigma[row], made[row])
        return made

    def erase(self, pixels: Any, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> Any:
        """On a copy."""
        made = np.array(pixels, copy=True)
        for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
            made[row, top:bottom, left:right] = values[row]
        return made

    def blend(self, pixels: Any, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> Any:
        """Rounded."""
        share = masks[..., None]
        return np.rint(pixels + share * (others.astype(np.float32) - pixels)).astype(np.uint8)

    def coarse(self, pixels: Any, scale: Floats) -> Any:
        """Shrunk by areas, grown back by lines."""
        made, (tall, wide) = np.array(pixels, copy=True), pixels.shape[1:3]
        for row in np.flatnonzero(scale < 1).tolist():
            less = max(round(wide * scale[row]), 1), max(round(tall * scale[row]), 1)
            small = self.cv2.resize(pixels[row], less, interpolation=self.cv2.INTER_AREA)
            self.cv2.resize(small, (wide, tall), made[row], interpolation=self.cv2.INTER_LINEAR)
        return made

    def jpeg(self, pixels: Any, quality: npt.NDArray[np.int64]) -> Any:
        """Through OpenCV's encoder and decoder."""
        made, cv2 = np.array(pixels, copy=True), self.cv2
        for row in np.flatnonzero(quality > 0).tolist():
            turned = cv2.cvtColor(pixels[row], cv2.COLOR_RGB2BGR)
            _, held = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, int(quality[row])])
            made[row] = cv2.imdecode(held, cv2.IMREAD_COLOR_RGB)
        return made

    def host(self, pixels: Any) -> npt.NDArray[np.uint8]:
        """They are one already."""
        return np.ascontiguousarray(pixels)


def stay(matrix: Floats) -> Bools:
    """bool (n,): which matrices move nothing."""
    return np.asarray(np.abs(matrix - _IDENTITY).max(axis=(1, 2)) < 1e-9) if len(matrix) else np.zeros(0, bool)


def _same_colours(gain: Floats, offset: Floats) -> Bools:
    return np.asarray((np.abs(gain - _IDENTITY) < 1e-9).all(axis=(1, 2)) & (np.abs(offset) < 1e-9).all(axis=1))


def _alike(gain: Floats, offset: Floats) -> Bools:
    """Whether each channel goes through the same line by itself."""
    same = gain[:, :1, :1] * _IDENTITY
    return np.asarray((gain == same).all(axis=(1, 2)) & (offset == offset[:, :1]).all(axis=1))
