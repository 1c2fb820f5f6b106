"""Finds item neighbors by the cosine of item vectors in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.transforms.sequence.item_similarity import Table, find_product_neighbors

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
