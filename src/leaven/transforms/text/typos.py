"""Adds realistic typos to words."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import ClassVar

from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_choice, check_count
from leaven.protocols import OperatorTraits
from leaven.tokenization import TokenizedTexts, has_han
from leaven.transforms.text.protected_spans import TextReader
from leaven.transforms.text.token_sampling import WordEdit, WordSelection, check_text_edit, has_options

TYPO_KINDS = ("adjacent_key", "transposed", "omitted", "doubled", "accent", "sound", "shape")
_CACHE_SIZE = 1 << 16  # words: titles share their words
_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Misspell:
    """Misspell some words, one realistic typo for each.

    typo_kinds   "adjacent_key", "transposed" (two letters exchanged), "omitted", "doubled", "accent" (é typed as e);
                 Chinese: "sound" (same or similar pinyin), "shape" (similar glyph), "transposed" for characters that
                 are not in our table
    share_range  share of the words of sufficient length that are misspelled, drawn per text (× strength), rounded
                 stochastically
    min_letters  letters that a word must have; the first letter stays
    p            probability that a text is changed
    protect      words and phrases that stay, in addition to brands and patterns

    The keys are those of a QWERTY keyboard; the Chinese table is a small one of our own (`characters.tsv`).
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("misspell")
    typo_kinds: tuple[str, ...] = TYPO_KINDS
    share_range: tuple[float, float] = (0.1, 0.3)
    min_letters: int = 4
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("misspell", self.share_range, self.p)
        check_count("misspell.min_letters", self.min_letters, 2)
        for kind in self.typo_kinds:
            check_choice("misspell.typo_kinds", kind, TYPO_KINDS)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Protects the catalog's brands."""
        reader = TextReader.from_catalog(catalog, self.protect, self._list_typo_kinds)
        return WordEdit(reader, self.share_range, self.p, has_options, _misspell, "every word is too short")

    def _list_typo_kinds(self, word: str) -> tuple[str, ...]:
        """The kinds of typos that are possible in a word."""
        if has_han(word):
            table = load_confusable_characters()
            possible = {kind for letter in word for kind, others in table.get(letter, {}).items() if others}
            kinds = tuple(kind for kind in self.typo_kinds if kind in possible)
            can_transpose = "transposed" in self.typo_kinds and word[0] != word[1:2] != ""
            return kinds or (("transposed",) if can_transpose else ())
        if len(word) < self.min_letters:
            return ()
        return tuple(kind for kind in self.typo_kinds if kind in _LATIN_TYPOS and _LATIN_TYPOS[kind](word, 0.0) != word)


def _misspell(words: list[str], pieces: TokenizedTexts, choice: WordSelection) -> None:
    chosen, options = choice.positions, pieces.replacements
    for position, piece, (which, where, what) in zip(
        chosen.tolist(), pieces.ids[chosen].tolist(), choice.draws.tolist(), strict=True
    ):
        kinds, word = options[piece], words[position]
        kind = kinds[int(which * len(kinds))]
        if word.isascii() or not has_han(word):
            words[position] = _LATIN_TYPOS[kind](word, where)
        else:
            words[position] = _misspell_han(kind, word, where, what)


def _press_adjacent_key(word: str, draw: float) -> str:
    """Replace a letter by one on an adjacent key; the draw's integer part selects the letter, its fraction the key."""
    positions = _find_typed_letters(word)
    if not positions:
        return word
    index, fraction = divmod(draw * len(positions), 1.0)
    here = positions[int(index)]
    adjacent = _adjacent_keys()[word[here].lower()]
    letter = adjacent[int(fraction * len(adjacent))]
    return word[:here] + (letter.upper() if word[here].isupper() else letter) + word[here + 1 :]


@lru_cache(_CACHE_SIZE)
def _find_typed_letters(word: str) -> list[int]:
    return [i for i in range(1, len(word)) if word[i].lower() in _adjacent_keys()]


@cache
def _adjacent_keys() -> dict[str, str]:
    """letter -> the letters on adjacent keys, in its row and in the rows above and below."""
    keys = [
        (letter, row, column + row * 0.5) for row, keys in enumerate(_KEY_ROWS) for column, letter in enumerate(keys)
    ]
    return {
        letter: "".join(o for o, r, c in keys if o != letter and abs(r - row) <= 1 and abs(c - column) <= 1)
        for letter, row, column in keys
    }


def _transpose(word: str, draw: float) -> str:
    positions = _find_transposable(word)
    if not positions:
        return word
    here = positions[int(draw * len(positions))]
    return word[:here] + word[here + 1] + word[here] + word[here + 2 :]


@lru_cache(_CACHE_SIZE)
def _find_transposable(word: str) -> list[int]:
    positions = [i for i in range(1, len(word) - 1) if word[i : i + 2].isalpha()]
    return [i for i in positions if word[i].lower() != word[i + 1].lower()]


def _omit(word: str, draw: float) -> str:
    positions = _find_letters(word)
    if not positions:
        return word
    here = positions[int(draw * len(positions))]
    return word[:here] + word[here + 1 :]


def _double(word: str, draw: float) -> str:
    positions = _find_single_letters(word)
    if not positions:
        return word
    here = positions[int(draw * len(positions))]
    return word[: here + 1] + word[here] + word[here + 1 :]


@lru_cache(_CACHE_SIZE)
def _find_letters(word: str) -> list[int]:
    return [i for i in range(1, len(word)) if word[i].isalpha()]


@lru_cache(_CACHE_SIZE)
def _find_single_letters(word: str) -> list[int]:
    return [i for i in _find_letters(word) if word[i] != word[i - 1]]


def _strip_accents(word: str, draw: float) -> str:
    """Remove all accents: é as e. The draw is unused."""
    del draw
    bare = "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))
    return bare if bare.isascii() else word  # marks of other scripts are letters


_LATIN_TYPOS: dict[str, Callable[[str, float], str]] = {
    "adjacent_key": _press_adjacent_key,
    "transposed": _transpose,
    "omitted": _omit,
    "doubled": _double,
    "accent": _strip_accents,
}


def _misspell_han(kind: str, word: str, where: float, what: float) -> str:
    if kind == "transposed":
        return word[1] + word[0] + word[2:]
    table = load_confusable_characters()
    positions = [i for i, letter in enumerate(word) if table.get(letter, {}).get(kind)]
    here = positions[int(where * len(positions))]
    others = table[word[here]][kind]
    return word[:here] + others[int(what * len(others))] + word[here + 1 :]


@cache
def load_confusable_characters() -> dict[str, dict[str, str]]:
    """character -> "sound" and "shape" -> characters that are confused with it; our own small table.

    >>> "霸" in load_confusable_characters()["爸"]["sound"]
    True
    """
    text = files("leaven.transforms.text").joinpath("characters.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, _, group = line.partition("\t")
            for letter in group:
                table = found.setdefault(letter, {})
                new = "".join(o for o in group if o != letter and o not in table.get(kind, ""))
                table[kind] = table.get(kind, "") + new
    return found
