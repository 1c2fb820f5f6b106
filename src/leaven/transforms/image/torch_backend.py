"""How are pictures changed on a graphics card, by the same draws?

`Torch` does with tensors what `OpenCv` does with arrays: the same matrices, maps, rectangles and noise, on whatever
device the tensor lies. Interpolation differs from OpenCV's by its rounding: about a level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError
from leaven.kernels import image_kernels as kernels
from leaven.protocols import Keys, Strength
from leaven.transforms.image.canvas import Canvas, Floats, OpenCv, Size, stay
from leaven.transforms.image.operator import OnCanvas

if TYPE_CHECKING:
    from torch import Tensor

_GOLDEN, _MIX_1, _MIX_2 = (
    value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)  # as signed numbers: torch has no unsigned ones to multiply
_FIRST, _EACH = 1_000, 5  # as of `kernels.pictures.add_noise`


def changed_tensor(
    fitted: OnCanvas,
    pixels: Tensor,
    keys: Keys,
    strength: Strength,
    items: npt.NDArray[np.int32] | None = None,
) -> Tensor:
    """A fitted operator on a tensor, uint8 (n, h, w, 3), on its own device; keys and strength are arrays.

    Raises DataError for a tensor of another kind.
    """
    if pixels.ndim != 4 or pixels.shape[3] != 3 or str(pixels.dtype) != "torch.uint8":
        raise DataError("pixels", "a tensor, uint8 (n, h, w, 3)", f"{pixels.dtype} {tuple(pixels.shape)}", "")
    owners = np.zeros(len(pixels), np.int32) if items is None else items
    if not len(pixels):
        return pixels
    made: Tensor = fitted.on(Canvas.fresh(Torch(pixels.device), pixels, owners), keys, strength).pictures()
    return made


class Torch:
    """Hands on any device that torch knows."""

    def __init__(self, device: Any) -> None:
        import torch

        self.torch, self.device = torch, device

    def warp(self, pixels: Any, matrix: Floats, size: Size, fill: str, value: int) -> Any:
        """By affine_grid and grid_sample."""
        torch, (tall, wide) = self.torch, size
        theta = _normal(matrix, (int(pixels.shape[1]), int(pixels.shape[2])), size)
        grid = torch.nn.functional.affine_grid(
            self._floats(theta[:, :2]), [len(pixels), 3, tall, wide], align_corners=False
        )
        padding = {"nearest": "border", "reflect": "reflection", "constant": "zeros"}[fill]
        shifted = pixels.permute(0, 3, 1, 2).float() - (value if fill == "constant" else 0)
        made = torch.nn.functional.grid_sample(shifted, grid, padding_mode=padding, align_corners=False)
        made = self._bytes(made + (value if fill == "constant" else 0)).permute(0, 2, 3, 1).contiguous()
        stays = np.flatnonzero(stay(matrix)) if size == tuple(pixels.shape[1:3]) else np.zeros(0, np.int64)
        made[stays] = pixels[stays]
        return made

    def colour(self, pixels: Any, gain: Floats, offset: Floats) -> Any:
        """One product of matrices."""
        mapped = self.torch.einsum("nhwc,ndc->nhwd", pixels.float(), self._floats(gain))
        return self._bytes(mapped + self._floats(offset)[:, None, None])

    def noise(self, pixels: Any, keys: Keys, levels: npt.NDArray[np.float32]) -> Any:
        """The same hash of key and place as in the compiled kernel, so the same noise."""
        torch, flat = self.torch, pixels.reshape(len(pixels), -1)
        place = torch.arange(flat.shape[1], device=self.device)
        word = self._bits(
            torch.from_numpy(keys.view(np.int64).copy()).to(self.device)[:, None], place // _EACH + _FIRST
        )
        steps = (word >> (12 * (place % _EACH))) & 4_095
        table = self._floats(kernels.quantiles())
        level = torch.gather(self._floats(levels), 1, flat.long())
        made = (flat.float() + level * table[steps] + 0.5).clamp(0, 255).floor().to(torch.uint8)
        return made.reshape(pixels.shape)

    def blur(self, pixels: Any, sigma: Floats) -> Any:
        """Two passes, along and across; edges reflected as OpenCV does by default."""
        torch = self.torch
        reach = max(int(np.ceil(4 * sigma.max())), 1)
        reach = min(reach, min(int(side) for side in pixels.shape[1:3]) - 1)
        steps = np.arange(-reach, reach + 1)
        weight = np.exp(-(steps**2) / (2 * np.maximum(sigma, 1e-3)[:, None] ** 2))
        kernel = self._floats(weight / weight.sum(axis=1, keepdims=True)).repeat_interleave(3, 0)
        flat = pixels.permute(0, 3, 1, 2).reshape(1, -1, *pixels.shape[1:3]).float()
        for across in (True, False):
            pads = (reach, reach, 0, 0) if across else (0, 0, reach, reach)
            shaped = kernel[:, None, None] if across else kernel[:, None, :, None]
            padded = torch.nn.functional.pad(flat, pads, mode="reflect")
            flat = torch.nn.functional.conv2d(padded, shaped, groups=flat.shape[1])
        tall, wide = (int(side) for side in pixels.shape[1:3])
        return self._bytes(flat).reshape(-1, 3, tall, wide).permute(0, 2, 3, 1).contiguous()

    def erase(self, pixels: Any, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> Any:
        """On a copy."""
        made = pixels.clone()
        for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
            made[row, top:bottom, left:right] = self.torch.from_numpy(values[row]).to(self.device)
        return made

    def blend(self, pixels: Any, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> Any:
        """The same sum."""
        share, over = self._floats(masks)[..., None], self._floats(others)
        return self._bytes(pixels.float() + share * (over - pixels.float()))

    def coarse(self, pixels: Any, scale: Floats) -> Any:
        """Each picture by itself, since each has its own size on the way."""
        made = pixels.clone()
        resize, (tall, wide) = self.torch.nn.functional.interpolate, (int(side) for side in pixels.shape[1:3])
        for row in np.flatnonzero(scale < 1).tolist():
            down, across = (self._floats(_areas(side, max(round(side * scale[row]), 1))) for side in (tall, wide))
            small = self.torch.einsum("yh,hwc,xw->cyx", down, pixels[row].float(), across).round()
            made[row] = self._bytes(resize(small[None], (tall, wide), mode="bilinear"))[0].permute(1, 2, 0)
        return made

    def jpeg(self, pixels: Any, quality: npt.NDArray[np.int64]) -> Any:
        """On the processor: no device has an encoder that gives the same bytes."""
        return self.torch.from_numpy(OpenCv().jpeg(self.host(pixels), quality)).to(self.device)

    def host(self, pixels: Any) -> npt.NDArray[np.uint8]:
        """A copy beside the processor."""
        return np.ascontiguousarray(pixels.cpu().numpy())

    def _bytes(self, values: Any) -> Any:
        return values.round().clamp(0, 255).to(self.torch.uint8)

    def _floats(self, values: npt.NDArray[Any]) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    def _bits(self, keys: Any, draw: Any) -> Any:
        """SplitMix64 of (key, draw) in signed numbers, whose products have the same bits."""
        z = keys + _GOLDEN * (draw + 1)
        z = (z ^ _shifted(z, 30)) * _MIX_1
        z = (z ^ _shifted(z, 27)) * _MIX_2
        return z ^ _shifted(z, 31)


def _shifted(z: Any, by: int) -> Any:
    """To the right without its sign."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _areas(side: int, less: int) -> Floats:
    """float64 (less, side): how much of each pixel lies in each larger one, summing to 1 a row."""
    edges = np.arange(less + 1) * side / less
    begin, end = edges[:-1, None], edges[1:, None]
    place = np.arange(side)
    inside = np.minimum(end, place + 1) - np.maximum(begin, place)
    return np.asarray(np.maximum(inside, 0) * less / side)


def _normal(matrix: Floats, source: Size, result: Size) -> Floats:
    """Matrices between pixels as matrices between -1 … 1, edge to edge, as grid_sample wants them."""
    from_unit = _units(result)
    to_unit = np.linalg.inv(_units(source))
    return np.asarray(to_unit @ matrix @ from_unit)


def _units(size: Size) -> Floats:
    """-1 … 1 from edge to edge -> pixels, counted from the middle of the first."""
    tall, wide = size
    return np.array([[wide / 2, 0, (wide - 1) / 2], [0, tall / 2, (tall - 1) / 2], [0, 0, 1.0]])
