"""Transforms images on a GPU with the same draws.

`TorchBackend` does with tensors what `OpenCvBackend` does with arrays, on the device of the tensor: the same matrices,
color maps, rectangles and noise. Interpolation is rounded differently from OpenCV's, by about one level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError
from leaven.kernels import image_kernels as kernels
from leaven.protocols import RngKeys, Strength
from leaven.transforms.image.canvas import Canvas, Floats, OpenCvBackend, Size, is_identity
from leaven.transforms.image.operator import CanvasTransform

if TYPE_CHECKING:
    from torch import Tensor, device

_GOLDEN, _MIX_1, _MIX_2 = (
    value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)  # as signed integers: torch cannot multiply unsigned ones
_FIRST_DRAW, _STEPS_PER_DRAW = 1_000, 5  # as in the kernel `add_noise`


def transform_tensor(
    fitted: CanvasTransform,
    pixels: Tensor,
    keys: RngKeys,
    strength: Strength,
    items: npt.NDArray[np.int32] | None = None,
) -> Tensor:
    """Apply a fitted transform to a tensor, uint8 (n, h, w, 3), on its device; keys and strength are arrays.

    Raises DataError for a tensor of another shape or dtype.
    """
    if pixels.ndim != 4 or pixels.shape[3] != 3 or str(pixels.dtype) != "torch.uint8":
        raise DataError("pixels", "a tensor, uint8 (n, h, w, 3)", f"{pixels.dtype} {tuple(pixels.shape)}", "")
    owners = np.zeros(len(pixels), np.int32) if items is None else items
    if not len(pixels):
        return pixels
    result: Tensor = fitted.edit_canvas(
        Canvas.from_pixels(TorchBackend(pixels.device), pixels, owners), keys, strength
    ).render_pixels()
    return result


class TorchBackend:
    """Backend for any torch device."""

    def __init__(self, device: device) -> None:
        import torch

        self.torch, self.device = torch, device

    def warp_images(self, pixels: Tensor, matrix: Floats, size: Size, fill: str, value: int) -> Tensor:
        """By affine_grid and grid_sample."""
        torch, (tall, wide) = self.torch, size
        theta = _normalize_warp(matrix, (int(pixels.shape[1]), int(pixels.shape[2])), size)
        grid = torch.nn.functional.affine_grid(
            self._to_tensor(theta[:, :2]), [len(pixels), 3, tall, wide], align_corners=False
        )
        padding = {"nearest": "border", "reflect": "reflection", "constant": "zeros"}[fill]
        shifted = pixels.permute(0, 3, 1, 2).float() - (value if fill == "constant" else 0)
        result = torch.nn.functional.grid_sample(shifted, grid, padding_mode=padding, align_corners=False)
        result = self._to_bytes(result + (value if fill == "constant" else 0)).permute(0, 2, 3, 1).contiguous()
        is_unchanged = (
            np.flatnonzero(is_identity(matrix)) if size == tuple(pixels.shape[1:3]) else np.zeros(0, np.int64)
        )
        result[is_unchanged] = pixels[is_unchanged]
        return result

    def map_colors(self, pixels: Tensor, gain: Floats, offset: Floats) -> Tensor:
        """By one matrix product."""
        mapped = self.torch.einsum("nhwc,ndc->nhwd", pixels.float(), self._to_tensor(gain))
        return self._to_bytes(mapped + self._to_tensor(offset)[:, None, None])

    def add_noise(self, pixels: Tensor, keys: RngKeys, levels: npt.NDArray[np.float32]) -> Tensor:
        """The same hash of key and position as in the compiled kernel, so the same noise."""
        torch, flat = self.torch, pixels.reshape(len(pixels), -1)
        position = torch.arange(flat.shape[1], device=self.device)
        word = self._draw_bits(
            torch.from_numpy(keys.view(np.int64).copy()).to(self.device)[:, None],
            position // _STEPS_PER_DRAW + _FIRST_DRAW,
        )
        steps = (word >> (12 * (position % _STEPS_PER_DRAW))) & 4_095
        table = self._to_tensor(kernels.compute_normal_quantiles())
        level = torch.gather(self._to_tensor(levels), 1, flat.long())
        result: Tensor = (flat.float() + level * table[steps] + 0.5).clamp(0, 255).floor().to(torch.uint8)
        return result.reshape(pixels.shape)

    def blur_images(self, pixels: Tensor, sigma: Floats) -> Tensor:
        """Two passes, horizontal and vertical; edges reflected as in OpenCV by default."""
        torch = self.torch
        reach = max(int(np.ceil(4 * sigma.max())), 1)
        reach = min(reach, min(int(side) for side in pixels.shape[1:3]) - 1)
        steps = np.arange(-reach, reach + 1)
        weight = np.exp(-(steps**2) / (2 * np.maximum(sigma, 1e-3)[:, None] ** 2))
        kernel = self._to_tensor(weight / weight.sum(axis=1, keepdims=True)).repeat_interleave(3, 0)
        flat = pixels.permute(0, 3, 1, 2).reshape(1, -1, *pixels.shape[1:3]).float()
        for across in (True, False):
            pads = (reach, reach, 0, 0) if across else (0, 0, reach, reach)
            shaped = kernel[:, None, None] if across else kernel[:, None, :, None]
            padded = torch.nn.functional.pad(flat, pads, mode="reflect")
            flat = torch.nn.functional.conv2d(padded, shaped, groups=flat.shape[1])
        tall, wide = (int(side) for side in pixels.shape[1:3])
        return self._to_bytes(flat).reshape(-1, 3, tall, wide).permute(0, 2, 3, 1).contiguous()

    def erase_boxes(self, pixels: Tensor, boxes: npt.NDArray[np.int64], values: npt.NDArray[np.uint8]) -> Tensor:
        """On a copy."""
        result = pixels.clone()
        for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
            result[row, top:bottom, left:right] = self.torch.from_numpy(values[row]).to(self.device)
        return result

    def blend_images(self, pixels: Tensor, others: npt.NDArray[np.uint8], masks: npt.NDArray[np.float32]) -> Tensor:
        """By the same sum."""
        share, over = self._to_tensor(masks)[..., None], self._to_tensor(others)
        return self._to_bytes(pixels.float() + share * (over - pixels.float()))

    def reduce_resolution(self, pixels: Tensor, scale: Floats) -> Tensor:
        """Image by image, since each has its own intermediate size."""
        result = pixels.clone()
        resize, (tall, wide) = self.torch.nn.functional.interpolate, (int(side) for side in pixels.shape[1:3])
        for row in np.flatnonzero(scale < 1).tolist():
            down, across = (
                self._to_tensor(_build_area_weights(side, max(round(side * scale[row]), 1))) for side in (tall, wide)
            )
            small = self.torch.einsum("yh,hwc,xw->cyx", down, pixels[row].float(), across).round()
            result[row] = self._to_bytes(resize(small[None], (tall, wide), mode="bilinear"))[0].permute(1, 2, 0)
        return result

    def compress_jpeg(self, pixels: Tensor, quality: npt.NDArray[np.int64]) -> Tensor:
        """On the CPU: no device has an encoder with the same bytes."""
        return self.torch.from_numpy(OpenCvBackend().compress_jpeg(self.to_numpy(pixels), quality)).to(self.device)

    def to_numpy(self, pixels: Tensor) -> npt.NDArray[np.uint8]:
        """A copy on the CPU."""
        return np.ascontiguousarray(pixels.cpu().numpy())

    def _to_bytes(self, values: Tensor) -> Tensor:
        return values.round().clamp(0, 255).to(self.torch.uint8)

    def _to_tensor(self, values: npt.NDArray[np.generic]) -> Tensor:
        return self.torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    def _draw_bits(self, keys: Tensor, draw: Tensor) -> Tensor:
        """SplitMix64 of (key, draw) in signed integers, whose products have the same bits."""
        z = keys + _GOLDEN * (draw + 1)
        z = (z ^ _shift_right(z, 30)) * _MIX_1
        z = (z ^ _shift_right(z, 27)) * _MIX_2
        return z ^ _shift_right(z, 31)


def _shift_right(z: Tensor, by: int) -> Tensor:
    """Logical shift to the right."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _build_area_weights(side: int, small: int) -> Floats:
    """float64 (small, side): share of each pixel in each larger pixel; rows sum to 1."""
    edges = np.arange(small + 1) * side / small
    begin, end = edges[:-1, None], edges[1:, None]
    pixel = np.arange(side)
    overlap = np.minimum(end, pixel + 1) - np.maximum(begin, pixel)
    return np.asarray(np.maximum(overlap, 0) * small / side)


def _normalize_warp(matrix: Floats, source: Size, result: Size) -> Floats:
    """Matrices between pixels as matrices between -1 … 1, edge to edge, for grid_sample."""
    from_unit = _build_unit_map(result)
    to_unit = np.linalg.inv(_build_unit_map(source))
    return np.asarray(to_unit @ matrix @ from_unit)


def _build_unit_map(size: Size) -> Floats:
    """Map from -1 … 1, edge to edge, to pixels, from the center of the first."""
    tall, wide = size
    return np.array([[wide / 2, 0, (wide - 1) / 2], [0, tall / 2, (tall - 1) / 2], [0, 0, 1.0]])
