"""Finds spans that every text transform must keep: brands, sizes, prices, models, negations.

Each token has a kind, one letter. The letters of a text form a string, and one regular expression over it finds the
spans: `250 ml` is "n u", `SPF 50+` is "p na", `iPhone 15 Pro` is "k n o".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.tokenization import HAN_RANGES, ChineseSegmenter, TokenizedTexts, Vocabulary, tokenize_text, tokenize_texts


def _split_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


UNIT_WORDS = _split_set(
    """ml l cl dl cc oz ozs ounce ounces fl floz fl.oz fl.oz. gal gallon gallons pint pints quart quarts litre litres
    liter liters g gr gram grams mg mcg kg kgs kilo lb lbs pound pounds mm cm m km in inch inches ft foot feet yd
    gb tb mb kb w kw v volt volts watt watts mah hz khz mhz ghz mp hp psi rpm bar k ct count counts pc pcs piece
    pieces pk pack packs pkg set sets pair pairs roll rolls sheet sheets tablet tablets capsule capsules caps ply
    sq d dpi fps week weeks day days hour hours hr hrs min mins minutes month months year years yr yrs percent
    克 千克 公斤 斤 毫克 吨 毫升 升 厘米 毫米 米 公分 寸 英寸 尺 瓦 伏 毫安 片 只 个 件 套 盒 瓶 包 袋 支 条 双 对 张
    卷 粒 枚 块 台 本 罐 桶 箱 抽 层 码 号 码数 倍 度 小时 分钟 天 周 月 年 岁 寸照 装 只装 片装 支装 件套 升装"""
)
_MODELS = _split_set(
    """iphone ipad ipod imac macbook airpods galaxy pixel kindle xbox playstation ps switch gopro redmi mate nova
    thinkpad surface echo fitbit vivoactive"""
)
_SUFFIXES = _split_set("""pro max plus mini ultra lite se air note fe xl xs xr gen prime s""")
_LABELS = _split_set("""spf pa upf uva uvb ph no nr size type model series vol vitamin omega hb grade level ip""")
_BEFORE = _split_set(
    """no not non without never zero sans less neither nor anti 不 无 非 没有 没 不含 未 免 零 勿 禁止 不要"""
)
_AFTER = _split_set("""free less proof resistant""")
_CURRENCY = _split_set("""$ € £ ￥ ¥ usd eur gbp rmb cny 元 美元 欧元 块钱 人民币""")
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


def classify_token(token: str) -> int:
    """The kind of a token: one letter as a byte.

    n number · q letters with digits · u unit · c currency · x times · y "of" · p label before a number · k model name ·
    o its suffix · t negates the next word · f negates the previous word · w word · h Chinese word · s blanks, commas ·
    a plus · % percent · - hyphen · g other signs.

    >>> [chr(classify_token(piece)) for piece in ("250", "250ml", "ml", "SPF", "iPhone", "soft", "护手霜", " ", "+")]
    ['n', 'q', 'u', 'p', 'k', 'w', 'h', 's', 'a']
    """
    return ord(_find_letter(token))


def _find_letter(piece: str) -> str:
    first = piece[0]
    if not first.isalnum():
        return _classify_sign(piece)
    small = piece.lower()
    for letter, words in _WORD_LISTS:
        if small in words:
            return letter
    if any(map(str.isdigit, piece)):
        return "n" if _NUMBER.fullmatch(piece) else "q"
    if re.match(f"[{HAN_RANGES}]", first):
        return "b" if _HAN_DENYING.fullmatch(piece) else "h"  # a negation within the word
    if _DENYING.fullmatch(small):
        return "f"
    return "k" if _INNER_CAPITAL.fullmatch(piece) else "w"


_WORD_LISTS = (
    ("x", frozenset("x")),
    ("y", frozenset(("of",))),
    ("t", _BEFORE - {"no", "anti"}),
    ("t", frozenset(("no", "anti"))),
    ("f", _AFTER),
    ("c", _CURRENCY),
    ("k", _MODELS),
    ("o", _SUFFIXES),
    ("p", _LABELS),
    ("u", UNIT_WORDS),
)


def _classify_sign(piece: str) -> str:
    if piece in _CURRENCY:
        return "c"
    if piece in ("+", "%", "-"):
        return "a" if piece == "+" else piece
    if piece in ("×", "*"):
        return "x"
    return "s" if _BLANK.fullmatch(piece) else "g"


def find_protected(pieces: TokenizedTexts) -> npt.NDArray[np.bool_]:
    """bool (pieces,): tokens in a span that the patterns protect."""
    has_span = np.zeros(len(pieces), np.bool_)
    has_span[pieces.token_rows[_SPAN_CORES[pieces.kind_codes]]] = True  # texts that can hold a span
    found, kinds, bounds = bytearray(len(pieces.ids)), pieces.kind_codes.tobytes(), pieces.start_list
    for row in np.flatnonzero(has_span).tolist():
        begin, end = bounds[row], bounds[row + 1]
        found[begin:end] = _find_spans(kinds[begin:end])
    return np.frombuffer(found, np.bool_).copy()


@lru_cache(100_000)
def _find_spans(kinds: bytes) -> bytes:
    """1 for each token in a span, for a text's kinds; cached, since titles have few distinct patterns."""
    found = bytearray(len(kinds))
    for span in _SPANS.finditer(kinds.decode("latin-1")):
        found[span.start() : span.end()] = b"\1" * (span.end() - span.start())
    return bytes(found)


def is_word(pieces: TokenizedTexts) -> npt.NDArray[np.bool_]:
    """bool (pieces,): words of any kind and numbers; not blanks, signs and tags."""
    words: npt.NDArray[np.bool_] = _WORDS[pieces.kind_codes]
    return words


def _build_letter_table(letters: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[[ord(letter) for letter in letters]] = True
    return table


_WORDS = _build_letter_table("nqukotfwhpxyb")
_SPAN_CORES = _build_letter_table("nqtfkb")  # every span holds one of these
# units, labels and suffixes are plain words without a number next to them
_CHANGEABLE = _build_letter_table("whupo")


class ProtectedPhrases:
    """Protected phrases, case-insensitive: brands, and phrases that the user lists."""

    def __init__(self, phrases: Iterable[str]) -> None:
        known = sorted({phrase.strip().lower() for phrase in phrases} - {""})
        self.cutter = ChineseSegmenter(protected_phrases=known)
        self.single_tokens: set[str] = set()
        self.phrases_by_first_token: dict[str, list[list[str]]] = {}
        for phrase in known:
            parts = tokenize_text(phrase, self.cutter)
            if len(parts) == 1:
                self.single_tokens.add(phrase)
            else:
                self.phrases_by_first_token.setdefault(parts[0], []).append(parts)
        self.phrases = known

    def has_phrase(self, token: str) -> bool:
        """Whether a token is a phrase, or contains one between hyphens and points."""
        small = token.lower()
        return small in self.single_tokens or any(part in self.single_tokens for part in _JOINERS.split(small))

    def mark_phrases(self, pieces: TokenizedTexts, found: npt.NDArray[np.bool_]) -> None:
        """Set `found` for all tokens of each phrase of several tokens."""
        words, begins = pieces.tokens, np.flatnonzero(pieces.phrase_starts)
        for begin, row in zip(begins.tolist(), pieces.token_rows[begins].tolist(), strict=True):
            stop = pieces.start_list[row + 1]
            for parts in self.phrases_by_first_token[words[begin].lower()]:
                end = begin + len(parts)
                if end <= stop and [word.lower() for word in words[begin:end]] == parts:
                    found[begin:end] = True


_JOINERS = re.compile(r"['’.\-&/,:]")


class TextReader:
    """Tokenizes texts and finds the words that may change.

    find_options   word -> its possible replacements; None for transforms without replacements
    unsplit_words  Chinese words that must not be split

    >>> pieces, free = TextReader(ProtectedPhrases(["burt's bees"]))(["soft Burt's Bees balm 20 oz"])
    >>> [pieces.tokens[index] for index in free.nonzero()[0]]
    ['soft', 'balm']
    """

    def __init__(
        self,
        phrases: ProtectedPhrases,
        options: Callable[[str], tuple[str, ...]] | None = None,
        whole: frozenset[str] = frozenset(),
    ) -> None:
        self.phrases = phrases
        self.find_options = options
        self.vocabulary = Vocabulary(self._classify, ChineseSegmenter(whole, phrases.phrases))

    @classmethod
    def from_catalog(
        cls,
        catalog: Catalog,
        protect: Sequence[str],
        options: Callable[[str], tuple[str, ...]] | None = None,
        whole: frozenset[str] = frozenset(),
    ) -> TextReader:
        """Protects the phrases of the catalog's brand column and of a list."""
        return cls(ProtectedPhrases([*catalog.texts.get("brand", ()), *protect]), options, whole)

    def _classify(self, piece: str) -> tuple[int, tuple[str, ...], bool]:
        letter = ord("b") if self.phrases.has_phrase(piece) else classify_token(piece)
        options = self.find_options(piece) if self.find_options is not None and _CHANGEABLE[letter] else ()
        return letter, options, piece.lower() in self.phrases.phrases_by_first_token

    def __call__(self, texts: Sequence[str]) -> tuple[TokenizedTexts, npt.NDArray[np.bool_]]:
        """Tokens, and bool (pieces,): words that may change."""
        pieces = tokenize_texts(texts, self.vocabulary)
        found = find_protected(pieces)
        self.phrases.mark_phrases(pieces, found)
        return pieces, _CHANGEABLE[pieces.kind_codes] & ~found
