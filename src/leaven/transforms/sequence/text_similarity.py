"""Finds item neighbors by the TF-IDF cosine of their text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.encoders.tfidf import compute_idf, count_terms, normalize_sparse_rows
from leaven.errors import DataError
from leaven.transforms.sequence.item_similarity import Table, select_top_neighbors

_WORD_RUNS = re.compile(r"[぀-ヿ一-鿿]+|[^\W_]+")
_BLOCK_ROWS = 2_000
MAX_ITEM_SHARE = 0.2
"""Words in more than this share of the items are ignored."""


def split_words(text: str) -> Iterator[str]:
    """Lower-case words; Chinese and Japanese runs, which have no spaces, as pairs of characters.

    >>> list(split_words("Soft Cream 250ml 护手霜"))
    ['soft', 'cream', '250ml', '护手', '手霜']
    """
    for run in _WORD_RUNS.findall(text.lower()):
        if "぀" <= run[0] <= "鿿" and len(run) > 1:
            yield from (run[start : start + 2] for start in range(len(run) - 1))
        else:
            yield run


def find_text_neighbors(rows: Histories, max_neighbors: int) -> Table:
    """Cosine of TF-IDF vectors of all text of the catalog (Salton and Buckley, 1988), for items of `rows`.

    Weight of a word in an item: (1 + log count) × log(items / items with it).

    Raises DataError where the catalog has no text.
    """
    catalog = rows.catalog
    if catalog is None or not any(any(column) for column in catalog.texts.values()):
        fix = "name a text column of the items, or take sources = ['cooccurrence']"
        raise DataError("data.items", "text of each item", "none", fix)
    is_present = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    vectors = _weigh_words(catalog, is_present)
    starts, others, scores = [np.zeros(1, np.int64)], [], []
    for begin in range(0, vectors.shape[0], _BLOCK_ROWS):
        block = (vectors[begin : begin + _BLOCK_ROWS] @ vectors.T).tocoo()
        is_pair = block.row + begin != block.col
        kept = sparse.csr_matrix((block.data[is_pair], (block.row[is_pair], block.col[is_pair])), shape=block.shape)
        block_starts, block_others, block_scores = select_top_neighbors(
            kept.indptr.astype(np.int64), kept.indices.astype(np.int32), kept.data.astype(np.float32), max_neighbors
        )
        starts.append(block_starts[1:] + starts[-1][-1])
        others.append(block_others)
        scores.append(block_scores)
    return np.concatenate(starts), np.concatenate(others), np.minimum(np.concatenate(scores), 1.0)


def _weigh_words(catalog: Catalog, is_present: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    """float64 (n_items + 1, words): unit TF-IDF vectors; empty for absent items."""
    columns = list(catalog.texts.values())
    texts = (
        (word for column in columns for word in split_words(column[item - 1])) if present else iter(())
        for item, present in enumerate(is_present.tolist())
    )
    table = count_terms(texts, {}, grow=True)
    return normalize_sparse_rows(table @ sparse.diags(compute_idf(table, int(is_present.sum()), MAX_ITEM_SHARE)))
