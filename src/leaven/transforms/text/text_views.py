"""Text views of items: built, counted where unchanged, and shown with the changed words marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.encoders.item_inputs import join_columns
from leaven.protocols import FittedTextTransform, RngKeys, TextTransform, count_reasons
from leaven.tokenization import tokenize_text

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
    return count_reasons(fitted.reasons(same), np.ones(len(same), bool), CHANCE_REASON) if same else {}


MarkedParts = tuple[tuple[str, bool], ...]
"""Parts of a text in order, and whether each is inserted (or, in the text before, removed)."""


@dataclass(frozen=True)
class TextPreview:
    """One text before and after; `reason` is why the text is unchanged, "" where it changed."""

    before: str
    after: str
    reason: str = ""

    def mark_parts(self) -> tuple[MarkedParts, MarkedParts]:
        """Both texts in parts, with removed parts marked in the first and inserted parts in the second."""
        return mark_changes(self.before, self.after)

    def __str__(self) -> str:
        if self.reason:
            return f"{self.before}\n({self.reason})"
        return "\n→ ".join("".join(f"*{part}*" if new else part for part, new in parts) for parts in self.mark_parts())


def mark_changes(before: str, after: str) -> tuple[MarkedParts, MarkedParts]:
    """The removed parts of one text and the inserted parts of the other, word by word.

    >>> mark_changes("soft cream", "gentle cream")[1]
    (('gentle', True), (' cream', False))
    """
    old, new = tokenize_text(before), tokenize_text(after)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for parts, piece in ((left, "".join(old[a:b])), (right, "".join(new[c:d]))):
            parts += [(piece, False)] if tag == "equal" else _mark_without_blanks(piece)
    return tuple(left), tuple(right)


def _mark_without_blanks(piece: str) -> list[tuple[str, bool]]:
    """A changed part, with the blanks at both ends unmarked: marked blanks are hard to read."""
    inner = piece.strip()
    if not inner:
        return [(piece, False)] if piece else []
    begin = piece.index(inner)
    parts = [(piece[:begin], False), (inner, True), (piece[begin + len(inner) :], False)]
    return [(part, new) for part, new in parts if part]


def preview_texts(
    texts: Sequence[str],
    config: TextTransform,
    catalog: Catalog,
    seed: int,
    strength: float = 1.0,
    names: Sequence[str] | None = None,
) -> list[TextPreview]:
    """Previews of some texts. names: identities that seed the draws; by default the texts themselves."""
    fitted = config.fit(catalog)
    key = rng.derive_key(seed, "text", registry.find_kind("text_transforms", config))
    keys = rng.derive_row_keys(key, rng.derive_user_ids(list(names if names is not None else texts)))
    new_texts = transform_texts(fitted, texts, keys, strength)
    reasons = [next(iter(count_unchanged_texts(fitted, [a], [b])), "") for a, b in zip(texts, new_texts, strict=True)]
    return [TextPreview(a, b, reason) for a, b, reason in zip(texts, new_texts, reasons, strict=True)]
