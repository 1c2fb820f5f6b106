"""How alike are two items, judged by what the catalogue says of them?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.encoders.tfidf import counted, rarity, unit
from leaven.errors import DataError
from leaven.transforms.sequence.item_similarity import Table, best

_RUNS = re.compile(r"[぀-ヿ一-鿿]+|[^\W_]+")
_BLOCK = 2_000
COMMON = 0.2
"""A word in more than this share of the items says nothing about any of them."""


def words_of(text: str) -> Iterator[str]:
    """Words in small letters; Chinese and Japanese runs, which have no spaces, as pairs of characters.

    >>> list(words_of("Soft Cream 250ml 护手霜"))
    ['soft', 'cream', '250ml', '护手', '手霜']
    """
    for run in _RUNS.findall(text.lower()):
        if "぀" <= run[0] <= "鿿" and len(run) > 1:
            yield from (run[place : place + 2] for place in range(len(run) - 1))
        else:
            yield run


def by_words(rows: Histories, top: int) -> Table:
    """Cosine of TF-IDF vectors of all words of the catalogue (Salton and Buckley, 1988).

    Weight of a word in an item: (1 + log count) × log(items / items with it). Only items of `rows` are compared.

    Raises DataError where the catalogue has no words.
    """
    catalog = rows.catalog
    if catalog is None or not any(any(column) for column in catalog.words.values()):
        fix = "name a text column of the items, or take by = 'cooccurrence'"
        raise DataError("data.items", "words of each item", "none", fix)
    seen = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    vectors = _vectors(catalog, seen)
    starts, others, scores = [np.zeros(1, np.int64)], [], []
    for begin in range(0, vectors.shape[0], _BLOCK):
        block = (vectors[begin : begin + _BLOCK] @ vectors.T).tocoo()
        apart = block.row + begin != block.col
        kept = sparse.csr_matrix((block.data[apart], (block.row[apart], block.col[apart])), shape=block.shape)
        part = best(kept.indptr.astype(np.int64), kept.indices.astype(np.int32), kept.data.astype(np.float32), top)
        starts.append(part[0][1:] + starts[-1][-1])
        others.append(part[1])
        scores.append(part[2])
    return np.concatenate(starts), np.concatenate(others), np.minimum(np.concatenate(scores), 1.0)


def _vectors(catalog: Catalog, seen: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    """float64 (n_items + 1, words): unit TF-IDF vectors; empty for items that are not `seen`."""
    columns = list(catalog.words.values())
    texts = (
        (word for column in columns for word in words_of(column[item - 1])) if there else iter(())
        for item, there in enumerate(seen.tolist())
    )
    table = counted(texts, {}, grow=True)
    return unit(table @ sparse.diags(rarity(table, int(seen.sum()), COMMON)))
