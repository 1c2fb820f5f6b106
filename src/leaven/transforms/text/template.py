"""Builds sentences from item text and attributes with templates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError, suggest_name
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.tokenization import has_han, tokenize_text
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.token_sampling import Reasons, check_text_edit, compile_phrases
from leaven.transforms.text.units import find_sizes

SLOTS = ("text", "brand", "category", "color", "material", "size")
_ENGLISH = (
    "{text}. By {brand}.",
    "{brand}: {text}.",
    "{text}, from {category}.",
    "In {category}: {text}.",
    "{text}. Colour: {color}.",
    "{text}. Material: {material}.",
    "{text}. Size: {size}.",
    "{text}. Brand {brand}, category {category}.",
    "{text}. {color}, {material}.",
    "{category} by {brand}: {text}.",
)
_CHINESE = (
    "{text}，{brand}出品。",
    "{brand}的{text}。",
    "{text}，属于{category}。",
    "{category}：{text}。",
    "{text}，颜色：{color}。",
    "{text}，材质：{material}。",
    "{text}，规格：{size}。",
    "{text}，品牌{brand}，类别{category}。",
    "{text}，{color}，{material}。",
)
Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """Build a sentence from a text and the item's attributes: "Soft cream 250ml. Brand Nivea, category skin care."

    english, chinese  patterns with {text} and any of {brand}, {category}, {color}, {material}, {size}; one is drawn
                      among those whose slots the item can fill
    p                 probability that a text is changed (× strength)
    protect           brands to find in texts, in addition to those of the catalog

    Brand and category come from the catalog row of this text; color, material and size, and a brand that the row lacks,
    from the text itself. No other facts are added.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("template")
    english: tuple[str, ...] = _ENGLISH
    chinese: tuple[str, ...] = _CHINESE
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("template", (0, 1), self.p)
        for pattern in (*self.english, *self.chinese):
            for slot in _find_slots(pattern):
                if slot not in SLOTS:
                    raise SpecError("template", "slots that an item can fill", repr(slot), suggest_name(slot, SLOTS))
            if "text" not in _find_slots(pattern):
                raise SpecError("template", "patterns that hold {text}", repr(pattern), "the text itself must stay")

    def fit(self, catalog: Catalog) -> FittedTemplate:
        """Collects the attributes of the catalog's texts."""
        brands = compile_phrases([*self.protect, *set(catalog.texts.get("brand", ()))])
        patterns = {False: self.english, True: self.chinese}
        slotted = {han: [(pattern, _find_slots(pattern)) for pattern in group] for han, group in patterns.items()}
        return FittedTemplate(_collect_attributes(catalog), brands, slotted, self.p)


def _find_slots(pattern: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(pattern) if name is not None)


def _collect_attributes(catalog: Catalog) -> dict[str, Attributes]:
    """text -> brand and category of its item, where all items with this text agree."""
    brands = catalog.texts.get("brand", [""] * len(catalog))
    codes = catalog.category
    found: dict[str, Attributes] = {}
    for name, column in catalog.texts.items():
        for index, text in enumerate(column if name != "brand" else ()):
            code = int(codes[index + 1]) if codes is not None else 0
            row = {"brand": brands[index], "category": catalog.categories[code - 1] if code else ""}
            known = found.setdefault(text, row)
            if known != row:
                found[text] = {slot: value for slot, value in row.items() if known.get(slot) == value}
    return found


@dataclass(frozen=True, eq=False)
class FittedTemplate:
    """The fitted template.

    attributes_of_text  text -> attributes of its item
    brands              pattern of all brands
    patterns            whether Chinese -> (sentence pattern, its slots)
    """

    attributes_of_text: Mapping[str, Attributes]
    brands: re.Pattern[str] | None
    patterns: Mapping[bool, Sequence[tuple[str, frozenset[str]]]]
    p: float

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """One sentence for each text, or the text itself where its attributes fill no pattern."""
        new_texts = list(texts)
        draws = rng.draw_uniform(keys, 1)
        for row in np.flatnonzero(rng.draw_uniform(keys, 0) < self.p * np.clip(strength, 0, 1)).tolist():
            known = self._fill_slots(texts[row])
            if patterns := self._find_patterns(texts[row], known):
                new_texts[row] = patterns[int(draws[row] * len(patterns))].format_map(known)
        return new_texts

    def _fill_slots(self, text: str) -> dict[str, str]:
        return self.find_attributes(text) | {"text": text.rstrip(" .。")} if text.strip() else {}

    def _find_patterns(self, text: str, known: Attributes) -> list[str]:
        """The patterns whose slots are all known."""
        return [pattern for pattern, slots in self.patterns[has_han(text)] if slots <= known.keys()]

    def find_attributes(self, text: str) -> dict[str, str]:
        """slot -> value, from the catalog and from the text itself."""
        known = {slot: value for slot, value in self.attributes_of_text.get(text, {}).items() if value}
        if "brand" not in known and self.brands and (match := self.brands.search(text)):
            known["brand"] = match[0]
        if "brand" in known and text.lower().startswith(known["brand"].lower()) and has_han(text):
            known.pop("brand")  # "Nivea的Nivea护手霜" would repeat the brand
        if found := find_sizes(text):
            known["size"] = text[found[0][0] : found[0][1]]
        return _find_attribute_words(text) | known

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without a known attribute, and blank texts."""
        unknown = [not self._find_patterns(text, self._fill_slots(text)) for text in texts]
        return {"no attribute is known": np.array(unknown, bool)}


def _find_attribute_words(text: str) -> dict[str, str]:
    """The first color and the first material that a text names."""
    found: dict[str, str] = {}
    kinds = Lexicon.load_default().attributes
    for word in map(str.lower, tokenize_text(text) if len(text) < _MAX_CHARACTERS else ()):
        if (kind := kinds.get(word)) in ("color", "material"):
            found.setdefault(kind, word)
    return found


_MAX_CHARACTERS = 2_000  # longer texts are searched for sizes and brands only
