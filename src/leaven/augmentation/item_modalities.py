"""Modalities of items: text columns and images, and how views of each are made, shown and stored.

A modality gives the values of all items, applies a fitted operator to some of them, counts unchanged values by reason,
and formats values for reports and files. `item_views.py` uses this protocol only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.augmentation.plan import Step
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images as PictureSet
from leaven.datasets.images import LoadedImages, Pixels, encode_image, load_catalog_images, resize_image
from leaven.errors import DataError, suggest_name
from leaven.generators.image.generated_views import build_generated_views
from leaven.protocols import RngKeys, get_traits
from leaven.transforms.image.image_views import count_unchanged_images as pictures_unchanged
from leaven.transforms.image.image_views import transform_images as pictures_changed
from leaven.transforms.text.text_preview import mark_changes
from leaven.transforms.text.text_views import count_unchanged_texts as texts_unchanged
from leaven.transforms.text.text_views import transform_texts as texts_changed

Ints = npt.NDArray[np.int64]
ItemValues = list[Any]
"""One per row: a text, or uint8 (height, width, 3), or None where an item has no image."""
IMAGE_COLUMN = "(picture)"
"""Name of the only column of images, which no text column has."""


class ItemModality(Protocol):
    """Items are indices into the catalog, from 0."""

    def find_columns(self, step: Step) -> tuple[str, ...]:
        """Columns that a step changes. Raises DataError where the catalog lacks them."""
        ...

    def fit(self, step: Step, key: int) -> Any:
        """The step's fitted operator. key: of its random draws."""
        ...

    def get_values(self, column: str) -> ItemValues:
        """Values of all items."""
        ...

    def find_items(self, column: str) -> Ints:
        """Items with a value."""
        ...

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues: ...

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Reason -> number of unchanged values."""
        ...

    def show_pair(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """One pair of values for the report, JSON-able."""
        ...

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """Columns of a file of views."""
        ...

    def describe_gaps(self) -> dict[str, Any]:
        """Further facts of a step."""
        ...


@dataclass(frozen=True, eq=False)
class TextModality:
    """Text columns of the catalog.

    folder  default cache of fitted models and their answers, shared by all trainings of a variant; None: no cache
    """

    catalog: Catalog
    folder: Path | None = None

    def find_columns(self, step: Step) -> tuple[str, ...]:
        """The step's columns, by default all text columns but the brand."""
        words = self.catalog.texts
        for column in step.columns:
            if column not in words:
                where = f"step {step.display_name!r}, columns"
                raise DataError(where, "a text column", repr(column), suggest_name(column, words))
        columns = step.columns or tuple(name for name, texts in words.items() if name != "brand" and any(texts))
        if not columns:
            raise DataError(
                f"step {step.display_name!r}", "items with text", "none", "name text columns in item_columns"
            )
        return columns

    def fit(self, step: Step, key: int) -> Any:
        """Fit on the whole catalog; text operators use no random draws in `fit`."""
        use: Any = step.use
        if self.folder is not None and get_traits(use).has_cache and not use.cache:
            use = replace(use, cache=str(self.folder / f"learned-{step.display_name.replace(' ', '-')}"))
        return use.fit(self.catalog)

    def get_values(self, column: str) -> ItemValues:
        """One text per item, "" where there is none."""
        return list(self.catalog.texts[column])

    def find_items(self, column: str) -> Ints:
        """All items: an empty text is one of the reasons of `unchanged`."""
        return np.arange(len(self.catalog))

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues:
        """Changed texts, computed in blocks."""
        return list(texts_changed(fitted, values, keys, strength))

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Counts by the operator's reasons, else by the draw."""
        return texts_unchanged(fitted, before, after)

    def show_pair(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both texts in parts, each with whether it is removed or new."""
        old, new = mark_changes(before, after)
        return {"before": list(old), "after": list(new)}

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """Both texts."""
        return {"before": before, "after": after}

    def describe_gaps(self) -> dict[str, Any]:
        """No further facts."""
        return {}


@dataclass(frozen=True, eq=False)
class ImageModality:
    """The items' images, read on first use as squares of `size` pixels.

    folder  folder of fitted generators, shared by all trainings of a variant; None: not stored
    """

    catalog: Catalog
    size: int
    folder: Path | None = None

    @cached_property
    def gallery(self) -> LoadedImages:
        """All readable images.

        Raises DataError where there are none.
        """
        gallery = load_catalog_images(self.catalog, (self.size, self.size))
        if not len(gallery.images):
            why = "; ".join(f"{reason}: {len(files):,}" for reason, files in gallery.failures.items()) or "none"
            raise DataError(
                "images of the items", "at least one readable image", why, "check the column and the folder"
            )
        return gallery

    def find_columns(self, step: Step) -> tuple[str, ...]:
        """The only column."""
        if self.catalog.image_paths is None or not any(self.catalog.image_paths):
            fix = 'name their column: item_columns = { …, image = "…" }'
            raise DataError(f"step {step.display_name!r}", "items with images", "none", fix)
        return (IMAGE_COLUMN,)

    def fit(self, step: Step, key: int) -> Any:
        """Fit on the catalog; a generator is fitted on the images."""
        use: Any = step.use
        if step.is_generator:
            path = None if self.folder is None else self.folder / f"learned-{step.display_name.replace(' ', '-')}"
            return build_generated_views(use, self.catalog, self.gallery.images, key, path)
        return use.fit(self.catalog)

    def get_values(self, column: str) -> ItemValues:
        """uint8 (size, size, 3) per item; None without a readable image."""
        values: ItemValues = [None] * len(self.catalog)
        for item, pixels in zip(self.gallery.images.items.tolist(), self.gallery.images.pixels, strict=True):
            values[item - 1] = pixels
        return values

    def find_items(self, column: str) -> Ints:
        """Items with a readable image."""
        return self.gallery.images.items.astype(np.int64) - 1

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues:
        """Changed images of the same size; None stays None."""
        present = [row for row, one in enumerate(values) if one is not None]
        changed = list(values)
        if present:
            rows = np.array(present)
            after = pictures_changed(fitted, _stack_images(values, items, present), keys[rows], strength).pixels
            for row, pixels in zip(present, after, strict=True):
                changed[row] = resize_image(pixels, (self.size, self.size), "stretch")
        return changed

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Counts by safeguards and the operator's reasons, else by the draw."""
        present = [row for row, one in enumerate(before) if one is not None]
        if not present:
            return {}
        return pictures_unchanged(fitted, _stack_images(before, items, present), _stack_images(after, items, present))

    def show_pair(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both as PNG in base64; for a generated image also the nearest real image."""
        pair = {
            "before": _encode_png(before),
            "after": _encode_png(after),
            "apart": _compute_distance(before, after),
        }
        if not step.is_generator:
            return pair
        real = self.gallery.images
        distances = [_compute_distance(image, after) for image in real.pixels]
        row = int(np.argmin(distances))
        return pair | {
            "nearest": _encode_png(real.pixels[row]),
            "nearest_item": self.catalog.ids[int(real.items[row]) - 1],
            "nearest_apart": distances[row],
        }

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """The view as JPEG."""
        return {"jpeg": [None if one is None else encode_image(one, ".jpg") for one in after]}

    def describe_gaps(self) -> dict[str, Any]:
        """Unreadable images by reason: their number, and three of them."""
        unread = {why: [len(files), *map(str, files[:3])] for why, files in self.gallery.failures.items()}
        return {"unread": unread} if unread else {}


def _stack_images(values: ItemValues, items: Ints, rows: Sequence[int]) -> PictureSet:
    return PictureSet(np.stack([values[row] for row in rows]), (items[np.array(rows)] + 1).astype(np.int32))


def _encode_png(image: Pixels) -> str:
    return base64.b64encode(encode_image(image, ".png")).decode()


def _compute_distance(one: Pixels, other: Pixels) -> float:
    """Root mean squared difference, in levels of 0..255."""
    return round(float(np.sqrt(np.square(one.astype(np.float32) - other).mean())), 1)
