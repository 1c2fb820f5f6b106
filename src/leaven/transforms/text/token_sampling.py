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
from leaven.field_checks import check_range, check_share
from leaven.protocols import RngKeys, Strength
from leaven.tokenization import OPAQUE_SPAN, TokenizedTexts, find_scripts
from leaven.transforms.text.protected_spans import TextReader, is_word

Bools = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
Reasons = Mapping[str, Bools]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DRAW_BITS = np.uint64(40)  # bits of a draw below the index of a text
_TEXT_DRAWS = 16  # draws of the text itself
_WORD_DRAWS = 4  # draws of one word


def check_text_edit(kind: str, share_range: tuple[float, float], p: float) -> None:
    """Raise SpecError unless the fields that all text transforms share are valid."""
    check_range(f"{kind}.share_range", share_range, 0, 1)
    check_share(f"{kind}.p", p)


def draw_word_uniform(keys: RngKeys, positions: Positions, channel: int) -> npt.NDArray[np.float64]:
    """float64 (words,) in [0, 1): from the keys of the words' texts and the positions there; 0 <= channel < 4."""
    return (_word_bits(keys, positions, channel) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _word_bits(keys: RngKeys, places: Positions, channel: int) -> RngKeys:
    with np.errstate(over="ignore"):
        draw = (places * _WORD_DRAWS + (_TEXT_DRAWS + channel + 1)).astype(np.uint64)
        return rng.mix_bits(keys + _GOLDEN * draw)


def _derive_sort_keys(keys: RngKeys, places: Positions, row: Positions) -> RngKeys:
    """Keys that sort by text, then randomly: the index of the text above the first bits of a draw."""
    return (row.astype(np.uint64) << _DRAW_BITS) | (_word_bits(keys, places, 0) >> (np.uint64(64) - _DRAW_BITS))


@dataclass(frozen=True, eq=False)
class WordSelection:
    """Selected words of a batch, in order.

    positions  int64 (selected,): token indices
    rows       int64 (selected,): their texts
    draws      float64 (selected, 3) in [0, 1): the draws of each word
    """

    positions: Positions
    rows: Positions
    draws: npt.NDArray[np.float64]


SelectableWords = Callable[[TokenizedTexts, Bools], Bools]
"""(pieces, free) -> the free words that the transform can change."""
ApplyEdit = Callable[[list[str], TokenizedTexts, WordSelection], None]
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

    reader: TextReader
    share_range: tuple[float, float]
    p: float
    find_selectable: SelectableWords
    apply: ApplyEdit
    missing_reason: str
    min_words: int = 0

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """One new text for each text."""
        pieces, words, choice = self._edit_texts(texts, keys, strength)
        return pieces.rebuild_texts(words, texts, np.unique(choice.rows).tolist())

    def list_changes(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[tuple[int, str, str]]:
        """Changed words in order, for inspection: (index of the text, word before, word after)."""
        pieces, words, choice = self._edit_texts(texts, keys, strength)
        places = zip(choice.rows.tolist(), choice.positions.tolist(), strict=True)
        return [(row, pieces.tokens[i], words[i]) for row, i in places if pieces.tokens[i] != words[i]]

    def _edit_texts(
        self, texts: Sequence[str], keys: RngKeys, strength: Strength
    ) -> tuple[TokenizedTexts, list[str], WordSelection]:
        pieces, free = self.reader(texts)
        selectable = self.find_selectable(pieces, free)
        choice = self._select_words(pieces, selectable, keys, strength)
        words = list(pieces.tokens)
        self.apply(words, pieces, choice)
        return pieces, words, choice

    def _select_words(
        self, pieces: TokenizedTexts, selectable: Bools, keys: RngKeys, strength: Strength
    ) -> WordSelection:
        places, row = np.flatnonzero(selectable), pieces.token_rows[selectable]
        counts = self._draw_counts(pieces, np.bincount(row, minlength=len(pieces)), keys, strength)
        is_candidate = counts[row] > 0
        places, row = places[is_candidate], row[is_candidate]
        inside = places - pieces.starts[row]
        order = np.argsort(_derive_sort_keys(keys[row], inside, row), kind="stable")
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # texts stay in order, words are sorted within
        selected = np.sort(order[rank < counts[row]])
        places, row, inside = places[selected], row[selected], inside[selected]
        draws = np.stack([draw_word_uniform(keys[row], inside, channel) for channel in (1, 2, 3)], axis=1)
        return WordSelection(places, row, draws)

    def _draw_counts(self, pieces: TokenizedTexts, eligible: Positions, keys: RngKeys, strength: Strength) -> Positions:
        low, high = self.share_range
        share = (low + (high - low) * rng.draw_uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        counts = np.floor(share * eligible + rng.draw_uniform(keys, 2)).astype(np.int64)
        if self.min_words:
            words = np.bincount(pieces.token_rows[is_word(pieces)], minlength=len(pieces))
            eligible = np.minimum(eligible, np.maximum(words - self.min_words, 0))
        return np.where((rng.draw_uniform(keys, 0) < self.p) & (share > 0), np.minimum(counts, eligible), 0)

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without words, with too few words, with protected words only, or without a selectable word."""
        pieces, free = self.reader(texts)

        def count(which: Bools) -> Positions:
            return np.bincount(pieces.token_rows[which], minlength=len(pieces))

        words, unprotected, selectable = (
            count(which) for which in (is_word(pieces), free, self.find_selectable(pieces, free))
        )
        few = (words > 0) & (words <= self.min_words)
        return {
            "no words": words == 0,
            **({f"fewer than {self.min_words + 1} words": few} if self.min_words else {}),
            "all words are protected": (words > 0) & ~few & (unprotected == 0),
            self.missing_reason: ~few & (unprotected > 0) & (selectable == 0),
        }


def match_case(word: str, template: str) -> str:
    """A word in the case of a template; a word with capitals keeps them.

    >>> match_case("gentle", "Soft"), match_case("gentle", "SOFT"), match_case("iPhone", "phone")
    ('Gentle', 'GENTLE', 'iPhone')
    """
    if not word.islower():
        return word
    if len(template) > 1 and template.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if template[0].isupper() else word


def has_fitting_script(word: str, title: str, needs_main_script: bool = False) -> bool:
    """Whether the scripts of a word occur in a title.

    Words in Chinese characters alone do not fit a title with kana, as they are probably Chinese. needs_main_script:
    Latin words fit only titles in Latin script.

    >>> has_fitting_script("soft", "T恤 女"), has_fitting_script("soft", "T恤 女", needs_main_script=True)
    (True, False)
    """
    scripts, allowed = find_scripts(word), find_scripts(title)
    if "Kana" in allowed and scripts == {"Han"}:
        return False
    if needs_main_script and len(allowed) > 1:
        allowed -= {"Latin"}
    return scripts <= allowed


def pick_option(
    pieces: TokenizedTexts,
    words: list[str],
    position: int,
    row: int,
    draw: float,
    fits: Callable[[str, str], bool] = has_fitting_script,
) -> str:
    """An option of a word, from a draw in [0, 1), that fits the article before it and is new in the text; else "".

    fits  whether a word fits a title
    """
    options = pieces.replacements[pieces.ids[position]]
    first, end = pieces.start_list[row], pieces.start_list[row + 1]
    title = "".join(pieces.tokens[first:end]) if end - first < _MAX_SEARCHED else words[position]
    around = (
        "".join((*words[first:position], " ", *words[position + 1 : end])).lower()
        if end - first < _MAX_SEARCHED
        else ""
    )
    article = position - 2 >= first and words[position - 2] in _ARTICLES
    vowel = words[position][:1] in _VOWELS
    begin = int(draw * len(options))
    for step in range(min(len(options), _MAX_ATTEMPTS)):
        word = options[(begin + step) % len(options)]
        if (
            word.lower() not in around
            and (not article or (word[0] in _VOWELS) == vowel)
            and (word.isascii() is title.isascii() is True or fits(word, title))
        ):
            return match_case(word, words[position])
    return ""


def has_options(pieces: TokenizedTexts, free: Bools) -> Bools:
    """bool (pieces,): the free words with an option."""
    return free & pieces.replaceable


def replace_words(
    words: list[str],
    pieces: TokenizedTexts,
    choice: WordSelection,
    fits: Callable[[str, str], bool] = has_fitting_script,
) -> None:
    """Replace each selected word by one of its options, where one fits."""
    for place, row, lot in zip(
        choice.positions.tolist(), choice.rows.tolist(), choice.draws[:, 0].tolist(), strict=True
    ):
        words[place] = pick_option(pieces, words, place, row, lot, fits) or words[place]


_ARTICLES = frozenset(("a", "an", "A", "An", "AN"))
_VOWELS = frozenset("aeiouAEIOU")
_MAX_ATTEMPTS = 8
_MAX_SEARCHED = 200  # tokens: longer texts may get a word twice


Spans = list[tuple[int, int, tuple[str, ...]]]
"""Spans of a text (begin, end) with the alternatives of each."""


@dataclass(frozen=True, eq=False)
class SpanEdit:
    """A fitted transform of spans.

    find_spans      the spans of a text, left to right, with the alternatives of each
    share_range     range of the share of the spans (× strength)
    p               probability that a text changes
    missing_reason  reason for texts without such a span
    """

    find_spans: Callable[[str], Spans]
    share_range: tuple[float, float]
    p: float
    missing_reason: str

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """One new text for each text: the drawn share is the probability of each span to be rewritten."""
        low, high = self.share_range
        probability = (low + (high - low) * rng.draw_uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        probability = np.where(rng.draw_uniform(keys, 0) < self.p, probability, 0.0)
        changed = zip(texts, keys, probability, strict=True)
        return [self._rewrite(text, key, share) if share > 0 else text for text, key, share in changed]

    def _rewrite(self, text: str, key: np.uint64, probability: float) -> str:
        found = self.find_spans(text)
        for index in range(len(found) - 1, -1, -1):  # from the end, so that earlier positions stay valid
            begin, end, options = found[index]
            keys = np.array([key], np.uint64)
            if options and rng.draw_uniform(keys, 2 + 2 * index)[0] < probability:
                option = options[int(rng.draw_uniform(keys, 3 + 2 * index)[0] * len(options))]
                text = text[:begin] + option + text[end:]
        return text

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without such a span."""
        return {
            self.missing_reason: np.array(
                [not any(options for _, _, options in self.find_spans(text)) for text in texts], bool
            )
        }


def compile_phrases(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """A case-insensitive pattern of protected phrases; None without phrases."""
    known = sorted({phrase.strip() for phrase in phrases} - {""}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None


def find_protected_ranges(text: str, protected: re.Pattern[str] | None) -> list[tuple[int, int]]:
    """(begin, end) of addresses, HTML entities and protected phrases.

    >>> find_protected_ranges("salt &amp; pepper", None)
    [(5, 10)]
    """
    opaque = OPAQUE_SPAN.finditer(text) if "&" in text or "." in text or "://" in text else ()
    phrases = protected.finditer(text) if protected else ()
    return [match.span() for matches in (opaque, phrases) for match in matches]


def drop_protected_spans(candidates: Spans, text: str, protected: re.Pattern[str] | None) -> Spans:
    """The spans that overlap no protected phrase, address or HTML entity."""
    spans = find_protected_ranges(text, protected)
    return [span for span in candidates if not any(span[0] < end and begin < span[1] for begin, end in spans)]
