"""Builds image views of items, and counts unchanged views by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, Pixels
from leaven.errors import DataError
from leaven.protocols import FittedImageTransform, ImageTransform, RngKeys, count_reasons

CHANCE_REASON = "unchanged by chance"
_BLOCK_SIZE = 256  # images in a block, to bound memory; results do not depend on it


@dataclass(frozen=True, eq=False)
class ImageViews:
    """Image views, copy by copy.

    before     the source images, once
    after      uint8 (copies · images, height, width, 3)
    items      int32 (copies · images,): dense item ids
    copies     int32 (copies · images,): copy index, from 0
    operator   kind of the transform
    strength   0..1
    unchanged  reason -> number of views that equal their source image
    """

    before: Images
    after: Pixels
    items: npt.NDArray[np.int32]
    copies: npt.NDArray[np.int32]
    operator: str
    strength: float
    unchanged: Mapping[str, int] = field(default_factory=dict)


def build_image_views(
    images: Images,
    names: Sequence[str],
    config: ImageTransform,
    seed: int,
    catalog: Catalog | None = None,
    copies: int = 1,
    strength: float = 1.0,
) -> ImageViews:
    """Views of images; copy *c* of an image does not depend on other images or copies.

    names: identities that seed the draws: the id of the item, or the name of the file.

    Raises DataError unless there is one name for each image.
    """
    if len(names) != len(images):
        raise DataError("names", f"{len(images)}, one for each image", str(len(names)), "name all images")
    fitted = config.fit(catalog or Catalog(ids=[]))
    kind = registry.find_kind("image_transforms", config)
    key = rng.derive_key(seed, "picture", kind)
    own = rng.derive_user_ids(list(names))
    views = [transform_images(fitted, images, rng.derive_row_keys(key, own, copy), strength) for copy in range(copies)]
    counts: dict[str, int] = {}
    for view in views:
        for reason, count in count_unchanged_images(fitted, images, view).items():
            counts[reason] = counts.get(reason, 0) + count
    after = np.concatenate([view.pixels for view in views]) if views else images.pixels[:0]
    copy_index = np.repeat(np.arange(copies, dtype=np.int32), len(images))
    return ImageViews(images, after, np.tile(images.items, copies), copy_index, kind, strength, counts)


def transform_images(fitted: FittedImageTransform, images: Images, keys: RngKeys, strength: float = 1.0) -> Images:
    """Images transformed block by block; keys uint64 (images,)."""
    parts = []
    for begin in range(0, len(images), _BLOCK_SIZE):
        part = images.take(np.arange(begin, min(begin + _BLOCK_SIZE, len(images))))
        parts.append(fitted(part, keys[begin : begin + _BLOCK_SIZE], np.full(len(part), strength, np.float32)))
    if not parts:
        return images
    return Images(np.concatenate([part.pixels for part in parts]), images.items)


def count_unchanged_images(fitted: FittedImageTransform, before: Images, after: Images) -> dict[str, int]:
    """Reason -> number of unchanged images: the first reason that holds, else chance."""
    if before.pixels.shape != after.pixels.shape or not len(before):
        return {}
    same = before.take(np.flatnonzero((before.pixels == after.pixels).all(axis=(1, 2, 3))))
    return count_reasons(fitted.reasons(same), np.ones(len(same), bool), CHANCE_REASON) if len(same) else {}
