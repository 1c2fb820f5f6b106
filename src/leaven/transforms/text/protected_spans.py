"""Which spans of a text must survive every change: brands, sizes, prices, models, negations?

Each piece has a kind, one letter. Laid side by side the letters are a text again, and spans are found by one pattern
over it: `250 ml` is "n u", `SPF 50+` is "p na", `iPhone 15 Pro` is "k n o".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.tokenization import HAN, HanCutter, Pieces, Vocabulary, cut, read


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


UNITS = _set(
    """ml l cl dl cc oz ozs ounce ounces fl floz fl.oz fl.oz. gal gallon gallons pint pints quart quarts litre litres
    liter liters g gr gram grams mg mcg kg kgs kilo lb lbs pound pounds mm cm m km in inch inches ft foot feet yd
    gb tb mb kb w kw v volt volts watt watts mah hz khz mhz ghz mp hp psi rpm bar k ct count counts pc pcs piece
    pieces pk pack packs pkg set sets pair pairs roll rolls sheet sheets tablet tablets capsule capsules caps ply
    sq d dpi fps week weeks day days hour hours hr hrs min mins minutes month months year years yr yrs percent
    克 千克 公斤 斤 毫克 吨 毫升 升 厘米 毫米 米 公分 寸 英寸 尺 瓦 伏 毫安 片 只 个 件 套 盒 瓶 包 袋 支 条 双 对 张
    卷 粒 枚 块 台 本 罐 桶 箱 抽 层 码 号 码数 倍 度 小时 分钟 天 周 月 年 岁 寸照 装 只装 片装 支装 件套 升装"""
)
_MODELS = _set(
    """iphone ipad ipod imac macbook airpods galaxy pixel kindle xbox playstation ps switch gopro redmi mate nova
    thinkpad surface echo fitbit vivoactive"""
)
_SUFFIXES = _set("""pro max plus mini ultra lite se air note fe xl xs xr gen prime s""")
_LABELS = _set("""spf pa upf uva uvb ph no nr size type model series vol vitamin omega hb grade level ip""")
_BEFORE = _set(
    """no not non without never zero sans less neither nor anti 不 无 非 没有 没 不含 未 免 零 勿 禁止 不要"""
)
_AFTER = _set("""free less proof resistant""")
_CURRENCY = _set("""$ € £ ￥ ¥ usd eur gbp rmb cny 元 美元 欧元 块钱 人民币""")
_NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
_DENYING = re.compile(r"(?:non|un|anti|no)-.+|.+-(?:free|less|proof)|\w+n['’]t")
_BLANK = re.compile(r"[\s,;，、；]+")
_HAN_DENYING = re.compile(r"[不无非未免禁勿零].+|.*(?:不|无).*")
_INNER_CAPITAL = re.compile(r"[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*")

_SPANS = re.compile(
    "|".join(
        (
            r"[kp][s-]?(?:n|q)a?(?:so)*",  # SPF 50+, iPhone 15 Pro, size 10
            r"k(?:so)+",  # iPhone SE
            r"(?:cs?)?[nq][a%]?(?:[sg]?x[s]?[nq])*(?:[s-]?u)*(?:s?u)?(?:so)*(?:s?[xc])?",  # $ 12, 250 ml, S21 Ultra
            r"xs?[nq]",  # x 2
            r"us?ys?[nq]",  # pack of 6
            r"(?:t[s-]?)+(?:[wh]|$)?",  # no parabens, 不含酒精
            r"[wh][s-]?f",  # sulfate free
            r"[kfb]",
        )
    )
)


def kind(piece: str) -> int:
    """One byte: the letter that says what a piece is.

    n number · q letters with digits · u unit · c currency · x times · y "of" · p label before a number · k model name ·
    o its suffix · t denies what follows · f denies what stands before · w word · h Chinese word · s blanks or commas ·
    a plus · % percent · - hyphen · g other signs.

    >>> [chr(kind(piece)) for piece in ("250", "250ml", "ml", "SPF", "iPhone", "soft", "护手霜", " ", "+")]
    ['n', 'q', 'u', 'p', 'k', 'w', 'h', 's', 'a']
    """
    return ord(_letter(piece))


def _letter(piece: str) -> str:
    first = piece[0]
    if not first.isalnum():
        return _sign(piece)
    small = piece.lower()
    for letter, words in _LISTS:
        if small in words:
            return letter
    if any(map(str.isdigit, piece)):
        return "n" if _NUMBER.fullmatch(piece) else "q"
    if re.match(f"[{HAN}]", first):
        return "b" if _HAN_DENYING.fullmatch(piece) else "h"  # the word holds what it denies
    if _DENYING.fullmatch(small):
        return "f"
    return "k" if _INNER_CAPITAL.fullmatch(piece) else "w"


_LISTS = (
    ("x", frozenset("x")),
    ("y", frozenset(("of",))),
    ("t", _BEFORE - {"no", "anti"}),
    ("t", frozenset(("no", "anti"))),
    ("f", _AFTER),
    ("c", _CURRENCY),
    ("k", _MODELS),
    ("o", _SUFFIXES),
    ("p", _LABELS),
    ("u", UNITS),
)


def _sign(piece: str) -> str:
    if piece in _CURRENCY:
        return "c"
    if piece in ("+", "%", "-"):
        return "a" if piece == "+" else piece
    if piece in ("×", "*"):
        return "x"
    return "s" if _BLANK.fullmatch(piece) else "g"


def held(pieces: Pieces) -> npt.NDArray[np.bool_]:
    """bool (pieces,): which lie in a span that the patterns protect."""
    there = np.zeros(len(pieces), np.bool_)
    there[pieces.row[_SPEAKS[pieces.kinds]]] = True  # texts in which a span can be
    found, line, bounds = bytearray(len(pieces.ids)), pieces.kinds.tobytes(), pieces.bounds
    for row in np.flatnonzero(there).tolist():
        begin, end = bounds[row], bounds[row + 1]
        found[begin:end] = _spans(line[begin:end])
    return np.frombuffer(found, np.bool_).copy()


@lru_cache(100_000)
def _spans(kinds: bytes) -> bytes:
    """1 for each piece in a span, of a text's kinds; titles are built alike, so that few of them are looked at."""
    found = bytearray(len(kinds))
    for span in _SPANS.finditer(kinds.decode("latin-1")):
        found[span.start() : span.end()] = b"\1" * (span.end() - span.start())
    return bytes(found)


def is_word(pieces: Pieces) -> npt.NDArray[np.bool_]:
    """bool (pieces,): words of any kind, numbers too; not blanks, signs and tags."""
    words: npt.NDArray[np.bool_] = _WORDS[pieces.kinds]
    return words


def _letters(letters: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[[ord(letter) for letter in letters]] = True
    return table


_WORDS = _letters("nqukotfwhpxyb")
_SPEAKS = _letters("nqtfkb")  # every span holds one of these
# units, labels and suffixes are words like others where no number stands beside them
_CHANGEABLE = _letters("whupo")


class Phrases:
    """Phrases that must survive, whatever their letters' case: brands, and what the user lists."""

    def __init__(self, phrases: Iterable[str]) -> None:
        known = sorted({phrase.strip().lower() for phrase in phrases} - {""})
        self.cutter = HanCutter(held=known)
        self.single: set[str] = set()
        self.after: dict[str, list[list[str]]] = {}
        for phrase in known:
            parts = cut(phrase, self.cutter)
            if len(parts) == 1:
                self.single.add(phrase)
            else:
                self.after.setdefault(parts[0], []).append(parts)
        self.known = known

    def hold(self, piece: str) -> bool:
        """Whether a piece is a phrase, or holds one between its hyphens and points."""
        small = piece.lower()
        return small in self.single or any(part in self.single for part in _INSIDE.split(small))

    def mark(self, pieces: Pieces, found: npt.NDArray[np.bool_]) -> None:
        """Set `found` for all pieces of each phrase of several pieces."""
        words, begins = pieces.words, np.flatnonzero(pieces.begins)
        for place, row in zip(begins.tolist(), pieces.row[begins].tolist(), strict=True):
            stop = pieces.bounds[row + 1]
            for parts in self.after[words[place].lower()]:
                end = place + len(parts)
                if end <= stop and [word.lower() for word in words[place:end]] == parts:
                    found[place:end] = True


_INSIDE = re.compile(r"['’.\-&/,:]")


class Reader:
    """Cuts texts into pieces and says which of them may change.

    options says what may take the place of a word (nothing: an operator that asks for none, or a word without);
    whole are Chinese words that must not be cut.

    >>> pieces, free = Reader(Phrases(["burt's bees"]))(["soft Burt's Bees balm 20 oz"])
    >>> [pieces.words[place] for place in free.nonzero()[0]]
    ['soft', 'balm']
    """

    def __init__(
        self,
        phrases: Phrases,
        options: Callable[[str], tuple[str, ...]] | None = None,
        whole: frozenset[str] = frozenset(),
    ) -> None:
        self.phrases = phrases
        self.options = options
        self.vocabulary = Vocabulary(self._judge, HanCutter(whole, phrases.known))

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        protect: Sequence[str],
        options: Callable[[str], tuple[str, ...]] | None = None,
        whole: frozenset[str] = frozenset(),
    ) -> Reader:
        """Protects what the catalogue's brand column and a list hold."""
        return cls(Phrases([*catalog.words.get("brand", ()), *protect]), options, whole)

    def _judge(self, piece: str) -> tuple[int, tuple[str, ...], bool]:
        letter = ord("b") if self.phrases.hold(piece) else kind(piece)
        asked = self.options is not None and _CHANGEABLE[letter]
        options = self.options(piece) if asked and self.options else ()
        return letter, options, piece.lower() in self.phrases.after

    def __call__(self, texts: Sequence[str]) -> tuple[Pieces, npt.NDArray[np.bool_]]:
        """Pieces, and bool (pieces,): words that may change."""
        pieces = read(texts, self.vocabulary)
        found = held(pieces)
        self.phrases.mark(pieces, found)
        return pieces, _CHANGEABLE[pieces.kinds] & ~found
