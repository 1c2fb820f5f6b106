"""What if two pictures of one category were one?

A picture's partner is drawn from its own key among the catalogue's pictures of its category, never from those that
happen to stand beside it: so the result is the same in any batch.
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

ALONE = "its category has no other picture"
Ints = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]
Masks = Callable[[Keys, Strength, Size], Shares]
_HELD = 512  # partners kept in memory


@dataclass(frozen=True)
class PictureMixup:
    """Lay a picture of the same category over, half seen (Zhang and others, mixup, ICLR 2018, of pictures alone).

    share_range  how much of the other is seen, drawn evenly per picture (× strength)
    guard        items whose words name a colour or a shade stay
    p            chance that a picture is changed

    Where we differ: both are of one category, so its label stays; the share is drawn evenly.
    """

    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("mixup.share_range", self.share_range, 0, 1)
        check_share("mixup.p", self.p)

    def fit(self, catalog: Catalog) -> Mixed:
        """Notes which items of a category have pictures; they are read when they are drawn."""
        return _fitted(catalog, self._masks, self.p, self.guard)

    def _masks(self, keys: Keys, strength: Strength, size: Size) -> Shares:
        share = spread(keys, 2, *self.share_range) * strength
        return np.broadcast_to(share[:, None, None], (len(keys), *size)).astype(np.float32)


@dataclass(frozen=True)
class PictureCutmix:
    """Paste a window of a picture of the same category in (Yun and others, CutMix, ICCV 2019, of one category).

    share_range  share of the area, drawn evenly per picture (× strength)
    guard        items whose words name a colour or a shade stay
    p            chance that a picture is changed
    """

    share_range: tuple[float, float] = (0.1, 0.5)
    guard: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("cutmix.share_range", self.share_range, 0, 1)
        check_share("cutmix.p", self.p)

    def fit(self, catalog: Catalog) -> Mixed:
        """Notes which items of a category have pictures; they are read when they are drawn."""
        return _fitted(catalog, self._masks, self.p, self.guard)

    def _masks(self, keys: Keys, strength: Strength, size: Size) -> Shares:
        side = np.sqrt(spread(keys, 2, *self.share_range) * strength)
        masks = np.zeros((len(keys), *size), np.float32)
        for axis, (length, draw) in enumerate(zip(size, (3, 4), strict=True)):
            window = np.rint(side * length)
            begin = np.floor(rng.uniform(keys, draw) * (length - window + 1))
            inside = (np.arange(length) >= begin[:, None]) & (np.arange(length) < (begin + window)[:, None])
            masks = inside[:, :, None] * np.ones_like(masks) if axis == 0 else masks * inside[:, None, :]
        return masks.astype(np.float32)


def _fitted(catalog: Catalog, masks: Masks, p: float, guard: bool) -> Mixed:
    own = np.zeros(len(catalog) + 1, np.int64) if catalog.category is None else catalog.category.astype(np.int64)
    seen = np.concatenate([[False], [bool(path) for path in catalog.images or [""] * len(catalog)]])
    pools = {code: np.flatnonzero(seen & (own == code)) for code in np.unique(own[seen]).tolist() if code}
    return Mixed(catalog, own, pools, masks, Edit(_untouched, p, safeguards.colours(catalog) if guard else {}))


def _untouched(canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
    return canvas


@dataclass(frozen=True, eq=False)
class Mixed:
    """own int64 (items + 1,): category of each item; pools: category -> its items with pictures."""

    catalog: Catalog
    own: Ints
    pools: dict[int, Ints]
    masks: Masks
    edit: Edit
    held: OrderedDict[tuple[int, Size], Pixels | None] = field(default_factory=OrderedDict)

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new picture a picture."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """The change on a canvas; where the partner's file cannot be read a picture stays."""
        left = np.where(self.edit.stays(canvas.items, keys), np.float32(0), strength).astype(np.float32)
        done = canvas.settled()
        others = np.zeros((len(keys), *done.size, 3), np.uint8)
        masks = np.zeros((len(keys), *done.size), np.float32)
        drawn = self.masks(keys, left, done.size)
        for row, item in enumerate(self._partners(canvas.items, keys).tolist()):
            other = self._picture(item, done.size) if item and left[row] > 0 else None
            if other is not None:
                others[row], masks[row] = other, drawn[row]
        return done.repainted(done.hands.blend(done.pixels, others, masks)) if masks.any() else done

    def reasons(self, pictures: Pictures) -> Reasons:
        """Guards of their items, and items whose category has no other picture."""
        none = self._partners(pictures.items, np.zeros(len(pictures), np.uint64)) == 0
        return self.edit.reasons(pictures) | {ALONE: none}

    def _partners(self, items: npt.NDArray[np.int32], keys: Keys) -> Ints:
        """int64 (pictures,): another item of the same category, 0 where there is none."""
        found, lots = np.zeros(len(items), np.int64), rng.uniform(keys, 1)
        for row, item in enumerate(items.tolist()):
            pool = self.pools.get(int(self.own[item]) if item < len(self.own) else 0, np.zeros(0, np.int64))
            others = pool[pool != item]
            if len(others):
                found[row] = others[int(lots[row] * len(others))]
        return found

    def _picture(self, item: int, size: Size) -> Pixels | None:
        """The partner's picture in that size; the last ones stay in memory."""
        if (item, size) not in self.held:
            path = self.catalog.folder / str((self.catalog.images or [])[item - 1])
            found = decoded(path)
            self.held[item, size] = None if isinstance(found, str) else resized(found, size, "cover")
            if len(self.held) > _HELD:
                self.held.popitem(last=False)
        return self.held[item, size]
