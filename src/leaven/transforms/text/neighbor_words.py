"""Replaces words by others that share their contexts in the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.datasets.catalog import Catalog
from leaven.protocols import OperatorTraits
from leaven.transforms.text import distributional_similarity
from leaven.transforms.text.lexicon import Lexicon
from leaven.transforms.text.protected_spans import TextReader
from leaven.transforms.text.token_sampling import WordEdit, check_text_edit, has_options, replace_words
from leaven.transforms.validation import check_count, check_share


@dataclass(frozen=True)
class NeighborWords:
    """Replace words by distributional neighbors in the catalog: near-synonyms in any language.

    share_range     share of the words with neighbors that are replaced, drawn per text (× strength), rounded
                    stochastically
    p               probability that a text is changed
    min_texts       texts that a word must occur in
    min_similarity  cosine of the contexts, from 0 to 1
    protect         words and phrases that stay

    Shared contexts alone are a trap: "large" and "small", "shampoo" and "conditioner" are the closest pairs. So colors,
    materials, sizes and product nouns of the lexicon are excluded, and neighbors must be mutual. Without a catalog
    texts stay unchanged (counted).
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("neighbour words")
    share_range: tuple[float, float] = (0.2, 0.5)
    p: float = 1.0
    min_texts: int = 5
    min_similarity: float = 0.2
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text_edit("neighbors", self.share_range, self.p)
        check_count("neighbors.min_texts", self.min_texts, 2)
        check_share("neighbors.min_similarity", self.min_similarity)

    def fit(self, catalog: Catalog) -> WordEdit:
        """Learns the contexts of the catalog's words."""
        lexicon = Lexicon.load_default()
        known = distributional_similarity.find_word_neighbors(catalog, lexicon, self.min_texts, self.min_similarity)
        reader = TextReader.from_catalog(
            catalog, self.protect, lambda piece: known.get(piece.lower(), ()), lexicon.unsplit_words
        )
        return WordEdit(reader, self.share_range, self.p, has_options, replace_words, "no word has a neighbor")
