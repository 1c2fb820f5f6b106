"""From where do pictures come, block by block, and what is said of the operator that meets them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from leaven import registry
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pictures, read
from leaven.introspection import written
from leaven.protocols import ImageTransform

Sources = Sequence[str | Path] | Pictures
Block = tuple[Pictures, list[int], Mapping[str, list[str]]]
BLOCK = 256  # pictures in memory at once


def called_by(sources: Sources) -> list[str]:
    """A name of each: the file's own, or a place."""
    if isinstance(sources, Pictures):
        return [str(place) for place in range(len(sources))]
    return [Path(one).name for one in sources]


def block(sources: Sources, begin: int, end: int, size: tuple[int, int], catalog: Catalog | None) -> Block:
    """Pictures of a block, the places they come from, and what could not be read."""
    if isinstance(sources, Pictures):
        return sources.take(np.arange(begin, end)), list(range(begin, end)), {}
    places = range(begin + 1, end + 1)
    owners = [place if catalog is not None and place <= len(catalog) else 0 for place in places]
    found = read(sources[begin:end], size, list(places))
    came = found.pictures.items.tolist()
    held = np.array([owners[place - begin - 1] for place in came], np.int32)
    return Pictures(found.pictures.pixels, held), [place - 1 for place in came], found.unread


def said(wish: ImageTransform) -> str:
    """The fields of an operator as a spec would write them, those inside a combination with their kinds.

    >>> from leaven.transforms.image.colors import Contrast
    >>> said(Contrast())
    '{ factor_range = [0.8, 1.2], guard = false, p = 1.0 }'
    """
    return written(_table(wish))


def _table(wish: Any) -> dict[str, Any]:
    values = {one.name: getattr(wish, one.name) for one in fields(wish)}
    return {name: _inner(value) for name, value in values.items()}


def _inner(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_inner(one) for one in value]
    return {"use": registry.kind_of("image_transforms", value)} | _table(value) if hasattr(value, "fit") else value
