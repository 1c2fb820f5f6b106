"""What would a sentence say that is made of an item's attributes?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError, nearest
from leaven.protocols import Keys, Strength
from leaven.tokenization import cut, has_han
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.token_sampling import Reasons, check, inside
from leaven.transforms.text.units import sizes

SLOTS = ("text", "brand", "category", "colour", "material", "size")
_ENGLISH = (
    "{text}. By {brand}.",
    "{brand}: {text}.",
    "{text}, from {category}.",
    "In {category}: {text}.",
    "{text}. Colour: {colour}.",
    "{text}. Material: {material}.",
    "{text}. Size: {size}.",
    "{text}. Brand {brand}, category {category}.",
    "{text}. {colour}, {material}.",
    "{category} by {brand}: {text}.",
)
_CHINESE = (
    "{text}，{brand}出品。",
    "{brand}的{text}。",
    "{text}，属于{category}。",
    "{category}：{text}。",
    "{text}，颜色：{colour}。",
    "{text}，材质：{material}。",
    "{text}，规格：{size}。",
    "{text}，品牌{brand}，类别{category}。",
    "{text}，{colour}，{material}。",
)
Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """Make a sentence of a text and the item's attributes: "Soft cream 250ml. Brand Nivea, category skin care."

    english, chinese  patterns with {text} and any of {brand}, {category}, {colour}, {material}, {size}; one is drawn
                      among those whose slots the item can fill
    p                 chance that a text is changed (× strength)
    protect           brands, beside those of the catalogue, that are found in a text

    Brand and category come from the catalogue's row of this text; colour, material and size, and a brand that the row
    does not name, from the text itself. Nothing is said that is in neither.
    """

    english: tuple[str, ...] = _ENGLISH
    chinese: tuple[str, ...] = _CHINESE
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("template", (0, 1), self.p)
        for pattern in (*self.english, *self.chinese):
            for slot in _slots(pattern):
                if slot not in SLOTS:
                    raise SpecError("template", "slots that an item can fill", repr(slot), nearest(slot, SLOTS))
            if "text" not in _slots(pattern):
                raise SpecError("template", "patterns that hold {text}", repr(pattern), "the text itself must stay")

    def fit(self, catalog: Catalog) -> Sentences:
        """Remembers what the catalogue says of each of its texts."""
        held = inside([*self.protect, *set(catalog.words.get("brand", ()))])
        patterns = {han: [(one, _slots(one)) for one in (self.english, self.chinese)[han]] for han in (False, True)}
        return Sentences(_rows(catalog), held, patterns, self.p)


def _slots(pattern: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(pattern) if name is not None)


def _rows(catalog: Catalog) -> dict[str, Attributes]:
    """text -> brand and category of its item; a text of several items that differ has neither."""
    brands = catalog.words.get("brand", [""] * len(catalog))
    codes = catalog.category
    found: dict[str, Attributes] = {}
    for name, column in catalog.words.items():
        for place, text in enumerate(column if name != "brand" else ()):
            code = int(codes[place + 1]) if codes is not None else 0
            row = {"brand": brands[place], "category": catalog.categories[code - 1] if code else ""}
            known = found.setdefault(text, row)
            if known != row:
                found[text] = {slot: value for slot, value in row.items() if known.get(slot) == value}
    return found


@dataclass(frozen=True, eq=False)
class Sentences:
    """The fitted template: rows of the catalogue by their texts, a pattern of brands, patterns of sentences."""

    rows: Mapping[str, Attributes]
    brands: re.Pattern[str] | None
    patterns: Mapping[bool, Sequence[tuple[str, frozenset[str]]]]
    p: float

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One sentence a text, or the text where nothing is known of it."""
        made = list(texts)
        lots = rng.uniform(keys, 1)
        for row in np.flatnonzero(rng.uniform(keys, 0) < self.p * np.clip(strength, 0, 1)).tolist():
            if fits := self._fitting(texts[row]):
                made[row] = fits[int(lots[row] * len(fits))]()
        return made

    def _fitting(self, text: str) -> list[Callable[[], str]]:
        """Every sentence that can be said of a text."""
        if not text.strip():
            return []
        known = self.attributes(text) | {"text": text.rstrip(" .。")}
        fitting = [pattern for pattern, slots in self.patterns[has_han(text)] if slots <= known.keys()]
        return [lambda pattern=pattern: pattern.format_map(known) for pattern in fitting]  # type: ignore[misc]

    def attributes(self, text: str) -> dict[str, str]:
        """What is known of a text: slot -> value."""
        known = {slot: value for slot, value in self.rows.get(text, {}).items() if value}
        if "brand" not in known and self.brands and (match := self.brands.search(text)):
            known["brand"] = match[0]
        if "brand" in known and text.lower().startswith(known["brand"].lower()) and has_han(text):
            known.pop("brand")  # "Nivea的Nivea护手霜" says it twice
        guards = Lexicon.ours().guards
        for piece in cut(text) if len(text) < _LONG else ():
            slot = guards.get(piece.lower())
            if slot in ("colour", "material"):
                known.setdefault(slot, piece.lower())
        if found := sizes(text):
            known["size"] = text[found[0][0] : found[0][1]]
        return known

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts of which no attribute is known, or that say nothing."""
        return {"no attribute is known": np.array([not self._fitting(text) for text in texts], bool)}


_LONG = 2_000  # characters: a long description is searched for sizes and brands alone
