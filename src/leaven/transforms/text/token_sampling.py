"""Which words of each text are touched, and by what?

Draws of a text: 0 whether it changes at all, 1 its share, 2 how its count is rounded; a word's own draws follow from
its place in the text. Nothing depends on the other texts of the batch.
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
_LOT = np.uint64(40)  # bits of a lot beside the number of a text
_FIRST = 16  # draws of the text itself
_EACH = 4  # draws of one word


def check(kind: str, share_range: tuple[float, float], p: float) -> None:
    """SpecError unless the fields that every operator on words has are right."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_share(f"{kind}.p", p)


def word_draws(keys: Keys, places: Places, channel: int) -> npt.NDArray[np.float64]:
    """float64 (words,) in [0, 1): `keys` of the words' texts, their places there; 0 <= channel < 4."""
    return (_word_bits(keys, places, channel) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _word_bits(keys: Keys, places: Places, channel: int) -> Keys:
    with np.errstate(over="ignore"):
        draw = (places * _EACH + (_FIRST + channel + 1)).astype(np.uint64)
        return rng.mix(keys + _GOLDEN * draw)


def _by_lot(keys: Keys, places: Places, row: Places) -> Keys:
    """What sorts texts in their order, and the words of each by lot: the text's number above a lot's first bits."""
    return (row.astype(np.uint64) << _LOT) | (_word_bits(keys, places, 0) >> (np.uint64(64) - _LOT))


@dataclass(frozen=True, eq=False)
class Choice:
    """Chosen words of a batch, in order.

    places  int64 (chosen,): which pieces
    row     int64 (chosen,): their texts
    lots    float64 (chosen, 3) in [0, 1): what is drawn for each
    """

    places: Places
    row: Places
    lots: npt.NDArray[np.float64]


Able = Callable[[Pieces, Bools], Bools]
"""(pieces, free) -> which of the free words this operator could touch."""
Change = Callable[[list[str], Pieces, Choice], None]
"""Writes new words into the list, at the chosen places or beside them."""


@dataclass(frozen=True, eq=False)
class WordEdit:
    """A fitted operator on words: it reads, chooses, and changes the chosen ones.

    share   range of the share of the words it could touch (× strength), rounded by lot
    p       chance that a text changes
    able    which free words it could touch; `lacking` says why where there are none
    spare   words that stay in a text at least
    """

    reader: Reader
    share: tuple[float, float]
    p: float
    able: Able
    change: Change
    lacking: str
    spare: int = 0

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text."""
        pieces, words, choice = self._edited(texts, keys, strength)
        return pieces.joined(words, texts, np.unique(choice.row).tolist())

    def changes(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[tuple[int, str, str]]:
        """What happens to which words: (text, word, what stands there now), in order; for looking at, one by one."""
        pieces, words, choice = self._edited(texts, keys, strength)
        places = zip(choice.row.tolist(), choice.places.tolist(), strict=True)
        return [(row, pieces.words[at], words[at]) for row, at in places if pieces.words[at] != words[at]]

    def _edited(self, texts: Sequence[str], keys: Keys, strength: Strength) -> tuple[Pieces, list[str], Choice]:
        pieces, free = self.reader(texts)
        able = self.able(pieces, free)
        choice = self._chosen(pieces, able, keys, strength)
        words = list(pieces.words)
        self.change(words, pieces, choice)
        return pieces, words, choice

    def _chosen(self, pieces: Pieces, able: Bools, keys: Keys, strength: Strength) -> Choice:
        places, row = np.flatnonzero(able), pieces.row[able]
        wanted = self._wanted(pieces, np.bincount(row, minlength=len(pieces)), keys, strength)
        may = wanted[row] > 0
        places, row = places[may], row[may]
        inside = places - pieces.starts[row]
        order = np.argsort(_by_lot(keys[row], inside, row), kind="stable")
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # texts stay in order, words are sorted within
        taken = np.sort(order[rank < wanted[row]])
        places, row, inside = places[taken], row[taken], inside[taken]
        lots = np.stack([word_draws(keys[row], inside, channel) for channel in (1, 2, 3)], axis=1)
        return Choice(places, row, lots)

    def _wanted(self, pieces: Pieces, eligible: Places, keys: Keys, strength: Strength) -> Places:
        low, high = self.share
        share = (low + (high - low) * rng.uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        wanted = np.floor(share * eligible + rng.uniform(keys, 2)).astype(np.int64)
        if self.spare:
            words = np.bincount(pieces.row[is_word(pieces)], minlength=len(pieces))
            eligible = np.minimum(eligible, np.maximum(words - self.spare, 0))
        return np.where((rng.uniform(keys, 0) < self.p) & (share > 0), np.minimum(wanted, eligible), 0)

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without words, with too few, with protected ones alone, or without one that this operator knows."""
        pieces, free = self.reader(texts)

        def count(which: Bools) -> Places:
            return np.bincount(pieces.row[which], minlength=len(pieces))

        words, loose, able = (count(which) for which in (is_word(pieces), free, self.able(pieces, free)))
        few = (words > 0) & (words <= self.spare)
        return {
            "no words": words == 0,
            **({f"fewer than {self.spare + 1} words": few} if self.spare else {}),
            "all words are protected": (words > 0) & ~few & (loose == 0),
            self.lacking: ~few & (loose > 0) & (able == 0),
        }


def cased(word: str, like: str) -> str:
    """A word in the letters' case of another; a word with capitals of its own keeps them.

    >>> cased("gentle", "Soft"), cased("gentle", "SOFT"), cased("iPhone", "phone")
    ('Gentle', 'GENTLE', 'iPhone')
    """
    if not word.islower():
        return word
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word


def drawn(pieces: Pieces, words: list[str], place: int, row: int, lot: float) -> str:
    """One of the options of a word, `lot` in [0, 1): it suits an article before it, and the text lacks it; else ""."""
    options = pieces.options[pieces.ids[place]]
    first, end = pieces.bounds[row], pieces.bounds[row + 1]
    around = "".join((*words[first:place], " ", *words[place + 1 : end])).lower() if end - first < _NEAR else ""
    article = place - 2 >= first and words[place - 2] in _ARTICLES
    vowel = words[place][:1] in _VOWELS
    begin = int(lot * len(options))
    for step in range(min(len(options), _TRIES)):
        word = options[(begin + step) % len(options)]
        if word.lower() not in around and (not article or (word[0] in _VOWELS) == vowel):
            return cased(word, words[place])
    return ""


def put_in_place(words: list[str], pieces: Pieces, choice: Choice) -> None:
    """Replace each chosen word by one of its options, where one suits."""
    for place, row, lot in zip(choice.places.tolist(), choice.row.tolist(), choice.lots[:, 0].tolist(), strict=True):
        words[place] = drawn(pieces, words, place, row, lot) or words[place]


_ARTICLES = frozenset(("a", "an", "A", "An", "AN"))
_VOWELS = frozenset("aeiouAEIOU")
_TRIES = 8
_NEAR = 200  # pieces: a text longer than this may hold a word twice


Found = list[tuple[int, int, tuple[str, ...]]]
"""Spans of a text (begin, end) and the ways in which each can be written."""


@dataclass(frozen=True, eq=False)
class SpanEdit:
    """A fitted operator on spans.

    find     the spans of a text, left to right, and how else each can be written
    share    range of the share of the spans (× strength)
    p        chance that a text changes
    lacking  why a text has none
    """

    find: Callable[[str], Found]
    share: tuple[float, float]
    p: float
    lacking: str

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text: each span is rewritten with the text's drawn share as its chance."""
        low, high = self.share
        chance = (low + (high - low) * rng.uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        chance = np.where(rng.uniform(keys, 0) < self.p, chance, 0.0)
        return [
            self._rewritten(text, keys[row], chance[row]) if chance[row] > 0 else text for row, text in enumerate(texts)
        ]

    def _rewritten(self, text: str, key: np.uint64, chance: float) -> str:
        found = self.find(text)
        for place in range(len(found) - 1, -1, -1):  # from the end, so that places before stay right
            begin, end, ways = found[place]
            here = np.array([key], np.uint64)
            if ways and rng.uniform(here, 2 + 2 * place)[0] < chance:
                way = ways[int(rng.uniform(here, 3 + 2 * place)[0] * len(ways))]
                text = text[:begin] + way + text[end:]
        return text

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without such a span."""
        return {self.lacking: np.array([not any(ways for _, _, ways in self.find(text)) for text in texts], bool)}


def inside(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern of protected phrases, whatever their case; None where there are none."""
    known = sorted({phrase.strip() for phrase in phrases} - {""}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None


def outside(found: Found, text: str, held: re.Pattern[str] | None) -> Found:
    """The spans that touch no protected phrase."""
    if held is None:
        return found
    spans = [match.span() for match in held.finditer(text)]
    return [one for one in found if not any(one[0] < end and begin < one[1] for begin, end in spans)]
