"""Lossless tokenization of item texts: the tokens of a text, joined, give the text byte for byte.

A token is a word (letters, digits, with apostrophes, periods and hyphens inside), a Chinese word as segmented by
`rjieba`, an HTML tag or entity, an address (URL, e-mail, domain), whitespace, or a run of other characters. A word that
contains an entity ("caf&eacute;") is one token. Each distinct token is classified once
(`Vocabulary`), not once per occurrence, as titles repeat their words.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from leaven.errors import MissingExtra

HAN_RANGES = "㐀-䶿一-鿿豈-﫿"
# Combining marks, and scripts whose vowels are combining marks.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0eff\u1000-\u109f"
    "\u1780-\u17ff\u200c\u200d"
)
_RUN = rf"[^\W_{HAN_RANGES}](?:[^\W_{HAN_RANGES}]|[{_MARKS}])*"
_ENTITY = r"&(?:amp;)*(?:#?[0-9A-Za-z]{2,31};|(?:amp|quot|apos|lt|gt|nbsp|#[0-9]{2,7})(?![0-9A-Za-z]))"
_LETTER_ENTITY = r"&(?:[A-Za-z](?:acute|grave|circ|uml|tilde|cedil|ring|caron|slash)|szlig|[AaOo][Ee]lig|[oa]rd[mf]);"
_DOMAIN = r"(?:com|net|org|info|biz|shop|store|io|co|cn|tw|hk|jp|kr|de|at|ch|fr|es|it|nl|pl|ru|uk|eu|us|ca|au|br|in)"
_ADDRESS = (
    r"(?:https?|ftp)://[^\s<>\"'，。；、（）()]+|(?<![\w.])www\.[^\s<>\"'，。；、（）()]+"
    r"|(?<![\w.+\-@])[A-Za-z0-9][A-Za-z0-9._+\-]*+@[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)+"
    rf"|(?<![\w.\-@])(?:[A-Za-z0-9\-]++\.)+{_DOMAIN}(?![\w.\-]*\w)(?:/[^\s<>\"'，。；、（）()]*)?"
)
OPAQUE_SPAN = re.compile(rf"{_ADDRESS}|{_ENTITY}", re.IGNORECASE)
"""Addresses and HTML entities, which no transform may cut or change."""
_TOKEN = re.compile(
    # the first two alternatives are redundant: a fast path for the common case
    rf"[A-Za-z]+(?=[ \n]|$)| (?=[A-Za-z])|[{HAN_RANGES}]+|(?i:{_ADDRESS})"
    rf"|(?:{_LETTER_ENTITY})*{_RUN}"
    rf"(?:(?:['’.\-]|&(?!#?\w{{2,31}};)|(?<=\d)[,/:](?=\d)){_RUN}|{_ENTITY}{_RUN}|{_LETTER_ENTITY})*"
    rf"|<[^<>]{{1,400}}>|{_ENTITY}"
    rf"|[ \t\n\r]+|[$€£￥¥+%×*#]|[^\w<&$€£￥¥+%×*# \t\n\r]+|[\s\S]"
)
_HAN_RUN = re.compile(rf"[{HAN_RANGES}]+")
_MAX_CACHED_CHARACTERS = 3_000_000  # of texts with cached tokens
_MAX_CACHED_WORDS = 500_000  # distinct tokens, or Chinese runs, in the cache


def has_han(text: str) -> bool:
    """Whether a text contains a Chinese character."""
    return _HAN_RUN.search(text) is not None


def find_han_runs(text: str) -> list[str]:
    """The runs of Chinese characters of a text."""
    return _HAN_RUN.findall(text)


_SCRIPTS = {
    "Latin": re.compile(r"[A-Za-z\u00aa-\u02af\u1e00-\u1eff]"),
    "Han": _HAN_RUN,
    "Kana": re.compile(r"[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]"),
    "Hangul": re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "Cyrillic": re.compile(r"[\u0400-\u052f]"),
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Indic": re.compile(r"[\u0900-\u0dff]"),
    "Thai": re.compile(r"[\u0e00-\u0eff]"),
}


@lru_cache(100_000)
def find_scripts(text: str) -> frozenset[str]:
    """The scripts of the letters of a text.

    >>> sorted(find_scripts("T恤 250 ml")), sorted(find_scripts("保湿クリーム"))
    (['Han', 'Latin'], ['Han', 'Kana'])
    """
    if text.isascii():
        return _LATIN if _SCRIPTS["Latin"].search(text) else frozenset()
    return frozenset(name for name, pattern in _SCRIPTS.items() if pattern.search(text))


_LATIN = frozenset(("Latin",))


@lru_cache(200_000)
def find_part_of_speech(word: str) -> str:
    """The part of speech of a Chinese word by `rjieba`, such as "n", "a" or "uj"; "x" where it is unknown.

    Raises MissingExtra if rjieba is not installed.
    """
    _import_segmenter()
    import rjieba

    tags = rjieba.tag(word)
    return str(tags[0][1]) if len(tags) == 1 else "x"


def is_address(token: str) -> bool:
    """Whether a token is a URL, an e-mail address or a domain.

    >>> is_address("www.example.com/sale"), is_address("info@example.com"), is_address("3.5-inch")
    (True, True, False)
    """
    return ("." in token or "://" in token) and re.fullmatch(f"(?i:{_ADDRESS})", token) is not None


@cache
def _import_segmenter() -> Callable[[str], list[str]]:
    try:
        import rjieba
    except ImportError:
        raise MissingExtra("rjieba", "text") from None
    return rjieba.cut  # type: ignore[no-any-return]


def tokenize_text(text: str, segmenter: ChineseSegmenter | None = None) -> list[str]:
    """The tokens of one text.

    >>> tokenize_text("Nivea soft-cream, 250ml")
    ['Nivea', ' ', 'soft-cream', ',', ' ', '250ml']

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    tokens: list[str] = _TOKEN.findall(text)
    return (segmenter or ChineseSegmenter())(tokens) if has_han(text) else tokens


class ChineseSegmenter:
    """Segments runs of Chinese characters into words, with a cache, as runs repeat.

    whole_words        words that are not split even where the segmenter would
    protected_pattern  phrases that are separated first, in any context
    loose_words        where given, a single character joins the word before it, as in 敏感肌 and 保温壶, except after
                       these words, numbers and particles; a verb such as 防 joins the word after it

    >>> ChineseSegmenter(loose_words=frozenset())(["敏感肌面霜"])
    ['敏感肌', '面霜']
    """

    def __init__(
        self,
        whole_words: frozenset[str] = frozenset(),
        protected_phrases: Iterable[str] = (),
        loose_words: frozenset[str] | None = None,
    ) -> None:
        self.loose_words = loose_words
        self.whole_words = whole_words
        self.max_word_length = max(map(len, whole_words), default=0)
        runs = sorted(
            {run for phrase in protected_phrases for run in find_han_runs(phrase)}, key=lambda run: (-len(run), run)
        )
        self.protected_pattern = re.compile(f"({'|'.join(runs)})") if runs else None
        self.segmented_runs: dict[str, list[str]] = {}

    def __call__(self, tokens: list[str]) -> list[str]:
        """The same tokens, with Chinese runs replaced by their words."""
        return [word for token in tokens for word in (self._segment_cached(token) if has_han(token[:1]) else (token,))]

    def _segment_cached(self, run: str) -> list[str]:
        words = self.segmented_runs.get(run)
        if words is None:
            parts = self.protected_pattern.split(run) if self.protected_pattern else [run]
            words = [word for i, part in enumerate(parts) for word in ([part] if i % 2 else self._segment(part))]
            words = words if self.loose_words is None else self._join_compounds(words, self.loose_words)
            if len(run) < 200 and len(self.segmented_runs) < _MAX_CACHED_WORDS:
                self.segmented_runs[run] = words
        return words

    def _segment(self, run: str) -> list[str]:
        """Words of a run; adjacent words that form one of the whole words are merged."""
        words: list[str] = []
        for word in _import_segmenter()(run) if run else ():
            words.append(word)
            for back in (3, 2):
                merged = "".join(words[-back:])
                if len(words) >= back and len(merged) <= self.max_word_length and merged in self.whole_words:
                    words[-back:] = [merged]
        return words

    def _join_compounds(self, words: list[str], loose_words: frozenset[str]) -> list[str]:
        """Words with the single characters that end a compound joined to the word before."""
        joined: list[str] = []
        for word in words:
            before = joined[-1] if joined else ""
            is_end = len(word) == 1 < len(before) and is_compound_end(before, word)
            if (is_end or before in _COMPOUND_BEGINNINGS) and not loose_words & {before, word}:
                joined[-1] = before + word
            else:
                joined.append(word)
        return joined


HAN_NUMERALS = "〇零一二两三四五六七八九十百千万亿半双几"
_SEPARATE_CHARACTERS = frozenset("的了和与及之在是有为等也都很或于对可能把被男女大小新老不无非未免禁勿没")
_COMPOUND_BEGINNINGS = frozenset("防抗耐护控补去除祛可超全")
_LOOSE_PARTS_OF_SPEECH = ("a", "d", "c", "p", "u", "r", "m")  # adjectives and words that end no compound


@lru_cache(100_000)
def is_compound_end(before: str, character: str) -> bool:
    """Whether a single character after a word forms a compound with it: 手机 + 壳, not 敏感 + 的 and not 三片 + 装."""
    return (
        character not in _SEPARATE_CHARACTERS
        and before[0] not in HAN_NUMERALS
        and (character == "用" or not find_part_of_speech(character).startswith(_LOOSE_PARTS_OF_SPEECH))
    )


class Vocabulary(dict[str, int]):
    """token -> id, growing with new tokens; each token is classified once.

    judge returns the kind of a token (one byte), its possible replacements, and whether a phrase may start with it. It
    caches properties of tokens, never random draws: it changes speed, not results.
    """

    def __init__(
        self, classify: Callable[[str], tuple[int, tuple[str, ...], bool]], segmenter: ChineseSegmenter | None = None
    ) -> None:
        super().__init__()
        self.classify = classify
        self.segmenter = segmenter or ChineseSegmenter()
        self.kind_codes = bytearray()
        self.replacements: list[tuple[str, ...]] = []
        self.replaceable = bytearray()  # 1 for tokens with replacements
        self.phrase_starts = bytearray()  # 1 for tokens that may start a phrase
        self.tokenized: dict[str, tuple[list[str], bytes]] = {}  # text -> its tokens and their ids as int32 bytes
        self.n_cached_characters = 0  # characters of these texts

    def __missing__(self, token: str) -> int:
        kind, options, begins = self.classify(token)
        token_id = len(self.kind_codes)
        self.kind_codes.append(kind)
        self.replacements.append(options)
        self.replaceable.append(bool(options))
        self.phrase_starts.append(begins)
        self[token] = token_id
        return token_id

    def trim_cache(self) -> None:
        """Clear the cache once it contains too many distinct tokens or too much text."""
        if len(self) > _MAX_CACHED_WORDS:
            self.clear()
            self.kind_codes, self.replacements, self.replaceable, self.phrase_starts = (
                bytearray(),
                [],
                bytearray(),
                bytearray(),
            )
        if not self or self.n_cached_characters > _MAX_CACHED_CHARACTERS:
            self.tokenized, self.n_cached_characters = {}, 0

    def add_texts(self, texts: Iterable[str]) -> None:
        """Tokenize new texts into the cache: the same catalog texts are read in every epoch."""
        find, cutter, token_id = _TOKEN.findall, self.segmenter, self.__getitem__
        for text in texts:
            tokens = _split_simple(text) or find(text)
            if not text.isascii() and has_han(text):
                tokens = cutter(tokens)
            self.tokenized[text] = tokens, array("i", map(token_id, tokens)).tobytes()
            self.n_cached_characters += len(text)


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """Tokenized texts.

    tokens         list[str] (tokens,): the tokens of all texts
    starts         int64 (texts + 1,): text *i* has tokens `starts[i]:starts[i + 1]`
    ids            int32 (tokens,): vocabulary id of each token
    kind_codes     uint8 (tokens,): its kind, a letter defined in `protected_spans`
    replaceable    bool (tokens,): whether it has replacements
    phrase_starts  bool (tokens,): whether a phrase may start with it
    options possible replacements by vocabulary id
    """

    tokens: list[str]
    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    kind_codes: npt.NDArray[np.uint8]
    replaceable: npt.NDArray[np.bool_]
    phrase_starts: npt.NDArray[np.bool_]
    replacements: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def token_rows(self) -> npt.NDArray[np.int64]:
        """int64 (tokens,): the text of each token."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @cached_property
    def start_list(self) -> list[int]:
        """`starts` as a list, which is faster to index in a Python loop."""
        bounds: list[int] = self.starts.tolist()
        return bounds

    def rebuild_texts(self, tokens: Sequence[str], texts: Sequence[str], changed_rows: Iterable[int]) -> list[str]:
        """The texts, those of the `changed_rows` rows rebuilt from the tokens `tokens`."""
        rebuilt, starts = list(texts), self.start_list
        for row in changed_rows:
            after, before = "".join(tokens[starts[row] : starts[row + 1]]), rebuilt[row]
            # a removed first word leaves a leading space
            rebuilt[row] = after.lstrip(" ") if after[:1] == " " != before[:1] else after
        return rebuilt


def _split_simple(text: str) -> list[str]:
    """The tokens of a text of ASCII letters, digits and single spaces, as most titles are; [] for other texts."""
    words = text.split(" ")
    if not (text.isascii() and "".join(words).isalnum() and all(words)):
        return []
    tokens = [" "] * (2 * len(words) - 1)
    tokens[::2] = words
    return tokens


def tokenize_texts(texts: Sequence[str], vocabulary: Vocabulary) -> TokenizedTexts:
    """Tokenize texts and look up the properties of each token.

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    vocabulary.trim_cache()
    tokenized = vocabulary.tokenized
    vocabulary.add_texts(text for text in texts if text not in tokenized)
    rows = [tokenized[text] for text in texts]
    words, encoded = list(chain.from_iterable([row[0] for row in rows])), [row[1] for row in rows]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(rows)) // np.dtype(np.int32).itemsize, out=starts[1:])
    ids = np.frombuffer(b"".join(encoded), np.int32)
    kinds = np.frombuffer(bytes(vocabulary.kind_codes), np.uint8)
    replaceable, begins = (
        np.frombuffer(bytes(flags), np.bool_) for flags in (vocabulary.replaceable, vocabulary.phrase_starts)
    )
    return TokenizedTexts(words, starts, ids, kinds[ids], replaceable[ids], begins[ids], vocabulary.replacements)
