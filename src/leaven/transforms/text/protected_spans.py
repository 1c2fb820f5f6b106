"""Finds spans that every text transform must keep: brands, sizes, prices, models, negations, addresses, HTML entities.

Each token has a kind, one letter. The letters of a text form a string, and one regular expression over it finds the
spans: `250 ml` is "n u", `SPF 50+` is "p na", `iPhone 15 Pro` is "k n o", `one size` is "m l", `EU 38` is "p n".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.tokenization import (
    HAN_NUMERALS,
    HAN_RANGES,
    OPAQUE_SPAN,
    ChineseSegmenter,
    TokenizedTexts,
    Vocabulary,
    find_han_runs,
    find_scripts,
    has_han,
    is_address,
    tokenize_text,
    tokenize_texts,
)
from leaven.transforms.text.lexicon import Lexicon


def split_words(words: str) -> frozenset[str]:
    """The words of a string with blanks between them."""
    return frozenset(words.split())


UNIT_WORDS = split_words(
    """ml l cl dl cc oz ozs ounce ounces fl floz fl.oz fl.oz. gal gallon gallons pint pints quart quarts litre litres
    liter liters g gr gram grams mg mcg kg kgs kilo lb lbs pound pounds mm cm m km in inch inches ft foot feet yd
    gb tb mb kb w kw v volt volts watt watts mah hz khz mhz ghz mp hp psi rpm bar k ct count counts pc pcs piece
    pieces pk pack packs pkg set sets pair pairs roll rolls sheet sheets tablet tablets capsule capsules caps ply
    sq d dpi fps week weeks day days hour hours hr hrs min mins minutes month months year years yr yrs percent
    克 千克 公斤 斤 毫克 吨 毫升 升 厘米 毫米 米 公分 寸 英寸 尺 瓦 伏 毫安 片 只 个 件 套 盒 瓶 包 袋 支 条 双 对 张
    卷 粒 枚 块 台 本 罐 桶 箱 抽 层 码 号 码数 倍 度 小时 分钟 天 周 月 年 岁 寸照 装 只装 片装 支装 件套 升装
    盎司 磅 两 英尺 克拉 毫克 微克 毫安时 瓦特 伏特 平方米 立方米 公里 组 串 打 朵 株 副 束 版 册 听 排 格 色
    人份 入 个装 件装 包装 袋装 盒装 瓶装 公升 毫升装 件 段 档 代 匹 り 度数
    リットル ミリリットル グラム キログラム キロ センチ ミリ メートル 枚入 個 本入 個入 足 入り
    stück stk packung flaschen dosen beutel blatt paar stunden tage wochen monate jahre zoll litres pièces paires
    unidades piezas pezzi litri stuks"""
)
_MODELS = split_words(
    """iphone ipad ipod imac macbook airpods galaxy pixel kindle xbox playstation ps switch gopro redmi mate nova
    thinkpad surface echo fitbit vivoactive"""
)
_SUFFIXES = split_words("""pro max plus mini ultra lite se air note fe xr gen prime s""")
_LABELS = split_words("""spf pa upf uva uvb ph no nr type model series vol vitamin omega hb grade level ip gr""")
_SIZE_SYSTEMS = split_words("""EU EUR US USA UK FR IT DE ES JP CN KR AU BR INT Eu Us Uk""")
_SIZE_LABELS = split_words(
    """size sizes sized größe größen groesse konfektionsgröße schuhgröße einheitsgröße taille pointure talla tallas
    taglia maat storlek størrelse rozmiar размер サイズ フリーサイズ 尺码 尺寸 鞋码 码 号 码数 사이즈"""
)
_SIZE_WORDS = split_words(
    """onesize one-size one-size-fits-all one-size-fits-most free-size os osfa osfm xlarge x-large xx-large xxx-large
    xsmall x-small xx-small extra-large extra-small xlong x-long unisize
    大号 中号 小号 特大号 超大号 加大号 加大码 特大码 超大码 大码 中码
    小码 均码 均一码 通码 自由码 全码 大碼 均碼 特大 加肥 加肥加大 l寸 mサイズ lサイズ"""
)
_NUMBER_WORDS = split_words(
    """one two three four five six seven eight nine ten eleven twelve dozen half quarter einer eine zwei drei vier fünf
    sechs acht zehn zwölf deux trois quatre cinq dix douze dos tres cuatro cinco diez due tre quattro cinque"""
)
_BEFORE = split_words(
    """no not non without never zero sans less neither nor anti 不 无 非 没有 没 不含 未 免 零 勿 禁止 不要"""
)
_AFTER = split_words("""free less proof resistant""")
_CURRENCY = split_words("""$ € £ ￥ ¥ usd eur gbp rmb cny 元 美元 欧元 块钱 人民币""")
_NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
_DENYING = re.compile(r"(?:non|un|anti|no)-.+|.+-(?:free|less|proof)|\w+n['’]t")
_BLANK = re.compile(r"[\s,;，、；]+")
_LETTER_SIZE = r"(?:(?:\d{0,2}X{1,5}|XX?)?[SL]|M|\d{1,2}X|X{2,4})"
_CLOTHING_SIZE = re.compile(
    rf"{_LETTER_SIZE}(?:[-/]{_LETTER_SIZE})*(?:-\w+)?|(?:\d{{0,2}}x{{1,5}}|xx?)[sl]|[Xx]{{1,4}}-?(?:[Ll]arge|[Ss]mall)"
    r"|\d{2,3}[A-H]{1,2}|W\d{2}(?:L\d{2})?|(?:EU|US|UK|FR|IT|JP|DE)\d{1,2}(?:\.\d)?|(?:[SML]|X{1,3}[SL])サイズ|サイズ[A-Z0-9]+"
)
_HAN_QUANTITY = re.compile(rf"[{HAN_NUMERALS}第]*[{HAN_NUMERALS}]\w{{0,3}}")
_HAN_NUMBER = re.compile(f"[{HAN_NUMERALS}]+")
_HAN_DENYING = re.compile(r"[不无非未免禁勿零].+|.*(?:不|无).*")
_INNER_CAPITAL = re.compile(r"[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*")

_SPANS = re.compile(
    "|".join(
        (
            r"(?:k[s-]?|p[sg-]{0,2})(?:n|q|z)a?(?:so)*",  # SPF 50+, iPhone 15 Pro, EU 38, Gr. M
            r"[kz](?:s[oz])+",  # iPhone SE, iPhone XS Max
            r"(?:[wfmopz]s?-?)?l(?:[sg]*[nqz])*(?:sisj)?",  # one size fits all, size 10, size M
            r"(?:cs?)?[nqv][a%]?(?:[sg]?x[s]?[nq])*(?:[s-]?u)*(?:s?u)?(?:so)*(?:s?[xc])?",  # $ 12, 250 ml, S21 Ultra
            r"xs?[nq]",  # x 2
            r"us?ys?[nqm]",  # pack of 6, set of two
            r"m[s-]?u",  # two pieces
            r"(?:t[s-]?)+(?:[whuij]|$)?",  # no parabens, 不含酒精
            r"[wh][s-]?f",  # sulfate free
            r"[kfbzl]",
        )
    )
)


def classify_token(token: str) -> int:
    """The kind of a token: one letter as a byte.

    n number · q letters with digits · v Chinese quantity · m number word · u unit · c currency · x times · y "of" ·
    p label before a number · l label of sizes · i j "fits all" · z clothing size · k model name · o its suffix ·
    t negates the next word · f negates the previous word · b address or word with an HTML entity · w word ·
    h Chinese word · s blanks, commas ·
    a plus · % percent · - hyphen · g other signs.

    >>> [chr(classify_token(piece)) for piece in ("250", "250ml", "ml", "SPF", "iPhone", "soft", "护手霜", " ", "+")]
    ['n', 'q', 'u', 'p', 'k', 'w', 'h', 's', 'a']
    """
    return ord(_find_letter(token))


def _find_letter(piece: str) -> str:
    first = piece[0]
    if is_address(piece) or _has_entity(piece):
        return "b"
    if not first.isalnum():
        return _classify_sign(piece)
    small = piece.lower() if piece.isascii() else unicodedata.normalize("NFKC", piece).lower()
    if _CLOTHING_SIZE.fullmatch(piece) or small in _SIZE_WORDS:
        return "z"
    if piece in _SIZE_SYSTEMS:
        return "p"
    for letter, words in _WORD_LISTS:
        if small in words:
            return letter
    if any(map(str.isdigit, piece)):
        return "n" if _NUMBER.fullmatch(piece) else "q"
    if re.match(f"[{HAN_RANGES}]", first):
        return _classify_han(piece)
    if _DENYING.fullmatch(small):
        return "f"
    return "k" if _INNER_CAPITAL.fullmatch(piece) else "w"


def _has_entity(piece: str) -> bool:
    """Whether a word contains an HTML entity; an entity alone is a sign."""
    has_letters = piece[0].isalnum() or piece[-1].isalnum()
    return "&" in piece and has_letters and OPAQUE_SPAN.search(piece) is not None


def _classify_han(word: str) -> str:
    if _HAN_NUMBER.fullmatch(word) or (
        _HAN_QUANTITY.fullmatch(word) and any(word.endswith(unit) for unit in _HAN_UNITS)
    ):
        return "v"  # 五百, 三片, 两件套
    return "b" if _HAN_DENYING.fullmatch(word) else "h"  # a negation within the word


_WORD_LISTS = (
    ("x", frozenset("x")),
    ("y", frozenset(("of",))),
    ("l", _SIZE_LABELS),
    ("i", frozenset(("fits", "fit"))),
    ("j", frozenset(("all", "most"))),
    ("t", _BEFORE - {"no", "anti"}),
    ("t", frozenset(("no", "anti"))),
    ("f", _AFTER),
    ("c", _CURRENCY),
    ("k", _MODELS),
    ("o", _SUFFIXES),
    ("p", _LABELS),
    ("u", UNIT_WORDS),
    ("m", _NUMBER_WORDS),
)
_HAN_UNITS = tuple(word for word in UNIT_WORDS if re.match(f"[{HAN_RANGES}]", word))


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


_WORDS = _build_letter_table("nqvmukotfwhpxyblzij")
_SPAN_CORES = _build_letter_table("nqvmtfkblz")  # every span holds one of these
# units, labels and suffixes are plain words without a number next to them
_CHANGEABLE = _build_letter_table("whupomij")


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


def _mark_japanese_compounds(pieces: TokenizedTexts, row: int, found: npt.NDArray[np.bool_]) -> None:
    """Set `found` for words that touch another one: the segmenter is Chinese, and cuts 詰め替え into pieces."""
    begin, end = pieces.start_list[row], pieces.start_list[row + 1]
    is_joined = [bool(find_scripts(word) & {"Han", "Kana"}) for word in pieces.tokens[begin:end]]
    for place in range(1, end - begin):
        if is_joined[place - 1] and is_joined[place]:
            found[begin + place - 1 : begin + place + 1] = True


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
        attributes = Lexicon.load_default().attributes.items()
        loose = {word for word, kind in attributes if kind not in ("product", "contrast")}
        loose |= {*UNIT_WORDS, *(run for phrase in phrases.phrases for run in find_han_runs(phrase))}
        compounds = {word for word, kind in attributes if kind == "contrast" and has_han(word) and len(word) > 2}
        compounds |= {word for word in _SIZE_WORDS if has_han(word)}
        segmenter = ChineseSegmenter(whole, [*phrases.phrases, *compounds], frozenset(loose))
        self.vocabulary = Vocabulary(self._classify, segmenter)

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
        for row, text in enumerate(texts):
            if not text.isascii() and "Kana" in find_scripts(text):
                _mark_japanese_compounds(pieces, row, found)
        return pieces, _CHANGEABLE[pieces.kind_codes] & ~found
