"""How else is a size written?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from leaven.datasets.catalog import Catalog
from leaven.transforms.text.token_sampling import Found, SpanEdit, check, inside, outside

# Names of one unit. No GB or TB: "128GB" is part of a model's name.
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
}
_HAN_NAME = re.compile(r"[一-鿿]")
_NAMES = sorted({name for group in _GROUPS for name in group} | set(_OTHER_SPELLINGS), key=lambda n: (-len(n), n))
_SIZE = re.compile(
    r"(?<![\w./])(\d+(?:[.,]\d+)?)[ \-]?(" + "|".join(map(re.escape, _NAMES)) + r")(?![A-Za-z0-9/&])", re.IGNORECASE
)
_PACK = re.compile(r"\bpacks? of (\d+)\b|\b(\d+)[ -]?packs?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Units:
    """Write sizes in another way: "250ml" as "250 ml", "8 oz" as "8 ounces", "500g" beside Chinese as "500克".

    names        also other names of the same unit, not the blank alone
    share_range  share of the sizes that are rewritten, drawn per text (× strength)
    p            chance that a text is changed
    protect      phrases that stay as they are

    The number stays: nothing is converted, so nothing can be wrong. Chinese names are used where the text is Chinese.
    """

    names: bool = True
    share_range: tuple[float, float] = (1.0, 1.0)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("units", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> SpanEdit:
        """The catalogue's brands are protected ("3M", "7 Up")."""
        held = inside([*self.protect, *(brand for brand in set(catalog.words.get("brand", ())))])
        return SpanEdit(partial(sizes, names=self.names, held=held), self.share_range, self.p, "no size with a unit")


def sizes(text: str, names: bool = True, held: re.Pattern[str] | None = None) -> Found:
    """The sizes of a text and how else each can be written.

    >>> sizes("Nivea soft cream 250ml")
    [(17, 22, ('250 ml', '250 millilitres'))]
    >>> sizes("洗发水500克")[0][2]
    ('500 克', '500g', '500 g')
    """
    chinese = _HAN_NAME.search(text) is not None
    found: Found = []
    for match in _SIZE.finditer(text):
        ways = _ways(match[1], match[2], names, chinese)
        found.append((*match.span(), tuple(way for way in ways if way != match[0])))
    for match in _PACK.finditer(text):
        ways = [way for way in _packs(match[1] or match[2], match[0]) if way.lower() != match[0].lower()]
        found.append((*match.span(), tuple(ways)))
    return outside(sorted(found), text, held)


def _ways(number: str, unit: str, names: bool, chinese: bool) -> Sequence[str]:
    """The blank set or left out, then the unit's other names."""
    ways = [f"{number}{unit}", f"{number} {unit}"]
    small = _OTHER_SPELLINGS.get(unit.lower(), unit.lower())
    group = next((group for group in _GROUPS if small in (name.lower() for name in group)), ())
    one = number in ("1", "1.0")
    for name in group if names else ():
        han = _HAN_NAME.match(name) is not None
        if (
            name.lower() == unit.lower()
            or han > chinese
            or (chinese and not han and len(name) > 3)
            or (one and len(name) > 4)
        ):
            continue
        shout = unit.isupper() and len(unit) > 1 and name.islower()
        written = name.upper() if shout else name
        ways += [f"{number}{written}"] if han else [f"{number} {written}"] if len(name) > 3 else _both(number, written)
    return ways


def _both(number: str, name: str) -> list[str]:
    return [f"{number}{name}", f"{number} {name}"]


def _packs(number: str, like: str) -> list[str]:
    ways = [f"pack of {number}", f"{number} pack", f"{number}-pack"]
    if like.isupper():
        return [way.upper() for way in ways]
    return [way.title().replace(" Of ", " of ") for way in ways] if "P" in like else ways
