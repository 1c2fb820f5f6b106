"""Mixes images of the same category: mixup and CutMix.

The partner of an image is drawn by its key from the catalog's images of its category, and not from the batch: the
result is the same in any batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, Pixels, decode_file, resize_image
from leaven.field_checks import check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.image.canvas import Canvas, Size
from leaven.transforms.image.operator import ImageEdit, Reasons, apply_transform, draw_between, guard_colors

NO_PARTNER_REASON = "its category has no other image"
Ints = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]
Masks = Callable[[RngKeys, Strength, Size], Shares]
_CACHE_SIZE = 512  # partners kept in memory


@dataclass(frozen=True)
class ImageMixup:
    """Blend with an image of the same category (Zhang and others, mixup, ICLR 2018, images only).

    share_range  weight of the other image, drawn uniformly per image (× strength)
    guard        skip items whose text names a color or a shade
    p            probability that an image is changed

    Where we differ: both images are of one category, so the label stays; the weight is drawn uniformly.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture mixup")
    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("mixup.share_range", self.share_range, 0, 1)
        check_share("mixup.p", self.p)

    def fit(self, catalog: Catalog) -> FittedImageMix:
        """Indexes the items with images by category; images are read when they are drawn."""
        return _fit_mix(catalog, self._draw_masks, self.p, self.guard)

    def _draw_masks(self, keys: RngKeys, strength: Strength, size: Size) -> Shares:
        share = draw_between(keys, 2, self.share_range) * strength
        return np.broadcast_to(share[:, None, None], (len(keys), *size)).astype(np.float32)


@dataclass(frozen=True)
class ImageCutmix:
    """Paste a window of an image of the same category (Yun and others, CutMix, ICCV 2019, within a category).

    share_range  share of the area, drawn uniformly per image (× strength)
    guard        skip items whose text names a color or a shade
    p            probability that an image is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture cutmix")
    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("cutmix.share_range", self.share_range, 0, 1)
        check_share("cutmix.p", self.p)

    def fit(self, catalog: Catalog) -> FittedImageMix:
        """Indexes the items with images by category; images are read when they are drawn."""
        return _fit_mix(catalog, self._draw_masks, self.p, self.guard)

    def _draw_masks(self, keys: RngKeys, strength: Strength, size: Size) -> Shares:
        side = np.sqrt(draw_between(keys, 2, self.share_range) * strength)
        masks = np.zeros((len(keys), *size), np.float32)
        for axis, (length, draw) in enumerate(zip(size, (3, 4), strict=True)):
            window = np.rint(side * length)
            begin = np.floor(rng.draw_uniform(keys, draw) * (length - window + 1))
            inside = (np.arange(length) >= begin[:, None]) & (np.arange(length) < (begin + window)[:, None])
            masks = inside[:, :, None] * np.ones_like(masks) if axis == 0 else masks * inside[:, None, :]
        return masks.astype(np.float32)


def _fit_mix(catalog: Catalog, masks: Masks, p: float, guard: bool) -> FittedImageMix:
    own = np.zeros(len(catalog) + 1, np.int64) if catalog.category is None else catalog.category.astype(np.int64)
    has_image = np.array([False, *map(bool, catalog.image_paths or [""] * len(catalog))], np.bool_)
    pools = {code: np.flatnonzero(has_image & (own == code)) for code in np.unique(own[has_image]).tolist() if code}
    guards = guard_colors(catalog) if guard else {}
    return FittedImageMix(catalog, own, pools, masks, ImageEdit(_return_canvas, p, guards))


def _return_canvas(canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
    return canvas


@dataclass(frozen=True, eq=False)
class FittedImageMix:
    """category_of_item int64 (items + 1,); pools: category -> its items with images."""

    catalog: Catalog
    category_of_item: Ints
    pools: dict[int, Ints]
    masks: Masks
    edit: ImageEdit
    cached_images: OrderedDict[tuple[int, Size], Pixels | None] = field(default_factory=OrderedDict)

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """One new image for each image."""
        return apply_transform(self, pictures, keys, strength)

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        """Edits a canvas; images whose partner cannot be read stay unchanged."""
        strength = np.where(self.edit.find_skipped(canvas.items, keys), np.float32(0), strength).astype(np.float32)
        canvas = canvas.apply_pending()
        others = np.zeros((len(keys), *canvas.size, 3), np.uint8)
        masks = np.zeros((len(keys), *canvas.size), np.float32)
        drawn = self.masks(keys, strength, canvas.size)
        for row, item in enumerate(self._draw_partners(canvas.items, keys).tolist()):
            other = self._load_image(item, canvas.size) if item and strength[row] > 0 else None
            if other is not None:
                others[row], masks[row] = other, drawn[row]
        return (
            canvas.replace_pixels(canvas.backend.blend_images(canvas.pixels, others, masks)) if masks.any() else canvas
        )

    def reasons(self, pictures: Images) -> Reasons:
        """Guarded items, and items whose category has no other image."""
        none = self._draw_partners(pictures.items, np.zeros(len(pictures), np.uint64)) == 0
        return self.edit.reasons(pictures) | {NO_PARTNER_REASON: none}

    def _draw_partners(self, items: npt.NDArray[np.int32], keys: RngKeys) -> Ints:
        """int64 (images,): another item of the same category, 0 without one."""
        found, draws = np.zeros(len(items), np.int64), rng.draw_uniform(keys, 1)
        for row, item in enumerate(items.tolist()):
            pool = self.pools.get(
                int(self.category_of_item[item]) if item < len(self.category_of_item) else 0, np.zeros(0, np.int64)
            )
            others = pool[pool != item]
            if len(others):
                found[row] = others[int(draws[row] * len(others))]
        return found

    def _load_image(self, item: int, size: Size) -> Pixels | None:
        """The image of an item at a size, from a bounded cache."""
        if (item, size) not in self.cached_images:
            path = self.catalog.image_folder / str((self.catalog.image_paths or [])[item - 1])
            found = decode_file(path)
            self.cached_images[item, size] = None if isinstance(found, str) else resize_image(found, size, "cover")
            if len(self.cached_images) > _CACHE_SIZE:
                self.cached_images.popitem(last=False)
        return self.cached_images[item, size]
