"""What if a text's fields came in another order, or some were missing?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.protocols import Keys, Strength
from leaven.transforms.text.token_sampling import Reasons, check, inside
from leaven.transforms.validation import check_count

SEPARATOR = re.compile(r"\s*(?:\s[|•·–—-]\s|[|\n;；、，]|,\s|。(?!$))\s*")
"""What parts the fields of a text: bars, line ends, semicolons, commas with a blank, Chinese commas and stops."""


@dataclass(frozen=True)
class ShuffleFields:
    """Put the fields of a text in another order: "Nivea | soft cream | 250 ml" as "soft cream | 250 ml | Nivea".

    first_stays  the first field, often the name, stays where it is
    p            chance that a text is changed (× strength)
    protect      phrases that no order may cut apart

    Fields are what `joined` puts together, and what bars, line ends, semicolons or commas part in a text.
    """

    first_stays: bool = False
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("shuffle_fields", (0, 1), self.p)

    def fit(self, catalog: Catalog) -> FieldEdit:
        """The catalogue's brands are kept whole."""
        return FieldEdit(_cutter(catalog, self.protect), self._shuffled, 2 + self.first_stays)

    def _shuffled(self, fields: list[str], key: np.uint64, strength: float) -> list[str]:
        draws = rng.uniform(np.full(len(fields) + 1, key), 0), _lots(key, len(fields))
        if draws[0][0] >= self.p * strength:
            return fields
        first = int(self.first_stays)
        order = [*range(first), *(first + int(place) for place in np.argsort(draws[1][first:], kind="stable"))]
        if order == list(range(len(fields))):  # the same again: turn it by one
            order = [*order[:first], *order[first + 1 :], order[first]]
        return [fields[place] for place in order]


@dataclass(frozen=True)
class DropFields:
    """Leave out some fields of a text; one stays at least, and fields with a protected phrase always do.

    share_range  share of the fields that go, drawn per text (× strength), rounded by lot
    keep_first   the first field, often the name, stays
    p            chance that a text is changed
    protect      phrases whose fields stay, beside the catalogue's brands
    """

    share_range: tuple[float, float] = (0.2, 0.5)
    keep_first: bool = True
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("drop_fields", self.share_range, self.p)
        check_count("drop_fields.keep_first", int(self.keep_first), 0)

    def fit(self, catalog: Catalog) -> FieldEdit:
        """The catalogue's brands are protected."""
        held = inside([*self.protect, *set(catalog.words.get("brand", ()))])

        def dropped(fields: list[str], key: np.uint64, strength: float) -> list[str]:
            return self._dropped(fields, key, strength, held)

        return FieldEdit(_cutter(catalog, self.protect), dropped, 2)

    def _dropped(self, fields: list[str], key: np.uint64, strength: float, held: re.Pattern[str] | None) -> list[str]:
        whole, share, rounding = (float(rng.uniform(np.array([key]), draw)[0]) for draw in (0, 1, 2))
        low, high = self.share_range
        loose = [place for place, field in enumerate(fields) if not (held and held.search(field))]
        loose = [place for place in loose if place or not self.keep_first]
        count = int((low + (high - low) * share) * strength * len(loose) + rounding)
        if whole >= self.p or strength <= 0 or count <= 0:
            return fields
        lots = _lots(key, len(fields))
        count = min(count, len(fields) - 1)
        gone = set(sorted(loose, key=lambda place: (lots[place], place))[:count])
        return [field for place, field in enumerate(fields) if place not in gone]


def _lots(key: np.uint64, count: int) -> list[float]:
    """A number in [0, 1) for each field."""
    one = np.array([key], np.uint64)
    return [float(rng.uniform(one, 16 + place)[0]) for place in range(count)]


Cutter = Callable[[str], tuple[list[str], list[str]]]


def _cutter(catalog: Catalog, protect: Sequence[str]) -> Cutter:
    held = inside([*protect, *set(catalog.words.get("brand", ()))])

    def cut(text: str) -> tuple[list[str], list[str]]:
        """Fields and the separators between them."""
        spans = [match.span() for match in held.finditer(text)] if held else []
        fields, gaps, begin = [], [], 0
        for match in SEPARATOR.finditer(text):
            whole = any(a < match.end() and match.start() < b for a, b in spans)
            if not whole and text[begin : match.start()].strip() and text[match.end() :].strip():
                fields.append(text[begin : match.start()])
                gaps.append(match[0])
                begin = match.end()
        return [*fields, text[begin:]], gaps

    return cut


@dataclass(frozen=True, eq=False)
class FieldEdit:
    """A fitted operator on fields; a text with fewer than `least` stays as it is."""

    cut: Cutter
    change: Callable[[list[str], np.uint64, float], list[str]]
    least: int

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text, its separators in their order."""
        return [self._changed(text, keys[row], float(strength[row])) for row, text in enumerate(texts)]

    def _changed(self, text: str, key: np.uint64, strength: float) -> str:
        fields, gaps = self.cut(text)
        made = self.change(fields, key, strength) if len(fields) >= self.least and strength > 0 else fields
        if made == fields:
            return text
        return made[0] + "".join(gap + field for gap, field in zip(gaps, made[1:], strict=False))

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts with too few fields."""
        few = np.array([len(self.cut(text)[0]) < self.least for text in texts], bool)
        return {f"fewer than {self.least} fields": few}
