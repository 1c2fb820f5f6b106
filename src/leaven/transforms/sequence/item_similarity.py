"""Item neighbors by co-occurrence, by the TF-IDF cosine of their text, or by vectors in a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories, Ints, Items
from leaven.encoders.tfidf import compute_directions, compute_idf, count_terms, normalize_sparse_rows
from leaven.errors import DataError, FitError

Floats = npt.NDArray[np.float32]
Table = tuple[Ints, Items, Floats]
"""starts int64 (n_items + 2,), others int32 (pairs,), scores float32 (pairs,), best first."""

_MIN_SCORE = 1e-3
_BLOCK_CELLS = 16_000_000  # cells of a block of the full matrix: 64 MB


@dataclass(frozen=True)
class CooccurrenceConfig:
    """How co-occurrence is counted.

    max_neighbors   neighbors of each item, at most
    window          largest distance in events; 0: any
    distance_decay  factor on the weight of a pair for each further event between the two
    shrinkage       added to the denominator of the cosine
    """

    max_neighbors: int
    window: int
    distance_decay: float
    shrinkage: float


def find_cooccurring_neighbors(rows: Histories, config: CooccurrenceConfig) -> Table:
    """Cosine of the users of two items, weighted by inverse user frequency (item-CF-IUF).

    s(i, j) = sum of w(u) over users of both / (sqrt(W(i) W(j)) + shrinkage), with w(u) = 1 / log(1 + length)
    and W(i) the sum of w(u) over the events of i (inverse frequency of Breese and others, UAI 1998; w here depends on
    the length of the history, as in item-CF-IUF).
    """
    lengths = np.maximum(rows.lengths, 2)
    weight = (1.0 / np.log1p(lengths)).astype(np.float32)
    starts, others, sums = _sum_pairs(rows, weight, config.window, config.distance_decay)
    mass = np.bincount(rows.items, weight[rows.event_rows()], minlength=rows.n_items + 2)
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    sums /= (np.sqrt(mass[item] * mass[others]) + config.shrinkage).astype(np.float32)
    np.minimum(sums, 1.0, out=sums)  # repeated items of a user count repeatedly
    return select_top_neighbors(starts, others, sums, config.max_neighbors)


def find_spectral_neighbors(rows: Histories, config: CooccurrenceConfig, rank: int) -> Table:
    """Cosine of item vectors from a truncated SVD of positive pointwise mutual information, of rank `rank`.

    This is the limit of item2vec (Levy and Goldberg, NeurIPS 2014). Vectors are U sqrt(S).
    """
    starts, others, sums = _sum_pairs(rows, np.ones(len(rows), np.float32), config.window, config.distance_decay)
    counts = sparse.csr_matrix((sums.astype(np.float64), others, starts), shape=(rows.n_items + 1,) * 2)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    ratio = counts.data * totals.sum() / (totals[item] * totals[counts.indices])
    counts.data = np.maximum(np.log(ratio), 0.0)
    counts.eliminate_zeros()
    left, strength = compute_directions(_require_count_pairs(counts), rank)
    vectors = left * np.sqrt(strength)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return _drop_rounding(
        find_product_neighbors(unit, unit, config.max_neighbors, _find_present_items(rows)), config.max_neighbors
    )


def find_regression_neighbors(rows: Histories, max_neighbors: int, rank: int, ridge: float) -> Table:
    """Weights of a linear item–item model (Steck, EASE, WWW 2019).

    B = -P / diag(P) off the diagonal, P = (X'X + ridge)^-1, X the binary matrix of users by items. Where we differ:
    X'X is reduced to its top `rank` singular directions (exact when rank reaches the number of items), so that a
    large catalog needs no inverse; scores are divided by the largest of the table.
    """
    row = rows.event_rows()
    interactions = sparse.csr_matrix((np.ones(len(row)), (row, rows.items)), shape=(len(rows), rows.n_items + 2))
    interactions.data[:] = 1.0  # repeated events count once
    interactions = interactions[:, : rows.n_items + 1]
    right, strength = compute_directions(_require_count_pairs(interactions.T.tocsr()), rank)
    shrunk = strength**2 / (strength**2 + ridge)
    scaled = (right * shrunk).astype(np.float32)
    diagonal = 1.0 - np.einsum("ij,ij->i", scaled, right)  # of ridge * P
    table = find_product_neighbors(
        scaled, (right / diagonal[:, None]).astype(np.float32), max_neighbors, _find_present_items(rows)
    )
    np.divide(table[2], max(float(table[2].max(initial=0.0)), 1e-12), out=table[2])
    return _drop_rounding(table, max_neighbors)


def _sum_pairs(rows: Histories, weight: Floats, window: int, fade: float) -> Table:
    """All pairs that co-occur, with their sums of weights."""
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import count_pairs

    distance = min(window or len(rows.items) + 1, _find_last_distance(float(weight.max(initial=0.0)), fade))
    reach = (distance, distance, float(fade))
    items, starts, row = (
        freeze_array(rows.items),
        freeze_array(rows.starts),
        freeze_array(rows.event_rows().astype(np.int32)),
    )
    pairs: Table = count_pairs(items, starts, row, freeze_array(weight), rows.n_items, reach)
    return pairs


def _find_last_distance(weight: float, fade: float) -> int:
    """A distance in events beyond which a float32 weight × fade ** (distance - 1) is 0: long rows take linear time."""
    if fade >= 1.0 or weight <= 0.0:
        return np.iinfo(np.int32).max
    return 1 if fade <= 0.0 else max(2 + math.ceil(math.log(_ROUNDED_TO_ZERO / weight) / math.log(fade)), 1)


_ROUNDED_TO_ZERO = 1e-46  # below half of the smallest float32


def select_top_neighbors(starts: Ints, others: Items, scores: Floats, max_neighbors: int) -> Table:
    """The top entries of each item, best first; without scores of 0 or less."""
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import select_top_neighbors

    table: Table = select_top_neighbors(freeze_array(starts), freeze_array(others), freeze_array(scores), max_neighbors)
    return table


def find_product_neighbors(left: Floats, right: Floats, max_neighbors: int, eligible: npt.NDArray[np.bool_]) -> Table:
    """The top neighbors of each item by left[i] · right[j], computed in blocks of the full matrix.

    left, right float32 (n_items + 1, width); eligible bool (n_items + 1,): items that may be in the table.
    """
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import select_top_columns

    size = max(_BLOCK_CELLS // max(len(right), 1), 1)
    others, scores = [], []
    for begin in range(0, len(left), size):
        block = left[begin : begin + size] @ right.T  # (block, n_items + 1)
        block[~eligible[begin : begin + size]] = 0.0
        block_others, block_scores = select_top_columns(
            freeze_array(block), begin, freeze_array(eligible), max_neighbors
        )
        others.append(block_others.ravel())
        scores.append(block_scores.ravel())
    starts = np.arange(len(left) + 1, dtype=np.int64) * max_neighbors
    return select_top_neighbors(starts, np.concatenate(others), np.concatenate(scores), max_neighbors)


def _drop_rounding(table: Table, top: int) -> Table:
    """The table without scores that are rounding errors."""
    starts, others, scores = table
    return select_top_neighbors(starts, others, np.where(scores < _MIN_SCORE, np.float32(0), scores), top)


def _require_count_pairs(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix; raise FitError where no two items co-occur."""
    if matrix.nnz == 0:
        raise FitError("neighbors", "items that share a history", "none", "take sources = ['cooccurrence']")
    return matrix


def _find_present_items(rows: Histories) -> npt.NDArray[np.bool_]:
    """bool (n_items + 1,): items of these rows."""
    present = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    present[0] = False
    return np.asarray(present, np.bool_)


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


Vectors = npt.NDArray[np.float32]


def find_vector_neighbors(rows: Histories, path: str, max_neighbors: int) -> Table:
    """Cosine of the vectors in a file, for items of `rows` with a vector that is not all 0.

    path  `.npy`: float (n_items, width), in the order of the dense ids, that is of the sorted original ids; or
          `.npz` with `vectors` float (items, width) and `ids`, their original ids as text, in any order

    Raises DataError where the file has another format or belongs to other items.
    """
    vectors = _load_vectors(path, rows)
    has_vector = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    length = np.linalg.norm(vectors, axis=1)
    has_vector &= length > 0
    unit = vectors / np.maximum(length, np.float32(1e-12))[:, None]
    starts, others, scores = find_product_neighbors(unit, unit, max_neighbors, np.asarray(has_vector))
    return starts, others, np.minimum(scores, np.float32(1))


def _load_vectors(path: str, rows: Histories) -> Vectors:
    """float32 (n_items + 1, width): the vector of each dense id, 0 without one."""
    vectors, ids = _read_file(path)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
        got = f"shape {vectors.shape} of {vectors.dtype}"
        raise DataError(path, "finite numbers, (items, width)", got, "write one row for each item")
    if ids is None and len(vectors) != rows.n_items:
        fix = "use the file of these items, or save ids and vectors together as .npz"
        raise DataError(path, f"vectors of the {rows.n_items} items", f"{len(vectors)} vectors", fix)
    dense = np.arange(1, rows.n_items + 1) if ids is None else _find_dense_ids(path, ids, rows)
    if len(dense) != len(vectors):
        raise DataError(path, "as many ids as vectors", f"{len(dense)} ids, {len(vectors)} vectors", "write both again")
    by_id = np.zeros((rows.n_items + 1, vectors.shape[1]), np.float32)
    by_id[dense] = vectors
    by_id[0] = 0.0
    return by_id


def _read_file(path: str) -> tuple[npt.NDArray[np.generic], list[str] | None]:
    if not Path(path).is_file():
        raise DataError(path, "a file of item vectors", "no such file", "numpy.save(FILE, vectors) writes one")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content, None
        with content:
            return content["vectors"], [str(item) for item in content["ids"]]
    except (OSError, KeyError, ValueError, EOFError) as error:
        fix = "numpy.save(FILE, vectors), or numpy.savez(FILE, ids=ids, vectors=vectors)"
        raise DataError(path, "a file of item vectors", str(error), fix) from error


def _find_dense_ids(path: str, ids: list[str], rows: Histories) -> npt.NDArray[np.int32]:
    """int32 (ids,): dense ids; 0 for ids that the data lacks."""
    if rows.catalog is None:
        fix = "save the vectors alone, as .npy, in the order of the sorted ids"
        raise DataError(path, "histories with their original ids", "none", fix)
    dense = rows.catalog.encode_ids(ids)
    if not dense.any():
        got = f"none of its {len(ids)} ids, such as {ids[0]!r}" if ids else "no ids"
        raise DataError(path, "ids of the data's items", got, "write the ids as in the log")
    return dense
