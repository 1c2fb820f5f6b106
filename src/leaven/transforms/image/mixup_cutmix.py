"""Mixes images of the same category: mixup and CutMix.

The partner of an image is drawn by its key from the catalog's images of its category, and not from the batch: the
result is the same in any batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pictures, Pixels, decoded, resized
from leaven.protocols import Keys, Strength
from leaven.transforms.image import safeguards
from leaven.transforms.image.canvas import Canvas, Size
from leaven.transforms.image.operator import Edit, Reasons, applied, spread
from leaven.transforms.validation import check_range, check_share

ALONE = "its category has no other image"
Ints = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]
Masks = Callable[[Keys, Strength, Size], Shares]
_CACHE_SIZE = 512  # partners kept in memory


@dataclass(frozen=True)
class PictureMixup:
    """Blend with an image of the same category (Zhang and others, mixup, ICLR 2018, images only).

    share_range  weight of the other image, drawn uniformly per image (× strength)
    guard        skip items whose text names a color or a shade
    p            probability that an image is changed

    Where we differ: both images are of one category, so the label stays; the weight is drawn uniformly.
    """

    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("mixup.share_range", self.share_range, 0, 1)
        check_share("mixup.p", self.p)

    def fit(self, catalog: Catalog) -> Mixed:
        """Indexes the items with images by category; images are read when they are drawn."""
        return _fit_mix(catalog, self._draw_masks, self.p, self.guard)

    def _draw_masks(self, keys: Keys, strength: Strength, size: Size) -> Shares:
        share = spread(keys, 2, self.share_range) * strength
        return np.broadcast_to(share[:, None, None], (len(keys), *size)).astype(np.float32)


@dataclass(frozen=True)
class PictureCutmix:
    """Paste a window of an image of the same category (Yun and others, CutMix, ICCV 2019, within a category).

    share_range  share of the area, drawn uniformly per image (× strength)
    guard        skip items whose text names a color or a shade
    p            probability that an image is changed
    """

    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("cutmix.share_range", self.share_range, 0, 1)
        check_share("cutmix.p", self.p)

    def fit(self, catalog: Catalog) -> Mixed:
        """Indexes the items with images by category; images are read when they are drawn."""
        return _fit_mix(catalog, self._draw_masks, self.p, self.guard)

    def _draw_masks(self, keys: Keys, strength: Strength, size: Size) -> Shares:
        side = np.sqrt(spread(keys, 2, self.share_range) * strength)
        masks = np.zeros((len(keys), *size), np.float32)
        for axis, (length, draw) in enumerate(zip(size, (3, 4), strict=True)):
            window = np.rint(side * length)
            begin = np.floor(rng.uniform(keys, draw) * (length - window + 1))
            inside = (np.arange(length) >= begin[:, None]) & (np.arange(length) < (begin + window)[:, None])
            masks = inside[:, :, None] * np.ones_like(masks) if axis == 0 else masks * inside[:, None, :]
        return masks.astype(np.float32)


def _fit_mix(catalog: Catalog, masks: Masks, p: float, guard: bool) -> Mixed:
    own = np.zeros(len(catalog) + 1, np.int64) if catalog.category is None else catalog.category.astype(np.int64)
    has_image = np.concatenate([[False], [bool(path) for path in catalog.images or [""] * len(catalog)]])
    pools = {code: np.flatnonzero(has_image & (own == code)) for code in np.unique(own[has_image]).tolist() if code}
    guards = safeguards.colours(catalog) if guard else {}
    return Mixed(catalog, own, pools, masks, Edit(_return_canvas, p, guards))


def _return_canvas(canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
    return canvas


@dataclass(frozen=True, eq=False)
class Mixed:
    """category_of_item int64 (items + 1,); pools: category -> its items with images."""

    catalog: Catalog
    own: Ints
    pools: dict[int, Ints]
    masks: Masks
    edit: Edit
    held: OrderedDict[tuple[int, Size], Pixels | None] = field(default_factory=OrderedDict)

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new image for each image."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Edits a canvas; images whose partner cannot be read stay unchanged."""
        strength = np.where(self.edit.stays(canvas.items, keys), np.float32(0), strength).astype(np.float32)
        canvas = canvas.settled()
        others = np.zeros((len(keys), *canvas.size, 3), np.uint8)
        masks = np.zeros((len(keys), *canvas.size), np.float32)
        drawn = self.masks(keys, strength, canvas.size)
        for row, item in enumerate(self._draw_partners(canvas.items, keys).tolist()):
            other = self._load_image(item, canvas.size) if item and strength[row] > 0 else None
            if other is not None:
                others[row], masks[row] = other, drawn[row]
        return canvas.repainted(canvas.hands.blend(canvas.pixels, others, masks)) if masks.any() else canvas

    def reasons(self, pictures: Pictures) -> Reasons:
        """Guarded items, and items whose category has no other image."""
        none = self._draw_partners(pictures.items, np.zeros(len(pictures), np.uint64)) == 0
        return self.edit.reasons(pictures) | {ALONE: none}

    def _draw_partners(self, items: npt.NDArray[np.int32], keys: Keys) -> Ints:
        """int64 (images,): another item of the same category, 0 without one."""
        found, draws = np.zeros(len(items), np.int64), rng.uniform(keys, 1)
        for row, item in enumerate(items.tolist()):
            pool = self.pools.get(int(self.own[item]) if item < len(self.own) else 0, np.zeros(0, np.int64))
            others = pool[pool != item]
            if len(others):
                found[row] = others[int(draws[row] * len(others))]
        return found

    def _load_image(self, item: int, size: Size) -> Pixels | None:
        """The image of an item at a size, from a bounded cache."""
        if (item, size) not in self.held:
            path = self.catalog.folder / str((self.catalog.images or [])[item - 1])
            found = decoded(path)
            self.held[item, size] = None if isinstance(found, str) else resized(found, size, "cover")
            if len(self.held) > _CACHE_SIZE:
                self.held.popitem(last=False)
        return self.held[item, size]
