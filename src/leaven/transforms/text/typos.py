"""How do people misspell the words of a title?"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from leaven.datasets.catalog import Catalog
from leaven.tokenization import Pieces, has_han
from leaven.transforms.text.protected_spans import Reader
from leaven.transforms.text.token_sampling import Bools, Choice, WordEdit, check
from leaven.transforms.validation import check_count, check_word

SLIPS = ("neighbour", "order", "left_out", "doubled", "accent", "sound", "shape")
_WORDS = 1 << 16  # whose letters are remembered: titles share their words
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Misspell:
    """Misspell some words as people do, one slip a word.

    slips        which: "neighbour" (a key beside the right one), "order" (two letters exchanged), "left_out",
                 "doubled", "accent" (é typed as e); Chinese: "sound" (same or similar pinyin), "shape" (looks alike),
                 "order" where our table knows neither
    share_range  share of the words long enough that are misspelt, drawn per text (× strength), rounded by lot
    least        letters that a word must have; the first letter stays right
    p            chance that a text is changed
    protect      words and phrases that stay, beside brands and what patterns find

    The keys are those of a QWERTY keyboard; the Chinese table is a small one of our own (`characters.tsv`).
    """

    slips: tuple[str, ...] = SLIPS
    share_range: tuple[float, float] = (0.1, 0.3)
    least: int = 4
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("misspell", self.share_range, self.p)
        check_count("misspell.least", self.least, 2)
        for slip in self.slips:
            check_word("misspell.slips", slip, SLIPS)

    def fit(self, catalog: Catalog) -> WordEdit:
        """The catalogue's brands are protected."""
        reader = Reader.of(catalog, self.protect, self._possible)
        return WordEdit(reader, self.share_range, self.p, _is_open, _misspell, "every word is too short")

    def _possible(self, word: str) -> tuple[str, ...]:
        """The slips that this word allows."""
        if has_han(word):
            table = characters()
            kinds = {kind for letter in word for kind, others in table.get(letter, {}).items() if others}
            sure = tuple(slip for slip in self.slips if slip in kinds)
            turned = "order" in self.slips and len(word) > 1 and word[0] != word[1]
            return sure or (("order",) if turned else ())
        if len(word) < self.least:
            return ()
        return tuple(slip for slip in self.slips if slip in _LATIN and _LATIN[slip](word, 0.0) != word)


def _is_open(pieces: Pieces, free: Bools) -> Bools:
    return free & pieces.open


def _misspell(words: list[str], pieces: Pieces, choice: Choice) -> None:
    chosen, options = choice.places, pieces.options
    for place, piece, (which, where, what) in zip(
        chosen.tolist(), pieces.ids[chosen].tolist(), choice.lots.tolist(), strict=True
    ):
        slips, word = options[piece], words[place]
        slip = slips[int(which * len(slips))]
        if word.isascii() or not has_han(word):
            words[place] = _LATIN[slip](word, where)
        else:
            words[place] = _han(slip, word, where, what)


def _neighbour(word: str, lot: float) -> str:
    """A letter that has keys beside it, one of them instead; the draw's later digits choose among them."""
    places = _on_keys(word)
    if not places:
        return word
    place, rest = divmod(lot * len(places), 1.0)
    here = places[int(place)]
    beside = _keys()[word[here].lower()]
    letter = beside[int(rest * len(beside))]
    return word[:here] + (letter.upper() if word[here].isupper() else letter) + word[here + 1 :]


@lru_cache(_WORDS)
def _on_keys(word: str) -> list[int]:
    return [place for place in range(1, len(word)) if word[place].lower() in _keys()]


@cache
def _keys() -> dict[str, str]:
    """letter -> the letters on keys that touch its own, in its row and in the rows above and below."""
    place = {letter: (row, column + row * 0.5) for row, keys in enumerate(_ROWS) for column, letter in enumerate(keys)}
    return {
        letter: "".join(o for o, (r, c) in place.items() if o != letter and abs(r - row) <= 1 and abs(c - column) <= 1)
        for letter, (row, column) in place.items()
    }


def _order(word: str, lot: float) -> str:
    places = _unlike_the_next(word)
    if not places:
        return word
    here = places[int(lot * len(places))]
    return word[:here] + word[here + 1] + word[here] + word[here + 2 :]


@lru_cache(_WORDS)
def _unlike_the_next(word: str) -> list[int]:
    places = [place for place in range(1, len(word) - 1) if word[place : place + 2].isalpha()]
    return [place for place in places if word[place].lower() != word[place + 1].lower()]


def _left_out(word: str, lot: float) -> str:
    places = _letters(word)
    if not places:
        return word
    here = places[int(lot * len(places))]
    return word[:here] + word[here + 1 :]


def _doubled(word: str, lot: float) -> str:
    places = _unlike_the_last(word)
    if not places:
        return word
    here = places[int(lot * len(places))]
    return word[: here + 1] + word[here] + word[here + 1 :]


@lru_cache(_WORDS)
def _letters(word: str) -> list[int]:
    return [place for place in range(1, len(word)) if word[place].isalpha()]


@lru_cache(_WORDS)
def _unlike_the_last(word: str) -> list[int]:
    return [place for place in _letters(word) if word[place] != word[place - 1]]


def _accent(word: str, lot: float) -> str:
    """All marks left out: é as e. The draw is not needed."""
    del lot
    bare = "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))
    return bare if bare.isascii() else word  # marks of other scripts are letters


_LATIN: dict[str, Callable[[str, float], str]] = {
    "neighbour": _neighbour,
    "order": _order,
    "left_out": _left_out,
    "doubled": _doubled,
    "accent": _accent,
}


def _han(slip: str, word: str, where: float, what: float) -> str:
    if slip == "order":
        return word[1] + word[0] + word[2:]
    table = characters()
    places = [place for place, letter in enumerate(word) if table.get(letter, {}).get(slip)]
    here = places[int(where * len(places))]
    others = table[word[here]][slip]
    return word[:here] + others[int(what * len(others))] + word[here + 1 :]


@cache
def characters() -> dict[str, dict[str, str]]:
    """character -> "sound" and "shape" -> characters it is mistaken for; our own small table.

    >>> "霸" in characters()["爸"]["sound"]
    True
    """
    text = files("leaven.transforms.text").joinpath("characters.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, _, group = line.partition("\t")
            for letter in group:
                held = found.setdefault(letter, {})
                new = "".join(o for o in group if o != letter and o not in held.get(kind, ""))
                held[kind] = held.get(kind, "") + new
    return found
