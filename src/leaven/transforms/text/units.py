"""Rewrites sizes in texts: "250ml" as "250 ml", "8 oz" as "8 ounces"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from leaven.datasets.catalog import Catalog
from leaven.protocols import OperatorTraits
from leaven.transforms.text.token_sampling import (
    SpanEdit,
    Spans,
    check_text_edit,
    compile_phrases,
    drop_protected_spans,
)

# Each group names one unit. No GB or TB: "128GB" is part of a model's name.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("ml", "millilitres", "毫升"),
    ("l", "litres", "升"),
    ("g", "grams", "克"),
    ("kg", "kilograms", "公斤", "千克"),
    ("mg", "milligrams", "毫克"),
    ("oz", "ounces", "盎司"),
    ("fl oz", "fluid ounces"),
    ("lb", "pounds", "磅"),
    ("cm", "centimetres", "厘米", "公分"),
    ("mm", "millimetres", "毫米"),
    ("inch", "inches", "英寸"),
    ("ft", "feet", "英尺"),
    ("pcs", "pieces", "pc", "piece"),
    ("ct", "count"),
    ("hrs", "hours"),
    ("W", "watts", "瓦"),
    ("V", "volts", "伏"),
    ("mAh", "毫安"),
)
_OTHER_SPELLINGS = {
    "ounce": "ounces",
    "fl. oz": "fl oz",
    "fl.oz": "fl oz",
    "floz": "fl oz",
    "ozs": "oz",
    "gram": "grams",
    "gr": "g",
    "lbs": "lb",
    "pound": "pounds",
    "litre": "litres",
    "liter": "litres",
    "liters": "litres",
    "hr": "hrs",
    "hour": "hours",
    "watt": "watts",
    "volt": "volts",
    "foot": "feet",
    "瓦特": "瓦",
    "伏特": "伏",
    "毫安时": "毫安",
}
_HAN = "一-鿿"
_HAS_HAN = re.compile(f"[{_HAN}]")
_GROUP_OF_NAME = {name.lower(): group for group in _GROUPS for name in group}
_GROUP_OF_NAME |= {spelling: _GROUP_OF_NAME[name] for spelling, name in _OTHER_SPELLINGS.items()}
_NAMES = sorted({name for group in _GROUPS for name in group} | set(_OTHER_SPELLINGS), key=lambda n: (-len(n), n))
_SIZE = re.compile(
    rf"(?<![^\W{_HAN}])(?<![./])"  # Chinese sets no blank before a number; a Latin letter there makes a model name
    r"(\d+(?:[.,]\d+)?)[ \-]?"
    r"(?!克拉|升[级降温压])"  # carat; upgrade, lift, warm up, boost: the first character alone reads as a unit
    rf"({'|'.join(map(re.escape, _NAMES))})(?![A-Za-z0-9/&])",
    re.IGNORECASE,
)
_PACK = re.compile(r"\bpacks? of (\d+)\b|\b(\d+)[ -]?packs?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Units:
    """Rewrite sizes: "250ml" as "250 ml", "8 oz" as "8 ounces", "500g" in a Chinese text as "500克".

    rename_units  also use other names of the same unit; False: only set or remove the blank
    share_range   share of the sizes that are rewritten, drawn per text (× strength)
    p             probability that a text is changed
    protect       phrases that stay unchanged

    The number stays: no quantity is converted. Chinese names are used where the text is Chinese.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("units")
    rename_units: bool = True
    share_range: tuple[float, float] = (1.0, 1.0)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("units", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> SpanEdit:
        """Protects the catalog's brands ("3M", "7 Up")."""
        protected = compile_phrases([*self.protect, *set(catalog.texts.get("brand", ()))])
        return SpanEdit(
            partial(find_sizes, rename_units=self.rename_units, protected=protected),
            self.share_range,
            self.p,
            "no size with a unit",
        )


def find_sizes(text: str, rename_units: bool = True, protected: re.Pattern[str] | None = None) -> Spans:
    """The sizes of a text and the other spellings of each; spans that touch `protected`, protected phrases, are left
    out.

    >>> find_sizes("Nivea soft cream 250ml")
    [(17, 22, ('250 ml', '250 millilitres'))]
    >>> find_sizes("洗发水500克")[0][2]
    ('500 克', '500g', '500 g')
    """
    has_han = _HAS_HAN.search(text) is not None
    found: Spans = []
    for match in _SIZE.finditer(text):
        spellings = _spell_size(match[1], match[2], has_han if rename_units else None)
        found.append((*match.span(), tuple(spelling for spelling in spellings if spelling != match[0])))
    for match in _PACK.finditer(text):
        packs = _spell_pack(match[1] or match[2], match[0])
        found.append((*match.span(), tuple(pack for pack in packs if pack.lower() != match[0].lower())))
    return drop_protected_spans(sorted(found), text, protected)


def _spell_size(number: str, unit: str, has_han: bool | None) -> list[str]:
    """The size without and with a blank, then by the unit's other names.

    has_han  whether the text is Chinese: Chinese names fit there and long English ones do not; None: no other names
    """
    spellings = [f"{number}{unit}", f"{number} {unit}"]
    is_one, is_upper = number in ("1", "1.0"), len(unit) > 1 and unit.isupper()
    for name in _GROUP_OF_NAME[unit.lower()] if has_han is not None else ():
        is_plural_of_one = is_one and len(name) > 4
        if name.lower() != unit.lower() and not is_plural_of_one and (gaps := _list_gaps(name, bool(has_han))):
            written = name.upper() if is_upper and name.islower() else name
            spellings += [f"{number}{gap}{written}" for gap in gaps]
    return spellings


def _list_gaps(name: str, has_han: bool) -> tuple[str, ...]:
    """The blanks that can separate a number from a unit name; () where the name does not fit the text."""
    if _HAS_HAN.match(name):
        return ("",) if has_han else ()
    if len(name) > 3:
        return () if has_han else (" ",)
    return "", " "


def _spell_pack(number: str, template: str) -> list[str]:
    """The ways to write a pack of that many, in the letters' case of `template`."""
    packs = [f"pack of {number}", f"{number} pack", f"{number}-pack"]
    if template.isupper():
        return [pack.upper() for pack in packs]
    return [pack.title().replace(" Of ", " of ") for pack in packs] if "P" in template else packs
