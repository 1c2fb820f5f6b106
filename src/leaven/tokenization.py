"""Lossless tokenization of item texts: the tokens of a text, joined, give the text byte for byte.

A token is a word (letters, digits, with apostrophes, periods and hyphens inside), a Chinese word as segmented by
`rjieba`, an HTML tag or entity, whitespace, or a run of other characters. Each distinct token is classified once
(`Vocabulary`), not once per occurrence, as titles repeat their words.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from leaven.errors import MissingExtra

HAN = "㐀-䶿一-鿿豈-﫿"
# Combining marks, and scripts whose vowels are combining marks.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0eff\u1000-\u109f"
    "\u1780-\u17ff\u200c\u200d"
)
_RUN = rf"[^\W_{HAN}](?:[^\W_{HAN}]|[{_MARKS}])*"
_TOKEN = re.compile(
    # the first two alternatives are redundant: a fast path for the common case
    rf"[A-Za-z]+(?=[ \n]|$)| (?=[A-Za-z])|[{HAN}]+"
    rf"|{_RUN}(?:(?:['’.\-&]|(?<=\d)[,/:](?=\d)){_RUN})*|<[^<>]{{1,400}}>|&#?\w{{2,8}};"
    rf"|[ \t\n\r]+|[$€£￥¥+%×*#]|[^\w<&$€£￥¥+%×*# \t\n\r]+|[\s\S]"
)
_HAN_RUN = re.compile(rf"[{HAN}]+")
_MAX_CACHED_CHARACTERS = 3_000_000  # of texts with cached tokens
_MAX_CACHED_WORDS = 500_000  # distinct tokens, or Chinese runs, in the cache


def has_han(text: str) -> bool:
    """Whether a text contains a Chinese character."""
    return _HAN_RUN.search(text) is not None


@cache
def _import_segmenter() -> Callable[[str], list[str]]:
    try:
        import rjieba
    except ImportError:
        raise MissingExtra("rjieba", "text") from None
    return rjieba.cut  # type: ignore[no-any-return]


def cut(text: str, cutter: HanCutter | None = None) -> list[str]:
    """The tokens of one text.

    >>> cut("Nivea soft-cream, 250ml")
    ['Nivea', ' ', 'soft-cream', ',', ' ', '250ml']

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    tokens: list[str] = _TOKEN.findall(text)
    return (cutter or HanCutter())(tokens) if has_han(text) else tokens


class HanCutter:
    """Segments runs of Chinese characters into words, with a cache, as runs repeat.

    whole  words that are not split even where the segmenter would
    held   phrases that are separated first, in any context
    """

    def __init__(self, whole: frozenset[str] = frozenset(), held: Iterable[str] = ()) -> None:
        self.whole = whole
        self.longest = max(map(len, whole), default=0)
        runs = sorted({run for phrase in held for run in _HAN_RUN.findall(phrase)}, key=lambda run: (-len(run), run))
        self.held = re.compile(f"({'|'.join(runs)})") if runs else None
        self.runs: dict[str, list[str]] = {}

    def __call__(self, tokens: list[str]) -> list[str]:
        """The same tokens, with Chinese runs replaced by their words."""
        return [word for token in tokens for word in (self._segment_cached(token) if has_han(token[:1]) else (token,))]

    def _segment_cached(self, run: str) -> list[str]:
        words = self.runs.get(run)
        if words is None:
            parts = self.held.split(run) if self.held else [run]
            words = [word for i, part in enumerate(parts) for word in ([part] if i % 2 else self._segment(part))]
            if len(run) < 200 and len(self.runs) < _MAX_CACHED_WORDS:
                self.runs[run] = words
        return words

    def _segment(self, run: str) -> list[str]:
        """Words of a run; adjacent words that form one of the whole words are merged."""
        words: list[str] = []
        for word in _import_segmenter()(run) if run else ():
            words.append(word)
            for back in (3, 2):
                merged = "".join(words[-back:])
                if len(words) >= back and len(merged) <= self.longest and merged in self.whole:
                    words[-back:] = [merged]
        return words


class Vocabulary(dict[str, int]):
    """token -> id, growing with new tokens; each token is classified once.

    judge returns the kind of a token (one byte), its possible replacements, and whether a phrase may start with it. It
    caches properties of tokens, never random draws: it changes speed, not results.
    """

    def __init__(
        self, judge: Callable[[str], tuple[int, tuple[str, ...], bool]], cutter: HanCutter | None = None
    ) -> None:
        super().__init__()
        self.judge = judge
        self.cutter = cutter or HanCutter()
        self.kinds = bytearray()
        self.options: list[tuple[str, ...]] = []
        self.open = bytearray()  # 1 for tokens with replacements
        self.begins = bytearray()  # 1 for tokens that may start a phrase
        self.rows: dict[str, tuple[list[str], bytes]] = {}  # text -> its tokens and their ids as int32 bytes
        self.letters = 0  # characters of these texts

    def __missing__(self, token: str) -> int:
        kind, options, begins = self.judge(token)
        token_id = len(self.kinds)
        self.kinds.append(kind)
        self.options.append(options)
        self.open.append(bool(options))
        self.begins.append(begins)
        self[token] = token_id
        return token_id

    def forget(self) -> None:
        """Clear the cache once it contains too many distinct tokens or too much text."""
        if len(self) > _MAX_CACHED_WORDS:
            self.clear()
            self.kinds, self.options, self.open, self.begins = bytearray(), [], bytearray(), bytearray()
        if not self or self.letters > _MAX_CACHED_CHARACTERS:
            self.rows, self.letters = {}, 0

    def meet(self, texts: Iterable[str]) -> None:
        """Tokenize new texts into the cache: the same catalog texts are read in every epoch."""
        find, cutter, token_id = _TOKEN.findall, self.cutter, self.__getitem__
        for text in texts:
            tokens = _split_simple(text) or find(text)
            if not text.isascii() and has_han(text):
                tokens = cutter(tokens)
            self.rows[text] = tokens, array("i", map(token_id, tokens)).tobytes()
            self.letters += len(text)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Tokenized texts.

    words   list[str] (tokens,): the tokens of all texts
    starts  int64 (texts + 1,): text *i* has tokens `starts[i]:starts[i + 1]`
    ids     int32 (tokens,): vocabulary id of each token
    kinds   uint8 (tokens,): its kind, a letter defined in `protected_spans`
    open    bool (tokens,): whether it has replacements
    begins  bool (tokens,): whether a phrase may start with it
    options possible replacements by vocabulary id
    """

    words: list[str]
    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    open: npt.NDArray[np.bool_]
    begins: npt.NDArray[np.bool_]
    options: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def row(self) -> npt.NDArray[np.int64]:
        """int64 (tokens,): the text of each token."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @cached_property
    def bounds(self) -> list[int]:
        """`starts` as a list, which is faster to index in a Python loop."""
        bounds: list[int] = self.starts.tolist()
        return bounds

    def joined(self, words: Sequence[str], texts: Sequence[str], touched: Iterable[int]) -> list[str]:
        """The texts, those of the `touched` rows rebuilt from the tokens `words`."""
        rebuilt, starts = list(texts), self.bounds
        for row in touched:
            after, before = "".join(words[starts[row] : starts[row + 1]]), rebuilt[row]
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


def read(texts: Sequence[str], vocabulary: Vocabulary) -> Pieces:
    """Tokenize texts and look up the properties of each token.

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    vocabulary.forget()
    tokenized = vocabulary.rows
    vocabulary.meet(text for text in texts if text not in tokenized)
    rows = [tokenized[text] for text in texts]
    words, encoded = list(chain.from_iterable([row[0] for row in rows])), [row[1] for row in rows]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(rows)) // np.dtype(np.int32).itemsize, out=starts[1:])
    ids = np.frombuffer(b"".join(encoded), np.int32)
    kinds = np.frombuffer(bytes(vocabulary.kinds), np.uint8)
    replaceable, begins = (np.frombuffer(bytes(flags), np.bool_) for flags in (vocabulary.open, vocabulary.begins))
    return Pieces(words, starts, ids, kinds[ids], replaceable[ids], begins[ids], vocabulary.options)
