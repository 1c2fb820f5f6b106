"""What can be changed of an item: its words, column by column, and its picture; how is a view of each made and kept?

A modality hands out what the items have, one value an item, lets a fitted operator change some of them, says why values
stayed as they were, and how they are shown and written. Views know nothing else of it (augmentation/item_views.py).
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
"""One a row: a text, or uint8 (height, width, 3), or None where an item has no picture."""
PICTURE = "(picture)"
"""The one column of pictures; no text column is called so."""


class Modality(Protocol):
    """Items are told by their rows in the catalogue, from 0."""

    def columns(self, step: Step) -> tuple[str, ...]:
        """What a step changes, each under its name. Raises DataError where the catalogue lacks it."""
        ...

    def fit(self, step: Step, key: int) -> Any:
        """The step's operator, fitted; `key` where it draws."""
        ...

    def values(self, column: str) -> Values:
        """What all items have there."""
        ...

    def having(self, column: str) -> Ints:
        """The items that have something there."""
        ...

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values: ...

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """Why -> how many stayed."""
        ...

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """One of them as the report shows it, JSON-able."""
        ...

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """Columns of a file of views."""
        ...

    def told(self) -> dict[str, Any]:
        """What else a step's facts say."""
        ...


@dataclass(frozen=True, eq=False)
class Words:
    """Text columns of the catalogue. folder: where what a model learned or answered is kept, if it has no other place,
    so that no training of an arm asks for it again; None: nowhere."""

    catalog: Catalog
    folder: Path | None = None

    def columns(self, step: Step) -> tuple[str, ...]:
        """Those that a step names, else all that hold words but the brand."""
        words = self.catalog.words
        for column in step.columns:
            if column not in words:
                where = f"step {step.called!r}, columns"
                raise DataError(where, "a text column", repr(column), nearest(column, words))
        found = step.columns or tuple(name for name, texts in words.items() if name != "brand" and any(texts))
        if not found:
            raise DataError(f"step {step.called!r}", "items with words", "none", "name text columns in item_columns")
        return found

    def fit(self, step: Step, key: int) -> Any:
        """On the whole catalogue; an operator on words draws nothing while it learns."""
        use: Any = step.use
        if self.folder is not None and getattr(use, "cache", None) == "":
            use = replace(use, cache=str(self.folder / f"learned-{step.called.replace(' ', '-')}"))
        return use.fit(self.catalog)

    def values(self, column: str) -> Values:
        """One text an item, "" where there is none."""
        return list(self.catalog.words[column])

    def having(self, column: str) -> Ints:
        """All: why an empty text stays is among the reasons."""
        return np.arange(len(self.catalog))

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values:
        """Block by block."""
        return list(texts_changed(fitted, values, keys, strength))

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """By the operator's own reasons, else chance."""
        return texts_unchanged(fitted, before, after)

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both texts in parts, each with whether it is gone or new."""
        gone, come = marked(before, after)
        return {"before": list(gone), "after": list(come)}

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """Both texts."""
        return {"before": before, "after": after}

    def told(self) -> dict[str, Any]:
        """Nothing more."""
        return {}


@dataclass(frozen=True, eq=False)
class Pictures:
    """The items' pictures, read when they are first asked for, as squares of `size` pixels.

    folder  where fitted generators are kept, so that every training of an arm draws from the same one; None: nowhere
    """

    catalog: Catalog
    size: int
    folder: Path | None = None

    @cached_property
    def gallery(self) -> Gallery:
        """What could be read.

        Raises DataError where nothing could.
        """
        found = of_catalog(self.catalog, (self.size, self.size))
        if not len(found.pictures):
            why = "; ".join(f"{reason}: {len(files):,}" for reason, files in found.unread.items()) or "none"
            raise DataError("pictures of the items", "at least one that can be read", why, "look at column and folder")
        return found

    def columns(self, step: Step) -> tuple[str, ...]:
        """The one there is."""
        if self.catalog.images is None or not any(self.catalog.images):
            fix = 'name their column: item_columns = { …, image = "…" }'
            raise DataError(f"step {step.called!r}", "items with pictures", "none", fix)
        return (PICTURE,)

    def fit(self, step: Step, key: int) -> Any:
        """On the catalogue, which says what must stay; a generator learns from the pictures themselves."""
        use: Any = step.use
        if step.is_generator:
            kept = None if self.folder is None else self.folder / f"learned-{step.called.replace(' ', '-')}"
            return drawn_views(use, self.catalog, self.gallery.pictures, key, kept)
        return use.fit(self.catalog)

    def values(self, column: str) -> Values:
        """uint8 (size, size, 3) an item; None where there is none that can be read."""
        found: Values = [None] * len(self.catalog)
        for item, pixels in zip(self.gallery.pictures.items.tolist(), self.gallery.pictures.pixels, strict=True):
            found[item - 1] = pixels
        return found

    def having(self, column: str) -> Ints:
        """Those whose picture could be read."""
        return self.gallery.pictures.items.astype(np.int64) - 1

    def changed(self, fitted: Any, values: Values, items: Ints, keys: Keys, strength: float) -> Values:
        """Of the size they had; None stays None."""
        there = [row for row, one in enumerate(values) if one is not None]
        made = list(values)
        if there:
            rows = np.array(there)
            after = pictures_changed(fitted, _set(values, items, there), keys[rows], strength).pixels
            for row, pixels in zip(there, after, strict=True):
                made[row] = resized(pixels, (self.size, self.size), "stretch")
        return made

    def unchanged(self, fitted: Any, before: Values, after: Values, items: Ints) -> Mapping[str, int]:
        """By guards and the operator's own reasons, else chance."""
        there = [row for row, one in enumerate(before) if one is not None]
        if not there:
            return {}
        return pictures_unchanged(fitted, _set(before, items, there), _set(after, items, there))

    def shown(self, before: Any, after: Any, step: Step) -> dict[str, Any]:
        """Both as PNG in base64; beside a generated one the real picture that is nearest to it."""
        found = {"before": _png(before), "after": _png(after), "apart": _apart(before, after)}
        if not step.is_generator:
            return found
        item, apart = self._nearest_to(after)
        pixels = self.gallery.pictures.pixels[item]
        name = self.catalog.ids[int(self.gallery.pictures.items[item]) - 1]
        return found | {"nearest": _png(pixels), "nearest_item": name, "nearest_apart": apart}

    def _nearest_to(self, picture: Pixels) -> tuple[int, float]:
        """(row of the real picture, how far it is)."""
        real = self.gallery.pictures.pixels
        apart = [_apart(one, picture) for one in real]
        row = int(np.argmin(apart))
        return row, apart[row]

    def kept(self, before: Values, after: Values) -> dict[str, Any]:
        """The view as JPEG."""
        return {"jpeg": [None if one is None else encoded(one, ".jpg") for one in after]}

    def told(self) -> dict[str, Any]:
        """Which pictures could not be read, by reason: how many, and three of them."""
        unread = {why: [len(files), *map(str, files[:3])] for why, files in self.gallery.unread.items()}
        return {"unread": unread} if unread else {}


def _set(values: Values, items: Ints, rows: Sequence[int]) -> PictureSet:
    return PictureSet(np.stack([values[row] for row in rows]), (items[np.array(rows)] + 1).astype(np.int32))


def _png(picture: Pixels) -> str:
    return base64.b64encode(encoded(picture, ".png")).decode()


def _apart(one: Pixels, other: Pixels) -> float:
    """Root of the mean squared difference, in levels of 255."""
    return round(float(np.sqrt(np.square(one.astype(np.float32) - other).mean())), 1)
