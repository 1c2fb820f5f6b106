"""Which views do the items' pictures get, and which stayed as they were, and why?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pictures, Pixels
from leaven.errors import DataError
from leaven.protocols import FittedImageTransform, ImageTransform, Keys

BY_CHANCE = "left as it was by chance"
_BLOCK = 256  # pictures at once: memory stays small, and their bytes do not depend on it


@dataclass(frozen=True, eq=False)
class PictureViews:
    """Changed copies of pictures, copy by copy.

    before     the pictures they were made from, once
    after      uint8 (copies · pictures, height, width, 3)
    items      int32 (copies · pictures,): dense id of each one's item
    copies     int32 (copies · pictures,): which copy, from 0
    operator   the kind that made them
    strength   at what strength, 0..1
    unchanged  why -> how many views are the picture they were made from
    """

    before: Pictures
    after: Pixels
    items: npt.NDArray[np.int32]
    copies: npt.NDArray[np.int32]
    operator: str
    strength: float
    unchanged: Mapping[str, int] = field(default_factory=dict)


def picture_views(
    pictures: Pictures,
    names: Sequence[str],
    wish: ImageTransform,
    seed: int,
    catalog: Catalog | None = None,
    copies: int = 1,
    strength: float = 1.0,
) -> PictureViews:
    """Changed copies of pictures; copy *c* of a picture is the same whatever else is made.

    names: the identity that each picture's chance follows from: the id of its item, or the name of its file.

    Raises DataError unless there is one name a picture.
    """
    if len(names) != len(pictures):
        raise DataError("names", f"one a picture, {len(pictures)}", str(len(names)), "")
    fitted = wish.fit(catalog or Catalog(ids=[]))
    kind = registry.kind_of("image_transforms", wish)
    place = rng.key(seed, "picture", kind)
    own = rng.user_keys(list(names))
    made = [changed(fitted, pictures, rng.row_keys(place, own, copy), strength) for copy in range(copies)]
    counts: dict[str, int] = {}
    for one in made:
        for why, count in unchanged(fitted, pictures, one).items():
            counts[why] = counts.get(why, 0) + count
    after = np.concatenate([one.pixels for one in made]) if made else pictures.pixels[:0]
    ranks = np.repeat(np.arange(copies, dtype=np.int32), len(pictures))
    return PictureViews(pictures, after, np.tile(pictures.items, copies), ranks, kind, strength, counts)


def changed(fitted: FittedImageTransform, pictures: Pictures, keys: Keys, strength: float = 1.0) -> Pictures:
    """Pictures changed block by block; keys uint64 (pictures,)."""
    parts = []
    for begin in range(0, len(pictures), _BLOCK):
        part = pictures.take(np.arange(begin, min(begin + _BLOCK, len(pictures))))
        parts.append(fitted(part, keys[begin : begin + _BLOCK], np.full(len(part), strength, np.float32)))
    if not parts:
        return pictures
    return Pictures(np.concatenate([one.pixels for one in parts]), pictures.items)


def unchanged(fitted: FittedImageTransform, before: Pictures, after: Pictures) -> dict[str, int]:
    """Why -> how many pictures stayed as they were: the first reason that holds, else chance."""
    if before.pixels.shape != after.pixels.shape or not len(before):
        return {}
    same = before.take(np.flatnonzero((before.pixels == after.pixels).all(axis=(1, 2, 3))))
    counts: dict[str, int] = {}
    left = np.ones(len(same), bool)
    for reason, holds in fitted.reasons(same).items() if len(same) else ():
        if found := int((left & holds).sum()):
            counts[reason] = found
        left &= ~holds
    if left.any():
        counts[BY_CHANCE] = int(left.sum())
    return counts
