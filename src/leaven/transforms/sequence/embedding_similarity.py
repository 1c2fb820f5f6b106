"""How alike are two items, judged by vectors that somebody's encoder gave them: of words, of pictures, of anything?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.transforms.sequence.item_similarity import Table, best_of_products

Vectors = npt.NDArray[np.float32]


def by_vectors(rows: Histories, path: str, top: int) -> Table:
    """Cosine of the vectors in a file. Only items of `rows` that have a vector, not all 0, are compared.

    path  `.npy`: float (n_items, width), in the order of the dense ids, which is that of the sorted original ids; or
          `.npz` with `vectors` float (items, width) and `ids`, their original ids as text, in any order

    Raises DataError where the file is no such thing, or belongs to other items.
    """
    vectors = _placed(path, rows)
    able = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    length = np.linalg.norm(vectors, axis=1)
    able &= length > 0
    unit = vectors / np.maximum(length, np.float32(1e-12))[:, None]
    starts, others, scores = best_of_products(unit, unit, top, np.asarray(able))
    return starts, others, np.minimum(scores, np.float32(1))


def _placed(path: str, rows: Histories) -> Vectors:
    """float32 (n_items + 1, width): the vector of each dense id, 0 where there is none."""
    vectors, ids = _read(path)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
        got = f"shape {vectors.shape} of {vectors.dtype}"
        raise DataError(path, "finite numbers, (items, width)", got, "one line an item")
    if ids is None and len(vectors) != rows.n_items:
        fix = "take the file that was made for these items, or save ids beside the vectors as .npz"
        raise DataError(path, f"vectors of the {rows.n_items} items", f"{len(vectors)} vectors", fix)
    dense = np.arange(1, rows.n_items + 1) if ids is None else _dense(path, ids, rows)
    if len(dense) != len(vectors):
        raise DataError(path, "as many ids as vectors", f"{len(dense)} ids, {len(vectors)} vectors", "write both anew")
    placed = np.zeros((rows.n_items + 1, vectors.shape[1]), np.float32)
    placed[dense] = vectors
    placed[0] = 0.0
    return placed


def _read(path: str) -> tuple[npt.NDArray[np.generic], list[str] | None]:
    if not Path(path).is_file():
        raise DataError(path, "a file of item vectors", "no such file", "numpy.save(FILE, vectors) writes one")
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return held, None
        with held:
            return held["vectors"], [str(one) for one in held["ids"]]
    except (OSError, KeyError, ValueError, EOFError) as error:
        fix = "numpy.save(FILE, vectors), or numpy.savez(FILE, ids=ids, vectors=vectors)"
        raise DataError(path, "a file of item vectors", str(error), fix) from error


def _dense(path: str, ids: list[str], rows: Histories) -> npt.NDArray[np.int32]:
    """int32 (ids,): dense ids; 0 for ids that the data does not know."""
    if rows.catalog is None:
        fix = "save the vectors alone, as .npy, in the order of the sorted ids"
        raise DataError(path, "histories that know their original ids", "none", fix)
    dense = rows.catalog.dense(ids)
    if not dense.any():
        got = f"none of its {len(ids)} ids, such as {ids[0]!r}" if ids else "no ids"
        raise DataError(path, "ids of the data's items", got, "give the ids as they stand in the log")
    return dense
