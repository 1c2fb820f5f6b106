"""Deletes, swaps, inserts or replaces words of texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.field_checks import check_choice
from leaven.protocols import OperatorTraits
from leaven.tokenization import TokenizedTexts, find_scripts, has_han
from leaven.transforms.text import distributional_similarity
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.phrase_heads import find_removable
from leaven.transforms.text.protected_spans import TextReader, is_word
from leaven.transforms.text.token_sampling import (
    Bools,
    WordEdit,
    WordSelection,
    check_text_edit,
    has_fitting_script,
    has_options,
    pick_option,
    replace_words,
)


@dataclass(frozen=True)
class DeleteWords:
    """Delete some unprotected words (random deletion of Wei and Zou, EDA, EMNLP 2019, section 2).

    share_range  share of the unprotected words, drawn per text (× strength), rounded stochastically
    p            probability that a text is changed
    protect      words and phrases that stay, in addition to the catalog's brands and patterns

    Where we differ: a share instead of a probability for each word; sizes, prices, models, brands and negations stay;
    so do the head noun of each phrase, a noun before it, and function words and what they link (`phrase_heads`); at
    least one word stays.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("delete words")
    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("delete", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Protects the catalog's brands."""
        reader = TextReader.from_catalog(catalog, self.protect)
        return WordEdit(
            reader,
            self.share_range,
            self.p,
            _find_deletable,
            _delete_words,
            "all words are heads of phrases or bound by others",
            min_words=1,
        )


def _shift_kinds(pieces: TokenizedTexts, step: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """uint8 (pieces,): kind of the token before (-1) or after (1); a blank at the ends of a text."""
    kinds = np.full(len(pieces.kind_codes) + 2, ord("s"), np.uint8)
    kinds[1:-1] = pieces.kind_codes
    shifted = kinds[1 + step : len(kinds) - 1 + step].copy()
    ends = pieces.starts[:-1] if step < 0 else pieces.starts[1:] - 1
    shifted[ends[np.diff(pieces.starts) > 0]] = ord("s")
    return shifted


def _find_deletable(pieces: TokenizedTexts, free: Bools) -> Bools:
    """Words next to blanks and words: a word in brackets or between slashes would leave its signs behind."""
    signs = [ord("g"), ord("-")]
    removable = find_removable(pieces, free)
    return removable & ~np.isin(_shift_kinds(pieces, -1), signs) & ~np.isin(_shift_kinds(pieces, 1), signs)


def _delete_words(words: list[str], pieces: TokenizedTexts, choice: WordSelection) -> None:
    """Delete words with the blanks and commas before them; the first word with those after it."""
    kinds, starts, blank = pieces.kind_codes.tobytes(), pieces.start_list, ord("s")
    for position, row in zip(choice.positions.tolist(), choice.rows.tolist(), strict=True):
        words[position] = ""
        first, end = starts[row], starts[row + 1]
        here = position - 1
        while here >= first and kinds[here] == blank:
            words[here] = ""
            here -= 1
        if here < first:
            here = position + 1
            while here < end and kinds[here] == blank:
                words[here] = ""
                here += 1


@dataclass(frozen=True)
class SwapWords:
    """Swap adjacent words (random swap of Wei and Zou, EDA, EMNLP 2019, section 2).

    share_range  share of the pairs that are swapped, drawn per text (× strength), rounded stochastically
    p            probability that a text is changed
    protect      words and phrases that stay in place, in addition to brands and patterns

    Where we differ: only adjacent words swap, so that "red dress, blue hat" keeps its colors with their nouns; no word
    moves across a protected span.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("swap words")
    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("swap", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Protects the catalog's brands."""
        reader = TextReader.from_catalog(catalog, self.protect)
        return WordEdit(reader, self.share_range, self.p, _has_partner, _swap_words, "no two different adjacent words")


def _find_partners(pieces: TokenizedTexts, free: Bools) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64 (pieces,): the next free word of the same text with at most one blank between; -1 without one."""
    count = len(pieces.ids)
    found = np.full(count, -1, np.int64)
    row = pieces.token_rows
    for step in (2, 1):
        here = np.arange(max(count - step, 0))
        fits = free[here] & free[here + step] & (row[here] == row[here + step])
        fits &= pieces.ids[here] != pieces.ids[here + step]
        if step == 2:
            fits &= pieces.kind_codes[here + 1] == ord("s")
        found[here[fits]] = here[fits] + step
    return found


def _has_partner(pieces: TokenizedTexts, free: Bools) -> Bools:
    return _find_partners(pieces, free) >= 0


def _swap_words(words: list[str], pieces: TokenizedTexts, choice: WordSelection) -> None:
    """Swap each selected word with the next; a word that has just moved stays."""
    word = is_word(pieces)
    moved = -1
    for position in choice.positions.tolist():
        if position > moved:
            other = position + 1 if word[position + 1] else position + 2
            words[position], words[other] = words[other], words[position]
            moved = other


@dataclass(frozen=True)
class InsertWords:
    """Insert related words, each after the word to which it is related (文本扩展).

    source       "related": words that co-occur in texts of the catalog; "synonyms": of our lexicon
    share_range  share of the words that get a related word, drawn per text (× strength), rounded stochastically
    p            probability that a text is changed
    protect      words and phrases that get no related word

    Colors, materials, sizes, contrasts and product nouns are never inserted: they would be claims about the item. Words
    without related words, as without a catalog, use the lexicon. Latin words are inserted into titles in Latin script
    only, other words where their script occurs. After random insertion of Wei and Zou (EDA, EMNLP 2019, section 2),
    which inserts synonyms at random positions.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("insert words")
    source: str = "related"
    share_range: tuple[float, float] = (0.1, 0.3)
    p: float = 1.0
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("insert", self.share_range, self.p)
        check_choice("insert.source", self.source, ("related", "synonyms"))

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns related words from the catalog."""
        lexicon = Lexicon.load_default()
        related = distributional_similarity.find_related_words(catalog, lexicon) if self.source == "related" else {}

        def options(piece: str) -> tuple[str, ...]:
            return related.get(piece.lower()) or lexicon.synonyms.get(piece.lower(), ())

        reader = TextReader.from_catalog(catalog, self.protect, options, lexicon.unsplit_words)
        return WordEdit(reader, self.share_range, self.p, has_options, _insert_words, "no word is related to its words")


def _insert_words(words: list[str], pieces: TokenizedTexts, choice: WordSelection) -> None:
    """Insert the new words, unless the text contains them already."""
    draws = choice.draws[:, 0].tolist()
    for position, row, draw in zip(choice.positions.tolist(), choice.rows.tolist(), draws, strict=True):
        word = pick_option(pieces, words, position, row, draw, _fits_main_script)
        if word:
            gap = "" if has_han(words[position]) and has_han(word) else " "
            words[position] = f"{words[position]}{gap}{word}"


_fits_main_script = partial(has_fitting_script, needs_main_script=True)


@dataclass(frozen=True)
class ReplaceWords:
    """Replace some words by frequent words of the catalog: noise, as a baseline.

    share_range  share of the words that are replaced, drawn per text (× strength), rounded stochastically
    p            probability that a text is changed
    max_words    number of the catalog's most frequent words to draw from
    protect      words and phrases that stay

    Attributes (colors, materials, sizes, product nouns, contrasts such as men and women) are neither replaced nor
    inserted. A word is replaced by one of the same script, and a Latin word only in a title in Latin script. Without a
    catalog the words come from our lexicon.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("replace words")
    share_range: tuple[float, float] = (0.1, 0.2)
    p: float = 1.0
    max_words: int = 1_000
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("replace", self.share_range, self.p)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Counts the words of the catalog."""
        lexicon = Lexicon.load_default()
        pools = distributional_similarity.build_word_pools(catalog, lexicon, self.max_words)

        def options(piece: str) -> tuple[str, ...]:
            return () if lexicon.is_attribute(piece.lower()) else pools.get(find_scripts(piece), ())

        reader = TextReader.from_catalog(catalog, self.protect, options, lexicon.unsplit_words)
        apply = partial(replace_words, fits=_fits_main_script)
        return WordEdit(reader, self.share_range, self.p, has_options, apply, "every word is an attribute")
