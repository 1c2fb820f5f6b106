"""Item vectors from text: TF-IDF (Salton and Buckley, 1988) reduced by latent semantic analysis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.encoders.item_inputs import extract_terms, join_columns
from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    import scipy.sparse as sparse

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
_EXACT_SIZE = 200  # smaller matrices are decomposed exactly
_OVERSAMPLING, _POWER_ITERATIONS = 16, 6  # of the randomized SVD
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
    word_ngrams: tuple[int, int] = (1, 1)
    character_ngrams: tuple[int, int] = (3, 3)
    width: int = 128
    min_items: int = 2
    modality: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        for name, pair in (("word_ngrams", self.word_ngrams), ("character_ngrams", self.character_ngrams)):
            if not 0 <= pair[0] <= pair[1] or (pair[0] == 0 and pair[1] > 0):
                raise SpecError(f"tfidf.{name}", "two whole numbers (1, 2), or (0, 0) for none", repr(pair), "")
        if not (self.word_ngrams[1] or self.character_ngrams[1]):
            raise SpecError("tfidf", "word or character n-grams", "neither", "words = [1, 1]")
        if self.width < 1 or self.min_items < 1:
            got = f"{self.width}, {self.min_items}"
            raise SpecError("tfidf.width", "width and least_items of 1 or more", got, "")

    def can_encode(self, catalog: Catalog) -> bool:
        """Returns whether the catalog has any text in these columns."""
        return any(any(catalog.texts.get(column, ())) for column in self.columns or catalog.texts)

    def fit(self, catalog: Catalog, key: int = 0) -> FittedTfIdf:
        """Fits term weights and directions on all items of the catalog; nothing is random.

        Raises DataError if no two items share a term; MissingExtra for Chinese text without rjieba.
        """
        columns = self.columns or tuple(catalog.texts)
        vocabulary: dict[str, int] = {}
        table = count_terms(self.iterate_terms(catalog, columns), vocabulary, grow=True)
        weight = compute_idf(table, len(catalog), _MAX_ITEM_SHARE, self.min_items)
        used = np.flatnonzero(weight > 0)
        if not len(used):
            fix = "name the text columns of the items, or lower least_items"
            raise DataError("tfidf", "words that some items share and others lack", "none", fix)
        ordered_terms = list(vocabulary)  # in the order of their columns
        weighted = normalize_sparse_rows((table[:, used].multiply(weight[used])).tocsr())
        right, _ = compute_directions(weighted.T.tocsr(), min(self.width, len(used), len(catalog)))
        term_index = {ordered_terms[old]: new for new, old in enumerate(used.tolist())}
        return FittedTfIdf(self, columns, term_index, weight[used], right.astype(np.float32))

    def iterate_terms(self, catalog: Catalog, columns: tuple[str, ...]) -> Iterator[Iterator[str]]:
        """Yields the terms of each item."""
        return (extract_terms(text, self.word_ngrams, self.character_ngrams) for text in join_columns(catalog, columns))


@dataclass(frozen=True, eq=False)
class FittedTfIdf:
    """Fitted encoder.

    term_index    term -> its column
    term_weights  float64 (terms,): inverse document frequency
    directions    float32 (terms, width)
    """

    config: TfIdf
    columns: tuple[str, ...]
    term_index: Mapping[str, int]
    term_weights: npt.NDArray[np.float64]
    directions: Vectors

    @property
    def width(self) -> int:
        """Width of a vector."""
        return int(self.directions.shape[1])

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors of norm 1, float32 (items, width); zeros for items without known terms."""
        return normalize_rows(self.compute_tfidf(catalog) @ self.directions)

    def compute_tfidf(self, catalog: Catalog) -> sparse.csr_matrix:
        """Returns TF-IDF rows of norm 1, float64 (items, terms)."""
        counts = count_terms(self.config.iterate_terms(catalog, self.columns), dict(self.term_index), grow=False)
        return normalize_sparse_rows(counts.multiply(self.term_weights).tocsr())


def count_terms(rows: Iterable[Iterable[str]], term_index: dict[str, int], grow: bool) -> sparse.csr_matrix:
    """Returns 1 + log of the count of each term in each row, float64 (rows, terms); 0 for absent terms.

    term_index  term -> its column; new terms are added if `grow`, else ignored
    """
    import scipy.sparse as sparse

    starts, columns, weights = [0], list[int](), list[float]()
    for row in rows:
        for term, count in Counter(row).items():
            column = term_index.setdefault(term, len(term_index)) if grow else term_index.get(term, -1)
            if column >= 0:
                columns.append(column)
                weights.append(1.0 + np.log(count) if count > 1 else 1.0)
        starts.append(len(columns))
    shape = (len(starts) - 1, max(len(term_index), 1))
    return sparse.csr_matrix((np.array(weights), np.array(columns, np.int64), np.array(starts)), shape=shape)


def compute_idf(table: sparse.csr_matrix, n_items: int, max_share: float, min_items: int = 1) -> Floats:
    """Returns log(items / items with the term), float64 (terms,); 0 for terms of fewer than `min_items` items or of
    more than the share `max_share`.

    A term of one or two items is never too common.
    """
    counts = np.bincount(table.indices, minlength=table.shape[1])
    share = counts / max(n_items, 1)
    is_ignored = ((share > max_share) & (counts > 2)) | (counts < min_items)
    return np.where(is_ignored, 0.0, -np.log(np.maximum(share, 1e-12)))


def normalize_sparse_rows(table: sparse.csr_matrix) -> sparse.csr_matrix:
    """Scales rows to norm 1; zero rows stay zero."""
    import scipy.sparse as sparse

    norms = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ table).tocsr()


def normalize_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Scales rows to norm 1, as float32; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(norms > 1e-12, vectors / np.maximum(norms, 1e-12), 0.0).astype(np.float32)


def compute_directions(matrix: sparse.csr_matrix, n_directions: int) -> tuple[Floats, Floats]:
    """Returns (left singular vectors (rows, n_directions), singular values (n_directions,)), strongest first.

    Large matrices use a randomized SVD with a fixed seed (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm
    4.4).
    """
    width = n_directions + _OVERSAMPLING
    if width >= min(matrix.shape) or min(matrix.shape) <= _EXACT_SIZE:
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return left[:, :n_directions], values[:n_directions]
    generator = rng.make_generator(rng.derive_key(0, "neighbours", "directions"))
    basis = np.linalg.qr(matrix @ generator.standard_normal((matrix.shape[1], width)))[0]
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    inner, values, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return (basis @ inner)[:, :n_directions], values[:n_directions]
