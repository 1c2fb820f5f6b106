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
from leaven.datasets.images import Gallery, Pixels, encoded, of_catalog, resized
from leaven.datasets.images import Pictures as PictureSet
from leaven.errors import DataError, nearest
from leaven.generators.image.generated_views import drawn_views
from leaven.protocols import Keys
from leaven.transforms.image.image_views import changed as pictures_changed
from leaven.transforms.image.image_views import unchanged as pictures_unchanged
from leaven.transforms.text.text_preview import marked
from leaven.transforms.text.text_views import changed as texts_changed
from leaven.transforms.text.text_views import unchanged as texts_unchanged

Ints = npt.NDArray[np.int64]
Values = list[Any]
"""One per row: a text, or uint8 (height, width, 3), or None where an item has no image."""
PICTURE = "(picture)"
"""Name of the only column of images, which no text column has."""


class Modality(Protocol):
    """Items are indices into the catalog, from 0."""

    def columns(self, step: Step) -> tuple[str, ...]:
        """Columns that a step changes. Raises DataError where the catalog lacks them."""
        ...

    def fit(self, step: Step, key: int) -> Any:
        """The step's fitted operator. key: of its random draws."""
        ...

    def values(self, column: str) -> Values:
        """Values of all items."""
        ...

    def having(self, column: str) -> Ints:
        """Items with a value."""
        ...

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values: ...

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """Reason -> number of unchanged values."""
        ...

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """One pair of values for the report, JSON-able."""
        ...

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """Columns of a file of views."""
        ...

    def told(self) -> dict[str, Any]:
        """Further facts of a step."""
        ...


@dataclass(frozen=True, eq=False)
class Words:
    """Text columns of the catalog.

    folder  default cache of fitted models and their answers, shared by all trainings of a variant; None: no cache
    """

    catalog: Catalog
    folder: Path | None = None

    def columns(self, step: Step) -> tuple[str, ...]:
        """The step's columns, by default all text columns but the brand."""
        words = self.catalog.words
        for column in step.columns:
            if column not in words:
                where = f"step {step.called!r}, columns"
                raise DataError(where, "a text column", repr(column), nearest(column, words))
        columns = step.columns or tuple(name for name, texts in words.items() if name != "brand" and any(texts))
        if not columns:
            raise DataError(f"step {step.called!r}", "items with text", "none", "name text columns in item_columns")
        return columns

    def fit(self, step: Step, key: int) -> Any:
        """Fit on the whole catalog; text operators use no random draws in `fit`."""
        use: Any = step.use
        if self.folder is not None and getattr(use, "cache", None) == "":
            use = replace(use, cache=str(self.folder / f"learned-{step.called.replace(' ', '-')}"))
        return use.fit(self.catalog)

    def values(self, column: str) -> Values:
        """One text per item, "" where there is none."""
        return list(self.catalog.words[column])

    def having(self, column: str) -> Ints:
        """All items: an empty text is one of the reasons of `unchanged`."""
        return np.arange(len(self.catalog))

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values:
        """Changed texts, computed in blocks."""
        return list(texts_changed(fitted, values, keys, strength))

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """Counts by the operator's reasons, else by the draw."""
        return texts_unchanged(fitted, before, after)

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both texts in parts, each with whether it is removed or new."""
        old, new = marked(before, after)
        return {"before": list(old), "after": list(new)}

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """Both texts."""
        return {"before": before, "after": after}

    def told(self) -> dict[str, Any]:
        """No further facts."""
        return {}


@dataclass(frozen=True, eq=False)
class Pictures:
    """The items' images, read on first use as squares of `size` pixels.

    folder  folder of fitted generators, shared by all trainings of a variant; None: not stored
    """

    catalog: Catalog
    size: int
    folder: Path | None = None

    @cached_property
    def gallery(self) -> Gallery:
        """All readable images.

        Raises DataError where there are none.
        """
        gallery = of_catalog(self.catalog, (self.size, self.size))
        if not len(gallery.pictures):
            why = "; ".join(f"{reason}: {len(files):,}" for reason, files in gallery.unread.items()) or "none"
            raise DataError(
                "images of the items", "at least one readable image", why, "check the column and the folder"
            )
        return gallery

    def columns(self, step: Step) -> tuple[str, ...]:
        """The only column."""
        if self.catalog.images is None or not any(self.catalog.images):
            fix = 'name their column: item_columns = { …, image = "…" }'
            raise DataError(f"step {step.called!r}", "items with images", "none", fix)
        return (PICTURE,)

    def fit(self, step: Step, key: int) -> Any:
        """Fit on the catalog; a generator is fitted on the images."""
        use: Any = step.use
        if step.is_generator:
            path = None if self.folder is None else self.folder / f"learned-{step.called.replace(' ', '-')}"
            return drawn_views(use, self.catalog, self.gallery.pictures, key, path)
        return use.fit(self.catalog)

    def values(self, column: str) -> Values:
        """uint8 (size, size, 3) per item; None without a readable image."""
        values: Values = [None] * len(self.catalog)
        for item, pixels in zip(self.gallery.pictures.items.tolist(), self.gallery.pictures.pixels, strict=True):
            values[item - 1] = pixels
        return values

    def having(self, column: str) -> Ints:
        """Items with a readable image."""
        return self.gallery.pictures.items.astype(np.int64) - 1

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values:
        """Changed images of the same size; None stays None."""
        present = [row for row, one in enumerate(values) if one is not None]
        changed = list(values)
        if present:
            rows = np.array(present)
            after = pictures_changed(fitted, _stack_images(values, items, present), keys[rows], strength).pixels
            for row, pixels in zip(present, after, strict=True):
                changed[row] = resized(pixels, (self.size, self.size), "stretch")
        return changed

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """Counts by safeguards and the operator's reasons, else by the draw."""
        present = [row for row, one in enumerate(before) if one is not None]
        if not present:
            return {}
        return pictures_unchanged(fitted, _stack_images(before, items, present), _stack_images(after, items, present))

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both as PNG in base64; for a generated image also the nearest real image."""
        pair = {
            "before": _encode_png(before),
            "after": _encode_png(after),
            "apart": _compute_distance(before, after),
        }
        if not step.is_generator:
            return pair
        real = self.gallery.pictures
        distances = [_compute_distance(image, after) for image in real.pixels]
        row = int(np.argmin(distances))
        return pair | {
            "nearest": _encode_png(real.pixels[row]),
            "nearest_item": self.catalog.ids[int(real.items[row]) - 1],
            "nearest_apart": distances[row],
        }

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """The view as JPEG."""
        return {"jpeg": [None if one is None else encoded(one, ".jpg") for one in after]}

    def told(self) -> dict[str, Any]:
        """Unreadable images by reason: their number, and three of them."""
        unread = {why: [len(files), *map(str, files[:3])] for why, files in self.gallery.unread.items()}
        return {"unread": unread} if unread else {}


def _stack_images(values: Values, items: Ints, rows: Sequence[int]) -> PictureSet:
    return PictureSet(np.stack([values[row] for row in rows]), (items[np.array(rows)] + 1).astype(np.int32))


def _encode_png(image: Pixels) -> str:
    return base64.b64encode(encoded(image, ".png")).decode()


def _compute_distance(one: Pixels, other: Pixels) -> float:
    """Root mean squared difference, in levels of 0..255."""
    return round(float(np.sqrt(np.square(one.astype(np.float32) - other).mean())), 1)
