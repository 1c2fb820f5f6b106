"""Which words of a text are left out, exchanged, added or replaced?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.tokenization import Pieces, has_han
from leaven.transforms.text import distributional_similarity
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import Reader, is_word
from leaven.transforms.text.token_sampling import Bools, Choice, WordEdit, check, drawn, put_in_place
from leaven.transforms.validation import check_word


@dataclass(frozen=True)
class DeleteWords:
    """Leave some words out, never a protected one (random deletion of Wei and Zou, EDA, EMNLP 2019, section 2).

    share_range  share of the words that may go, drawn per text (× strength), rounded by lot
    p            chance that a text is changed
    protect      words and phrases that stay, beside the catalogue's brands and what patterns find

    Where we differ: a share instead of a chance for each word; sizes, prices, models, brands and negations stay;
    one word stays at least.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("delete", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """The catalogue's brands are protected."""
        reader = Reader.of(catalog, self.protect)
        return WordEdit(reader, self.share_range, self.p, _may_go, _leave_out, "signs bind every word", spare=1)


def _beside(pieces: Pieces, step: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """uint8 (pieces,): kind of the piece before (-1) or after (1); a blank at the ends of a text."""
    kinds = np.full(len(pieces.kinds) + 2, ord("s"), np.uint8)
    kinds[1:-1] = pieces.kinds
    beside = kinds[1 + step : len(kinds) - 1 + step].copy()
    ends = pieces.starts[:-1] if step < 0 else pieces.starts[1:] - 1
    filled = np.diff(pieces.starts) > 0
    beside[ends[filled]] = ord("s")
    return beside


def _may_go(pieces: Pieces, free: Bools) -> Bools:
    """Words beside blanks and words: what stands in brackets or between slashes would leave its signs behind."""
    signs = [ord("g"), ord("-")]
    return free & ~np.isin(_beside(pieces, -1), signs) & ~np.isin(_beside(pieces, 1), signs)


def _leave_out(words: list[str], pieces: Pieces, choice: Choice) -> None:
    """A word takes the blanks and commas before it along; the first word those behind it."""
    kinds, starts, blank = pieces.kinds.tobytes(), pieces.bounds, ord("s")
    for place, row in zip(choice.places.tolist(), choice.row.tolist(), strict=True):
        words[place] = ""
        first, end = starts[row], starts[row + 1]
        here = place - 1
        while here >= first and kinds[here] == blank:
            words[here] = ""
            here -= 1
        if here < first:
            here = place + 1
            while here < end and kinds[here] == blank:
                words[here] = ""
                here += 1


@dataclass(frozen=True)
class SwapWords:
    """Let neighbouring words change places (random swap of Wei and Zou, EDA, EMNLP 2019, section 2).

    share_range  share of the pairs that are swapped, drawn per text (× strength), rounded by lot
    p            chance that a text is changed
    protect      words and phrases that stay in place, beside brands and what patterns find

    Where we differ: only neighbours swap, so that "red dress, blue hat" keeps its colours near their things; a
    protected span neither moves nor is jumped over.
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("swap", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """The catalogue's brands are protected."""
        reader = Reader.of(catalog, self.protect)
        return WordEdit(reader, self.share_range, self.p, _has_partner, _swap, "no two different words side by side")


def _partner(pieces: Pieces, free: Bools) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64 (pieces,): the next free word of the same text with at most one blank between; -1 where none."""
    count = len(pieces.ids)
    found = np.full(count, -1, np.int64)
    row = pieces.row
    for step in (2, 1):
        here = np.arange(max(count - step, 0))
        fits = free[here] & free[here + step] & (row[here] == row[here + step])
        fits &= pieces.ids[here] != pieces.ids[here + step]
        if step == 2:
            fits &= pieces.kinds[here + 1] == ord("s")
        found[here[fits]] = here[fits] + step
    return found


def _has_partner(pieces: Pieces, free: Bools) -> Bools:
    return _partner(pieces, free) >= 0


def _swap(words: list[str], pieces: Pieces, choice: Choice) -> None:
    """Each chosen word with the next one; a word that has just moved stays."""
    word = is_word(pieces)
    moved = -1
    for place in choice.places.tolist():
        if place > moved:
            other = place + 1 if word[place + 1] else place + 2
            words[place], words[other] = words[other], words[place]
            moved = other


@dataclass(frozen=True)
class InsertWords:
    """Add words that go with words of the text, each behind the word it goes with (文本扩展).

    source       "related": words that often stand in the same text of the catalogue; "synonyms": of our lexicon
    share_range  share of the words that get company, drawn per text (× strength), rounded by lot
    p            chance that a text is changed
    protect      words and phrases that are not touched

    Colours, materials, sizes and product nouns are never added (`guard` in the lexicon): they would be claims about the
    item. Where nothing is related, as without a catalogue, the lexicon helps out. After random insertion of Wei and
    Zou (EDA, EMNLP 2019, section 2), which adds synonyms at random places.
    """

    source: str = "related"
    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("insert", self.share_range, self.p)
        check_word("insert.source", self.source, ("related", "synonyms"))

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns from the catalogue which words stand together."""
        lexicon = Lexicon.ours()
        related = distributional_similarity.related(catalog, lexicon) if self.source == "related" else {}

        def options(piece: str) -> tuple[str, ...]:
            return related.get(piece.lower()) or lexicon.synonyms.get(piece.lower(), ())

        reader = Reader.of(catalog, self.protect, options, lexicon.whole)
        return WordEdit(reader, self.share_range, self.p, _is_open, _add, "no word goes with its words")


def _is_open(pieces: Pieces, free: Bools) -> Bools:
    return free & pieces.open


def _add(words: list[str], pieces: Pieces, choice: Choice) -> None:
    """The new word behind its word, and not where the text holds it already."""
    for place, row, lot in zip(choice.places.tolist(), choice.row.tolist(), choice.lots[:, 0].tolist(), strict=True):
        word = drawn(pieces, words, place, row, lot)
        if word:
            gap = "" if has_han(words[place]) and has_han(word) else " "
            words[place] = f"{words[place]}{gap}{word}"


@dataclass(frozen=True)
class ReplaceWords:
    """Put any word of the catalogue in the place of some words, by how often it stands there: noise, to compare with.

    share_range  share of the words that are replaced, drawn per text (× strength), rounded by lot
    p            chance that a text is changed
    most         how many of the catalogue's most frequent words are drawn from
    protect      words and phrases that stay

    Attributes (colours, materials, sizes, product nouns) neither go nor come. A Chinese word takes a Chinese place.
    Without a catalogue the words are those of our lexicon.
    """

    share_range: tuple[float, float] = (0.1, 0.2)
    p: float = 1.0
    most: int = 1_000
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check("replace", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns from the catalogue how often its words stand there."""
        lexicon = Lexicon.ours()
        pools = distributional_similarity.pools(catalog, lexicon, self.most)

        def options(piece: str) -> tuple[str, ...]:
            return () if lexicon.guarded(piece.lower()) else pools[has_han(piece)]

        reader = Reader.of(catalog, self.protect, options, lexicon.whole)
        return WordEdit(reader, self.share_range, self.p, _is_open, put_in_place, "every word is an attribute")
