"""Finds items whose images must keep their colors, and items whose images must not be flipped."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.transforms.text.lexicon import Lexicon

Guards = dict[str, npt.NDArray[np.bool_]]
COLOR_REASON = "its text names a color"
WRITING_REASON = "it may show writing, a logo or a side"
_SIDES = re.split(
    ",",
    "left,right,logo,print,printed,lettering,letter,letters,slogan,text,monogram,monogrammed,personalised,personalized,"
    "alphabet,number,numbers,word,words,quote,graphic,badge,flag,map,calendar,book,poster,asymmetric,one-shoulder,"
    "左,右,字母,文字,印花,标语,刻字,商标,数字,地图,海报,书,单肩",
)


def guard_colors(catalog: Catalog) -> Guards:
    """Items whose text names a color: "red dress", "红色连衣裙"."""
    names = [word for word, kind in Lexicon.load_default().attributes.items() if kind in ("color", "shade")]
    return _build_guard(COLOR_REASON, catalog, _find_words(catalog, names))


def guard_mirroring(catalog: Catalog) -> Guards:
    """Items whose text names writing or a side, and items of a brand, whose name may be visible."""
    is_named = _find_words(catalog, _SIDES)
    brands = np.array([bool(brand) for brand in catalog.texts.get("brand", ())] or [False] * len(catalog), bool)
    return _build_guard(WRITING_REASON, catalog, is_named | brands)


def _build_guard(why: str, catalog: Catalog, mask: npt.NDArray[np.bool_]) -> Guards:
    """reason -> bool (items + 1,); item 0, without a catalog row, is not guarded."""
    return {why: np.concatenate([[False], mask])} if len(catalog) else {}


def _find_words(catalog: Catalog, words: Iterable[str]) -> npt.NDArray[np.bool_]:
    """bool (items,): items whose text contains one of the words; English words as whole words."""
    whole = [re.escape(word) for word in words if word.isascii()]
    inside = [re.escape(word) for word in words if not word.isascii() and (len(word) > 1 or word in "左右")]
    pattern = re.compile(rf"\b(?:{'|'.join(whole)})\b|{'|'.join(inside)}", re.IGNORECASE)
    texts = [text for name, text in catalog.texts.items() if name != "brand"]
    return np.array([any(pattern.search(text[row]) for text in texts) for row in range(len(catalog))], bool)
