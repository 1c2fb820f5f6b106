"""Builds text views of items, and counts unchanged views by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.encoders.item_inputs import join_columns
from leaven.protocols import FittedTextTransform, RngKeys, TextTransform

CHANCE_REASON = "unchanged by chance"
_BLOCK_SIZE = 20_000  # texts in a block, to bound memory; results do not depend on it


@dataclass(frozen=True, eq=False)
class TextViews:
    """Text views of items, copy by copy.

    items      int32 (views,): dense item ids
    copies     int32 (views,): copy index, from 0
    before     list[str]: source text of each view
    after      list[str]: the views
    operator   kind of the transform
    strength   0..1
    unchanged  reason -> number of views that equal their source text
    """

    items: npt.NDArray[np.int32]
    copies: npt.NDArray[np.int32]
    before: list[str]
    after: list[str]
    operator: str
    strength: float
    unchanged: Mapping[str, int] = field(default_factory=dict)


def derive_item_ids(catalog: Catalog) -> RngKeys:
    """uint64 (items,): identities of the items, derived from their original ids as text."""
    return rng.derive_user_ids(list(catalog.ids))


def build_text_views(
    catalog: Catalog,
    config: TextTransform,
    seed: int,
    columns: Sequence[str] = ("title",),
    copies: int = 1,
    strength: float = 1.0,
) -> TextViews:
    """Text views of the items; copy *c* of an item does not depend on other items or copies.

    >>> from leaven.transforms.text import Units
    >>> build_text_views(Catalog(["a"], {"title": ["soap 250ml"]}), Units(rename_units=False), seed=1).after
    ['soap 250 ml']

    Raises DataError for a column that the catalog lacks.
    """
    texts, keys = join_columns(catalog, columns), derive_item_ids(catalog)
    fitted = config.fit(catalog)
    kind = registry.find_kind("text_transforms", config)
    key = rng.derive_key(seed, "text", kind, *columns)
    after: list[str] = []
    for copy in range(copies):
        after += transform_texts(fitted, texts, rng.derive_row_keys(key, keys, copy), strength)
    before = texts * copies
    return TextViews(
        items=np.tile(np.arange(1, len(texts) + 1, dtype=np.int32), copies),
        copies=np.repeat(np.arange(copies, dtype=np.int32), len(texts)),
        before=before,
        after=after,
        operator=kind,
        strength=strength,
        unchanged=count_unchanged_texts(fitted, before, after),
    )


def transform_texts(
    fitted: FittedTextTransform, texts: Sequence[str], keys: RngKeys, strength: float = 1.0
) -> list[str]:
    """Texts transformed block by block; keys uint64 (texts,)."""
    after: list[str] = []
    for begin in range(0, len(texts), _BLOCK_SIZE):
        part = texts[begin : begin + _BLOCK_SIZE]
        after += fitted(part, keys[begin : begin + _BLOCK_SIZE], np.full(len(part), strength, np.float32))
    return after


def count_unchanged_texts(fitted: FittedTextTransform, before: Sequence[str], after: Sequence[str]) -> dict[str, int]:
    """Reason -> number of unchanged texts: the first reason that holds, else chance."""
    same = [text for text, new in zip(before, after, strict=True) if text == new]
    counts: dict[str, int] = {}
    left = np.ones(len(same), bool)
    for reason, holds in fitted.reasons(same).items() if same else ():
        if found := int((left & holds).sum()):
            counts[reason] = found
        left &= ~holds
    if left.any():
        counts[CHANCE_REASON] = int(left.sum())
    return counts
