"""Fitted transforms of words and of spans, which select and edit a random share of each text.

Draws of a text: 0 whether it changes, 1 its share, 2 the rounding of its count; the draws of a word depend on its
position in the text. No draw depends on the other texts of the batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.protocols import Keys, Strength
from leaven.tokenization import Pieces
from leaven.transforms.text.protected_spans import Reader, is_word
from leaven.transforms.validation import check_range, check_share

Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
Reasons = Mapping[str, Bools]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DRAW_BITS = np.uint64(40)  # bits of a draw below the index of a text
_TEXT_DRAWS = 16  # draws of the text itself
_WORD_DRAWS = 4  # draws of one word


def check(kind: str, share_range: tuple[float, float], p: float) -> None:
    """Raise SpecError unless the fields that all text transforms share are valid."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_share(f"{kind}.p", p)


def word_draws(keys: Keys, places: Places, channel: int) -> npt.NDArray[np.float64]:
    """float64 (words,) in [0, 1): from the keys of the words' texts and the positions there; 0 <= channel < 4."""
    return (_word_bits(keys, places, channel) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _word_bits(keys: Keys, places: Places, channel: int) -> Keys:
    with np.errstate(over="ignore"):
        draw = (places * _WORD_DRAWS + (_TEXT_DRAWS + channel + 1)).astype(np.uint64)
        return rng.mix(keys + _GOLDEN * draw)


def _derive_sort_keys(keys: Keys, places: Places, row: Places) -> Keys:
    """Keys that sort by text, then randomly: the index of the text above the first bits of a draw."""
    return (row.astype(np.uint64) << _DRAW_BITS) | (_word_bits(keys, places, 0) >> (np.uint64(64) - _DRAW_BITS))


@dataclass(frozen=True, eq=False)
class Choice:
    """Selected words of a batch, in order.

    positions  int64 (selected,): token indices
    rows       int64 (selected,): their texts
    draws      float64 (selected, 3) in [0, 1): the draws of each word
    """

    places: Places
    row: Places
    lots: npt.NDArray[np.float64]


Able = Callable[[Pieces, Bools], Bools]
"""(pieces, free) -> the free words that the transform can change."""
Change = Callable[[list[str], Pieces, Choice], None]
"""Writes new words into the list, at the selected positions or next to them."""


@dataclass(frozen=True, eq=False)
class WordEdit:
    """A fitted transform of words: tokenizes, selects words, and changes them.

    share_range      range of the share of the selectable words (× strength), rounded stochastically
    p                probability that a text changes
    find_selectable  the free words that the transform can change
    apply            changes the selected words
    missing_reason   reason for texts without a selectable word
    min_words        words that remain in a text
    """

    reader: Reader
    share: tuple[float, float]
    p: float
    able: Able
    change: Change
    lacking: str
    spare: int = 0

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text for each text."""
        pieces, words, choice = self._edit_texts(texts, keys, strength)
        return pieces.joined(words, texts, np.unique(choice.row).tolist())

    def changes(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[tuple[int, str, str]]:
        """Changed words in order, for inspection: (index of the text, word before, word after)."""
        pieces, words, choice = self._edit_texts(texts, keys, strength)
        places = zip(choice.row.tolist(), choice.places.tolist(), strict=True)
        return [(row, pieces.words[i], words[i]) for row, i in places if pieces.words[i] != words[i]]

    def _edit_texts(self, texts: Sequence[str], keys: Keys, strength: Strength) -> tuple[Pieces, list[str], Choice]:
        pieces, free = self.reader(texts)
        selectable = self.able(pieces, free)
        choice = self._select_words(pieces, selectable, keys, strength)
        words = list(pieces.words)
        self.change(words, pieces, choice)
        return pieces, words, choice

    def _select_words(self, pieces: Pieces, selectable: Bools, keys: Keys, strength: Strength) -> Choice:
        places, row = np.flatnonzero(selectable), pieces.row[selectable]
        counts = self._draw_counts(pieces, np.bincount(row, minlength=len(pieces)), keys, strength)
        is_candidate = counts[row] > 0
        places, row = places[is_candidate], row[is_candidate]
        inside = places - pieces.starts[row]
        order = np.argsort(_derive_sort_keys(keys[row], inside, row), kind="stable")
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # texts stay in order, words are sorted within
        selected = np.sort(order[rank < counts[row]])
        places, row, inside = places[selected], row[selected], inside[selected]
        draws = np.stack([word_draws(keys[row], inside, channel) for channel in (1, 2, 3)], axis=1)
        return Choice(places, row, draws)

    def _draw_counts(self, pieces: Pieces, eligible: Places, keys: Keys, strength: Strength) -> Places:
        low, high = self.share
        share = (low + (high - low) * rng.uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        counts = np.floor(share * eligible + rng.uniform(keys, 2)).astype(np.int64)
        if self.spare:
            words = np.bincount(pieces.row[is_word(pieces)], minlength=len(pieces))
            eligible = np.minimum(eligible, np.maximum(words - self.spare, 0))
        return np.where((rng.uniform(keys, 0) < self.p) & (share > 0), np.minimum(counts, eligible), 0)

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without words, with too few words, with protected words only, or without a selectable word."""
        pieces, free = self.reader(texts)

        def count(which: Bools) -> Places:
            return np.bincount(pieces.row[which], minlength=len(pieces))

        words, unprotected, selectable = (count(which) for which in (is_word(pieces), free, self.able(pieces, free)))
        few = (words > 0) & (words <= self.spare)
        return {
            "no words": words == 0,
            **({f"fewer than {self.spare + 1} words": few} if self.spare else {}),
            "all words are protected": (words > 0) & ~few & (unprotected == 0),
            self.lacking: ~few & (unprotected > 0) & (selectable == 0),
        }


def cased(word: str, like: str) -> str:
    """A word in the case of a template; a word with capitals keeps them.

    >>> cased("gentle", "Soft"), cased("gentle", "SOFT"), cased("iPhone", "phone")
    ('Gentle', 'GENTLE', 'iPhone')
    """
    if not word.islower():
        return word
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word


def drawn(pieces: Pieces, words: list[str], place: int, row: int, lot: float) -> str:
    """An option of a word, from a draw in [0, 1), that fits the article before it and is new in the text; else ""."""
    options = pieces.options[pieces.ids[place]]
    first, end = pieces.bounds[row], pieces.bounds[row + 1]
    around = "".join((*words[first:place], " ", *words[place + 1 : end])).lower() if end - first < _MAX_SEARCHED else ""
    article = place - 2 >= first and words[place - 2] in _ARTICLES
    vowel = words[place][:1] in _VOWELS
    begin = int(lot * len(options))
    for step in range(min(len(options), _MAX_ATTEMPTS)):
        word = options[(begin + step) % len(options)]
        if word.lower() not in around and (not article or (word[0] in _VOWELS) == vowel):
            return cased(word, words[place])
    return ""


def has_options(pieces: Pieces, free: Bools) -> Bools:
    """bool (pieces,): the free words with an option."""
    return free & pieces.open


def put_in_place(words: list[str], pieces: Pieces, choice: Choice) -> None:
    """Replace each selected word by one of its options, where one fits."""
    for place, row, lot in zip(choice.places.tolist(), choice.row.tolist(), choice.lots[:, 0].tolist(), strict=True):
        words[place] = drawn(pieces, words, place, row, lot) or words[place]


_ARTICLES = frozenset(("a", "an", "A", "An", "AN"))
_VOWELS = frozenset("aeiouAEIOU")
_MAX_ATTEMPTS = 8
_MAX_SEARCHED = 200  # tokens: longer texts may get a word twice


Found = list[tuple[int, int, tuple[str, ...]]]
"""Spans of a text (begin, end) with the alternatives of each."""


@dataclass(frozen=True, eq=False)
class SpanEdit:
    """A fitted transform of spans.

    find_spans      the spans of a text, left to right, with the alternatives of each
    share_range     range of the share of the spans (× strength)
    p               probability that a text changes
    missing_reason  reason for texts without such a span
    """

    find: Callable[[str], Found]
    share: tuple[float, float]
    p: float
    lacking: str

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text for each text: the drawn share is the probability of each span to be rewritten."""
        low, high = self.share
        probability = (low + (high - low) * rng.uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        probability = np.where(rng.uniform(keys, 0) < self.p, probability, 0.0)
        changed = zip(texts, keys, probability, strict=True)
        return [self._rewrite(text, key, share) if share > 0 else text for text, key, share in changed]

    def _rewrite(self, text: str, key: np.uint64, probability: float) -> str:
        found = self.find(text)
        for index in range(len(found) - 1, -1, -1):  # from the end, so that earlier positions stay valid
            begin, end, options = found[index]
            keys = np.array([key], np.uint64)
            if options and rng.uniform(keys, 2 + 2 * index)[0] < probability:
                option = options[int(rng.uniform(keys, 3 + 2 * index)[0] * len(options))]
                text = text[:begin] + option + text[end:]
        return text

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without such a span."""
        return {self.lacking: np.array([not any(options for _, _, options in self.find(text)) for text in texts], bool)}


def inside(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """A case-insensitive pattern of protected phrases; None without phrases."""
    known = sorted({phrase.strip() for phrase in phrases} - {""}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None


def outside(found: Found, text: str, held: re.Pattern[str] | None) -> Found:
    """The spans that overlap no protected phrase."""
    if held is None:
        return found
    spans = [match.span() for match in held.finditer(text)]
    return [span for span in found if not any(span[0] < end and begin < span[1] for begin, end in spans)]
