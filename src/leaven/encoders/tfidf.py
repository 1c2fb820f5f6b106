"""What do an item's words say, when rare words say most? TF-IDF, and its strongest directions."""

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
_COMMON = 0.5
"""A term in more than this share of the items tells none of them from the others."""


@dataclass(frozen=True)
class TfIdf:
    """Vectors of the items' words: TF-IDF of runs of words and of characters, in its strongest directions.

    columns     text columns of the catalogue; none: all of them
    words       the shortest and the longest run of words, (0, 0): none
    characters  the same of runs of characters inside a word: they know "moisturizer" from "moisturizing", and a
                misspelt word from another; (0, 0): none
    width       numbers of a vector
    least_items terms of fewer items are left out: they cannot tell what two items share

    Latent semantic analysis (Deerwester and others, JASIS 1990). Where we differ: vectors have length 1.
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
            raise SpecError("tfidf", "runs of words or of characters", "neither", "words = [1, 1]")
        if self.width < 1 or self.least_items < 1:
            got = f"{self.width}, {self.least_items}"
            raise SpecError("tfidf.width", "width and least_items of 1 or more", got, "")

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue has any words at all in these columns."""
        return any(any(catalog.words.get(column, ())) for column in self.columns or catalog.words)

    def fit(self, catalog: Catalog, key: int = 0) -> Directions:
        """Learns rarity and directions from all items, bought or not; nothing is drawn.

        Raises DataError where no two items share a term; MissingExtra where Chinese cannot be cut.
        """
        from leaven.encoders import tfidf_weights
        from leaven.encoders.svd import directions

        columns = self.columns or tuple(catalog.words)
        places: dict[str, int] = {}
        table = tfidf_weights.counted(self._terms(catalog, columns), places, grow=True)
        weight = tfidf_weights.rarity(table, len(catalog), _COMMON, self.least_items)
        said = np.flatnonzero(weight > 0)
        if not len(said):
            fix = "name the text columns of the items, or lower least_items"
            raise DataError("tfidf", "words that some items share and others lack", "none", fix)
        kept = set(said.tolist())
        known = {term: new for new, term in enumerate(term for term, place in places.items() if place in kept)}
        weighed = tfidf_weights.unit((table[:, said].multiply(weight[said])).tocsr())
        right, _ = directions(weighed.T.tocsr(), min(self.width, len(said), len(catalog)))
        return Directions(self, columns, known, weight[said], right.astype(np.float32))

    def _terms(self, catalog: Catalog, columns: tuple[str, ...]) -> Iterator[Iterator[str]]:
        return (terms(text, self.words, self.characters) for text in joined(catalog, columns))


@dataclass(frozen=True, eq=False)
class Directions:
    """The fitted encoder.

    places  term -> its place; weight float64 (terms,): how rare; right float32 (terms, width): directions
    """

    wish: TfIdf
    columns: tuple[str, ...]
    places: Mapping[str, int]
    weight: npt.NDArray[np.float64]
    right: Vectors

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.right.shape[1])

    def __call__(self, catalog: Catalog) -> Vectors:
        """float32 (items, width), each of length 1; zeros where an item has no word that was learned."""
        from leaven.encoders import tfidf_weights

        vectors = self.table(catalog) @ self.right
        return tfidf_weights.unit_rows(vectors)

    def table(self, catalog: Catalog) -> sparse.csr_matrix:
        """float64 (items, terms): unit TF-IDF vectors."""
        from leaven.encoders import tfidf_weights

        counts = tfidf_weights.counted(self.wish._terms(catalog, self.columns), dict(self.places), grow=False)
        return tfidf_weights.unit(counts.multiply(self.weight).tocsr())
