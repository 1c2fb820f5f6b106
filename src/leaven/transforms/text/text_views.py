"""Which views do the items get, and which of their texts stayed as they were, and why?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.encoders.item_text import joined
from leaven.protocols import FittedTextTransform, Keys, TextTransform

BY_CHANCE = "left as it was by chance"
_BLOCK = 20_000  # texts at once: a batch's pieces stay small, and its bytes do not depend on it


@dataclass(frozen=True, eq=False)
class Views:
    """Changed copies of items' texts, copy by copy.

    items      int32 (views,): dense id of each one's item
    copies     int32 (views,): which copy, from 0
    before     list[str]: the text it was made from
    after      list[str]: the view
    operator   the kind that made them
    strength   at what strength, 0..1
    unchanged  why -> how many views are the text they were made from
    """

    items: npt.NDArray[np.int32]
    copies: npt.NDArray[np.int32]
    before: list[str]
    after: list[str]
    operator: str
    strength: float
    unchanged: Mapping[str, int] = field(default_factory=dict)


def item_keys(catalog: Catalog) -> Keys:
    """uint64 (items,): the identity of each item, from its original id as text alone."""
    return rng.user_keys(list(catalog.ids))


def views(
    catalog: Catalog,
    wish: TextTransform,
    seed: int,
    columns: Sequence[str] = ("title",),
    copies: int = 1,
    strength: float = 1.0,
) -> Views:
    """Changed copies of the items' texts; copy *c* of an item is the same whatever else is made.

    >>> from leaven.transforms.text import Units
    >>> views(Catalog(["a"], {"title": ["soap 250ml"]}), Units(names=False), seed=1).after
    ['soap 250 ml']

    Raises DataError for a column that the catalogue does not have.
    """
    texts, keys = joined(catalog, columns), item_keys(catalog)
    fitted = wish.fit(catalog)
    kind = registry.kind_of("text_transforms", wish)
    place = rng.key(seed, "text", kind, *columns)
    after: list[str] = []
    for copy in range(copies):
        after += changed(fitted, texts, rng.row_keys(place, keys, copy), strength)
    before = texts * copies
    return Views(
        items=np.tile(np.arange(1, len(texts) + 1, dtype=np.int32), copies),
        copies=np.repeat(np.arange(copies, dtype=np.int32), len(texts)),
        before=before,
        after=after,
        operator=kind,
        strength=strength,
        unchanged=unchanged(fitted, before, after),
    )


def changed(fitted: FittedTextTransform, texts: Sequence[str], keys: Keys, strength: float = 1.0) -> list[str]:
    """Texts changed block by block; keys uint64 (texts,)."""
    after: list[str] = []
    for begin in range(0, len(texts), _BLOCK):
        part = texts[begin : begin + _BLOCK]
        after += fitted(part, keys[begin : begin + _BLOCK], np.full(len(part), strength, np.float32))
    return after


def unchanged(fitted: FittedTextTransform, before: Sequence[str], after: Sequence[str]) -> dict[str, int]:
    """Why -> how many texts stayed as they were: the first reason that holds, else chance."""
    same = [text for text, made in zip(before, after, strict=True) if text == made]
    counts: dict[str, int] = {}
    left = np.ones(len(same), bool)
    for reason, holds in fitted.reasons(same).items() if same else ():
        if found := int((left & holds).sum()):
            counts[reason] = found
        left &= ~holds
    if left.any():
        counts[BY_CHANCE] = int(left.sum())
    return counts
