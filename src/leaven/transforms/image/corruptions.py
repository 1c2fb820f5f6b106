"""Corrupts images: noise, blur, erased patches, JPEG artifacts and low resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_choice, check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.geometry import build_translation
from leaven.transforms.image.operator import ImageEdit, draw_between

NOISE_LAWS = ("constant", "shot")
ERASE_FILLS = ("gray", "mean", "random")


@dataclass(frozen=True)
class AddImageNoise:
    """Add independent normal noise: x + α · noise(x).

    level_range  α in levels of 0..255, drawn uniformly per image (× strength)
    law          "constant": α everywhere; "shot": α · √(x / 128), as on a camera sensor
    p            probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("noise picture")
    level_range: tuple[float, float] = (2.0, 16.0)
    law: str = "constant"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("noise.level_range", self.level_range, 0, 255)
        check_choice("noise.law", self.law, NOISE_LAWS)
        check_share("noise.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        level = draw_between(keys, 1, self.level_range) * strength
        law = np.ones(256) if self.law == "constant" else np.sqrt(np.arange(256) / 128)
        canvas = canvas.apply_pending()
        return canvas.replace_pixels(
            canvas.backend.add_noise(canvas.pixels, keys, np.outer(level, law).astype(np.float32))
        )


@dataclass(frozen=True)
class BlurImage:
    """Blur images by a Gaussian.

    sigma_range  standard deviation in pixels, drawn uniformly per image (× strength)
    p            probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("blur picture")
    sigma_range: tuple[float, float] = (0.3, 1.5)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("blur.sigma_range", self.sigma_range, 0, 50)
        check_share("blur.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=True)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        canvas = canvas.apply_pending()
        return canvas.replace_pixels(
            canvas.backend.blur_images(canvas.pixels, draw_between(keys, 1, self.sigma_range) * strength)
        )


@dataclass(frozen=True)
class ErasePatch:
    """Erase a rectangle (DeVries and Taylor, Cutout, 2017; Zhong and others, Random Erasing, AAAI 2020).

    share_range         share of the image area, drawn uniformly per image (× strength)
    aspect_ratio_range  width over height, drawn uniformly on a logarithmic scale
    fill                "gray", "mean" (the mean color of the middle row and column) or "random"
    p                   probability that an image is changed

    Where we differ: the rectangle is entirely within the image.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("erase patch")
    share_range: tuple[float, float] = (0.02, 0.2)
    aspect_ratio_range: tuple[float, float] = (0.5, 2.0)
    fill: str = "gray"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("erase.share_range", self.share_range, 0, 1)
        check_range("erase.aspect_ratio_range", self.aspect_ratio_range, 0.1, 10)
        check_choice("erase.fill", self.fill, ERASE_FILLS)
        check_share("erase.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        canvas = canvas.apply_pending()
        sides = np.array(canvas.size)
        side = np.sqrt(draw_between(keys, 1, self.share_range) * strength)
        ratio = np.exp(
            draw_between(keys, 2, (np.log(self.aspect_ratio_range[0]), np.log(self.aspect_ratio_range[1]))) / 2
        )
        window = np.minimum(np.rint(np.stack([side / ratio, side * ratio], 1) * sides), sides)
        draws = np.stack([rng.draw_uniform(keys, 3), rng.draw_uniform(keys, 4)], axis=1)
        corner = np.floor(draws * (sides - window + 1))
        boxes = np.concatenate([corner, corner + window], axis=1).astype(np.int64)
        return canvas.replace_pixels(
            canvas.backend.erase_boxes(canvas.pixels, boxes, self._choose_colors(canvas, keys))
        )

    def _choose_colors(self, canvas: Canvas, keys: RngKeys) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        if self.fill == "gray":
            return np.full((len(keys), 3), 127, np.uint8)
        if self.fill == "random":
            return np.stack([(rng.draw_uniform(keys, 5 + c) * 256).astype(np.uint8) for c in range(3)], axis=1)
        tall, wide = canvas.size
        cross = [
            canvas.backend.to_numpy(canvas.pixels[:, tall // 2]),
            canvas.backend.to_numpy(canvas.pixels[:, :, wide // 2]),
        ]
        return np.asarray(np.concatenate(cross, axis=1).mean(axis=1), np.uint8)


@dataclass(frozen=True)
class CompressImage:
    """Compress images as JPEG of low quality.

    quality_range  1..100, drawn uniformly per image; 100 - strength · (100 - quality)
    p              probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("jpeg picture")
    quality_range: tuple[int, int] = (20, 80)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("jpeg.quality_range", self.quality_range, 1, 100)
        check_share("jpeg.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        canvas = canvas.apply_pending()
        quality = np.rint(100 - (100 - draw_between(keys, 1, self.quality_range)) * strength).astype(np.int64)
        return canvas.replace_pixels(
            canvas.backend.compress_jpeg(canvas.pixels, np.where(strength > 0, np.maximum(quality, 1), 0))
        )


@dataclass(frozen=True)
class ResizeImage:
    """Reduce the resolution of images (缩放 resize), or resize all of them.

    scale_range  remaining share of the pixels along each side, drawn uniformly per image; 1 - strength · (1 - scale)
    size         height and width of all results, at any strength; (0, 0): those of the input
    p            probability that the resolution of an image is reduced
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("resize picture")
    scale_range: tuple[float, float] = (0.4, 1.0)
    size: tuple[int, int] = (0, 0)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("resize.scale_range", self.scale_range, 0.01, 1)
        for side in self.size:
            check_count("resize.size", side, 0)
        check_share("resize.p", self.p)

    def fit(self, catalog: Catalog) -> ImageEdit:
        """Learns nothing."""
        return ImageEdit(self._edit_canvas, self.p, keeps_uniform=True)

    def _edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        scale = 1 - (1 - draw_between(keys, 1, self.scale_range)) * strength
        if (scale < 1).any():
            canvas = canvas.apply_pending()
            canvas = canvas.replace_pixels(canvas.backend.reduce_resolution(canvas.pixels, scale))
        if not all(self.size):
            return canvas
        ratio = np.array(canvas.size) / np.array(self.size)
        across, down = (np.full(len(keys), (ratio[side] - 1) / 2) for side in (1, 0))
        warp = build_translation(across, down)
        warp[:, 0, 0], warp[:, 1, 1] = ratio[1], ratio[0]
        return canvas.add_warp(warp, self.size)
