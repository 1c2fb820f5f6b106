"""Shuffles or drops the fields of a text, such as "Nivea | soft cream | 250 ml"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_count
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.text.token_sampling import Reasons, check_text_edit, compile_phrases, find_protected_ranges

FIELD_SEPARATOR = re.compile(r"\s*(?:\s[|•·–—-]\s|[|\n;；、，]|,\s|。(?!$))\s*")
"""Separators of fields: bars, line ends, semicolons, commas with a blank, Chinese commas and full stops."""


@dataclass(frozen=True)
class ShuffleFields:
    """Shuffle the fields of a text: "Nivea | soft cream | 250 ml" as "soft cream | 250 ml | Nivea".

    keep_first  the first field, often the name, stays in place
    p           probability that a text is changed (× strength)
    protect     phrases that contain no separator

    Fields are the joined columns, and the parts of a text between bars, line ends, semicolons or commas.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("shuffle fields")
    keep_first: bool = False
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("shuffle_fields", (0, 1), self.p)

    def fit(self, catalog: Catalog) -> FieldEdit:
        """Keeps the catalog's brands whole."""
        return FieldEdit(_build_splitter(catalog, self.protect), self._shuffle, 2 + self.keep_first)

    def _shuffle(self, fields: list[str], key: np.uint64, strength: float) -> list[str]:
        if rng.draw_uniform(np.array([key], np.uint64), 0)[0] >= self.p * strength:
            return fields
        draws = _draw_fields(key, len(fields))
        first = int(self.keep_first)
        order = [*range(first), *(first + int(position) for position in np.argsort(draws[first:], kind="stable"))]
        if order == list(range(len(fields))):  # unchanged: rotate by one
            order = [*order[:first], *order[first + 1 :], order[first]]
        return [fields[position] for position in order]


@dataclass(frozen=True)
class DropFields:
    """Drop some fields of a text; at least one stays, and so do fields with a protected phrase.

    share_range  share of the fields that are dropped, drawn per text (× strength), rounded stochastically
    keep_first   the first field, often the name, stays
    p            probability that a text is changed
    protect      phrases whose fields stay, in addition to the catalog's brands
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("drop fields")
    share_range: tuple[float, float] = (0.2, 0.5)
    keep_first: bool = True
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("drop_fields", self.share_range, self.p)
        check_count("drop_fields.keep_first", int(self.keep_first), 0)

    def fit(self, catalog: Catalog) -> FieldEdit:
        """Protects the catalog's brands."""
        protected = compile_phrases([*self.protect, *set(catalog.texts.get("brand", ()))])
        return FieldEdit(_build_splitter(catalog, self.protect), partial(self._drop, protected=protected), 2)

    def _drop(self, fields: list[str], key: np.uint64, strength: float, protected: re.Pattern[str] | None) -> list[str]:
        change, share, rounding = (float(rng.draw_uniform(np.array([key]), draw)[0]) for draw in (0, 1, 2))
        low, high = self.share_range
        free = [index for index, field in enumerate(fields) if not (protected and protected.search(field))]
        free = [index for index in free if index or not self.keep_first]
        count = int((low + (high - low) * share) * strength * len(free) + rounding)
        if change >= self.p or strength <= 0 or count <= 0:
            return fields
        draws = _draw_fields(key, len(fields))
        count = min(count, len(fields) - 1)
        dropped = set(sorted(free, key=lambda index: (draws[index], index))[:count])
        return [field for index, field in enumerate(fields) if index not in dropped]


def _draw_fields(key: np.uint64, count: int) -> list[float]:
    """A draw in [0, 1) for each field."""
    keys = np.array([key], np.uint64)
    return [float(rng.draw_uniform(keys, 16 + index)[0]) for index in range(count)]


FieldSplitter = Callable[[str], tuple[list[str], list[str]]]


def _build_splitter(catalog: Catalog, protect: Sequence[str]) -> FieldSplitter:
    protected = compile_phrases([*protect, *set(catalog.texts.get("brand", ()))])

    def split(text: str) -> tuple[list[str], list[str]]:
        """Fields and the separators between them."""
        spans = find_protected_ranges(text, protected)
        fields, gaps, begin = [], [], 0
        for match in FIELD_SEPARATOR.finditer(text):
            is_protected = any(a < match.end() and match.start() < b for a, b in spans)
            if not is_protected and text[begin : match.start()].strip() and text[match.end() :].strip():
                fields.append(text[begin : match.start()])
                gaps.append(match[0])
                begin = match.end()
        return [*fields, text[begin:]], gaps

    return split


@dataclass(frozen=True, eq=False)
class FieldEdit:
    """A fitted transform of fields; texts with fewer than `min_fields` stay unchanged."""

    split: FieldSplitter
    edit: Callable[[list[str], np.uint64, float], list[str]]
    min_fields: int

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """One new text for each text, with the separators in their order."""
        return [self._edit_text(text, keys[row], float(strength[row])) for row, text in enumerate(texts)]

    def _edit_text(self, text: str, key: np.uint64, strength: float) -> str:
        fields, gaps = self.split(text)
        edited = self.edit(fields, key, strength) if len(fields) >= self.min_fields and strength > 0 else fields
        if edited == fields:
            return text
        return edited[0] + "".join(gap + field for gap, field in zip(gaps, edited[1:], strict=False))

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts with too few fields."""
        few = np.array([len(self.split(text)[0]) < self.min_fields for text in texts], bool)
        return {f"fewer than {self.min_fields} fields": few}
