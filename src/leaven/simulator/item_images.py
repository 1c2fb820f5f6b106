"""Draws images of simulated items.

Uses NumPy to draw and zlib to write PNG: no image library is needed.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_SIZE = 64  # pixels on each side


def draw_image(shape: int, color: tuple[int, int, int], brand: int, variant: int) -> npt.NDArray[np.uint8]:
    """uint8 (64, 64, 3): a shape (by category) in a color, with stripes whose angle and width depend on the brand.

    `variant` moves and scales the shape a little.

    >>> draw_image(0, (200, 0, 0), 3, 1).shape
    (64, 64, 3)
    """
    y, x = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float64)
    size = 0.8 + 0.05 * (variant % 5)
    u = (x - 31.5 - (variant // 5 % 5 - 2)) / (24.0 * size)
    v = (y - 31.5 - (variant // 25 % 5 - 2)) / (24.0 * size)
    inside = _is_inside(shape, u, v)
    angle = np.pi * (brand % 8) / 8
    stripes = np.sin((3.0 + 2.0 * (brand // 8)) * np.pi * (u * np.cos(angle) + v * np.sin(angle))) > 0.3
    ink = np.asarray(color, np.float64)
    image = np.full((_SIZE, _SIZE, 3), 245.0) - 12.0 * (y / _SIZE)[..., None]
    image[inside] = ink
    image[inside & stripes] = 0.65 * ink + 0.35 * (255.0 if ink.mean() < 128 else 0.0)
    pixels: npt.NDArray[np.uint8] = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return pixels


def _is_inside(shape: int, u: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """bool (points): the points of the square -1..1 in a shape: eight outlines, full and with a hole."""
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    outlines = (
        radius < 0.95,
        np.maximum(np.abs(u), np.abs(v)) < 0.8,
        np.abs(u) + np.abs(v) < 1.0,
        (v < 0.75) & (v > 2 * np.abs(u) - 0.95),
        radius < 0.6 + 0.3 * np.cos(5 * angle),
        np.minimum(np.abs(u), np.abs(v)) + 0.6 * np.maximum(np.abs(u), np.abs(v)) < 0.6,
        (np.abs(u) < 0.4) & (np.abs(v) < 0.95),
        np.maximum(np.abs(u), np.abs(v) * 1.8) < 0.95,
    )
    filled = outlines[shape % 8]
    return filled if shape < 8 else filled & (radius > 0.35)


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file (ISO 15948) of an image, uint8 (height, width, 3)."""
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = image.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_build_chunk(name, data) for name, data in chunks)


def _build_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
