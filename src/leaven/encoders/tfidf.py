"""Item vectors from text: TF-IDF reduced by latent semantic analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.item_text import joined, terms
from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    import scipy.sparse as sparse

Vectors = npt.NDArray[np.float32]
_MAX_ITEM_SHARE = 0.5
"""Terms in more than this share of the items are ignored."""


@dataclass(frozen=True)
class TfIdf:
    """Vectors of item text: TF-IDF of word and character n-grams, reduced to its strongest singular directions.

    columns           text columns of the catalog; empty: all
    word_ngrams       smallest and largest n of word n-grams; (0, 0): none
    character_ngrams  smallest and largest n of character n-grams within a word, which match inflected and misspelled
                      words; (0, 0): none
    width             of a vector
    min_items         terms of fewer items are ignored

    Latent semantic analysis (Deerwester and others, JASIS 1990). Where we differ: vectors have norm 1.
    """

    columns: tuple[str, ...] = ()
    words: tuple[int, int] = (1, 1)
    characters: tuple[int, int] = (3, 3)
    width: int = 128
    least_items: int = 2
    modality: ClassVar[str] = "words"

    def __post_init__(self) -> None:
        for name, pair in (("words", self.words), ("characters", self.characters)):
            if not 0 <= pair[0] <= pair[1] or (pair[0] == 0 and pair[1] > 0):
                raise SpecError(f"tfidf.{name}", "two whole numbers (1, 2), or (0, 0) for none", repr(pair), "")
        if not (self.words[1] or self.characters[1]):
            raise SpecError("tfidf", "word or character n-grams", "neither", "words = [1, 1]")
        if self.width < 1 or self.least_items < 1:
            got = f"{self.width}, {self.least_items}"
            raise SpecError("tfidf.width", "width and least_items of 1 or more", got, "")

    def knows(self, catalog: Catalog) -> bool:
        """Returns whether the catalog has any text in these columns."""
        return any(any(catalog.words.get(column, ())) for column in self.columns or catalog.words)

    def fit(self, catalog: Catalog, key: int = 0) -> Directions:
        """Fits term weights and directions on all items of the catalog; nothing is random.

        Raises DataError if no two items share a term; MissingExtra for Chinese text without rjieba.
        """
        from leaven.encoders import tfidf_weights
        from leaven.encoders.svd import directions

        columns = self.columns or tuple(catalog.words)
        vocabulary: dict[str, int] = {}
        table = tfidf_weights.counted(self.iterate_terms(catalog, columns), vocabulary, grow=True)
        weight = tfidf_weights.rarity(table, len(catalog), _MAX_ITEM_SHARE, self.least_items)
        used = np.flatnonzero(weight > 0)
        if not len(used):
            fix = "name the text columns of the items, or lower least_items"
            raise DataError("tfidf", "words that some items share and others lack", "none", fix)
        terms = list(vocabulary)  # in the order of their columns
        weighted = tfidf_weights.unit((table[:, used].multiply(weight[used])).tocsr())
        right, _ = directions(weighted.T.tocsr(), min(self.width, len(used), len(catalog)))
        term_index = {terms[old]: new for new, old in enumerate(used.tolist())}
        return Directions(self, columns, term_index, weight[used], right.astype(np.float32))

    def iterate_terms(self, catalog: Catalog, columns: tuple[str, ...]) -> Iterator[Iterator[str]]:
        """Yields the terms of each item."""
        return (terms(text, self.words, self.characters) for text in joined(catalog, columns))


@dataclass(frozen=True, eq=False)
class Directions:
    """Fitted encoder.

    term_index    term -> its column
    term_weights  float64 (terms,): inverse document frequency
    directions    float32 (terms, width)
    """

    wish: TfIdf
    columns: tuple[str, ...]
    places: Mapping[str, int]
    weight: npt.NDArray[np.float64]
    right: Vectors

    @property
    def width(self) -> int:
        """Width of a vector."""
        return int(self.right.shape[1])

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors of norm 1, float32 (items, width); zeros for items without known terms."""
        from leaven.encoders import tfidf_weights

        return tfidf_weights.unit_rows(self.table(catalog) @ self.right)

    def table(self, catalog: Catalog) -> sparse.csr_matrix:
        """Returns TF-IDF rows of norm 1, float64 (items, terms)."""
        from leaven.encoders import tfidf_weights

        counts = tfidf_weights.counted(self.wish.iterate_terms(catalog, self.columns), dict(self.places), grow=False)
        return tfidf_weights.unit(counts.multiply(self.weight).tocsr())
