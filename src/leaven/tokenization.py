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

HAN_RANGES = "㐀-䶿一-鿿豈-﫿"
# Combining marks, and scripts whose vowels are combining marks.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0eff\u1000-\u109f"
    "\u1780-\u17ff\u200c\u200d"
)
_RUN = rf"[^\W_{HAN_RANGES}](?:[^\W_{HAN_RANGES}]|[{_MARKS}])*"
_TOKEN = re.compile(
    # the first two alternatives are redundant: a fast path for the common case
    rf"[A-Za-z]+(?=[ \n]|$)| (?=[A-Za-z])|[{HAN_RANGES}]+"
    rf"|{_RUN}(?:(?:['’.\-&]|(?<=\d)[,/:](?=\d)){_RUN})*|<[^<>]{{1,400}}>|&#?\w{{2,8}};"
    rf"|[ \t\n\r]+|[$€£￥¥+%×*#]|[^\w<&$€£￥¥+%×*# \t\n\r]+|[\s\S]"
)
_HAN_RUN = re.compile(rf"[{HAN_RANGES}]+")
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
    """

    def __init__(self, whole_words: frozenset[str] = frozenset(), protected_phrases: Iterable[str] = ()) -> None:
        self.whole_words = whole_words
        self.max_word_length = max(map(len, whole_words), default=0)
        runs = sorted(
            {run for phrase in protected_phrases for run in _HAN_RUN.findall(phrase)}, key=lambda run: (-len(run), run)
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
