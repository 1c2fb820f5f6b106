"""Digests of arrays, texts, histories and labelled rows.

Arrays are digested without the names of their columns, so that a renamed field changes no digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parent / "digests.json"


def digest(*values: Any) -> str:
    """Hex blake2b of 16 bytes over arrays (dtype, shape, bytes), None, and texts, numbers and lists as JSON."""
    total = hashlib.blake2b(digest_size=16)
    for value in values:
        if isinstance(value, np.ndarray) and value.dtype != object:
            little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"))
            total.update(f"{little.dtype.str}{little.shape}".encode() + little.tobytes())
        else:
            plain = value.tolist() if isinstance(value, np.ndarray) else value
            total.update(json.dumps(plain, sort_keys=True, ensure_ascii=True).encode())
        total.update(b"\x1f")
    return total.hexdigest()


def rounded(values: Any) -> Any:
    """int64 (2, …): mantissa of 33 bits and exponent; NaN is a mantissa of its own.

    Logarithms and powers differ in the last bit between processors. The digest must not.
    """
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    mantissa, exponent = np.frexp(np.where(finite, numbers, 0.0))
    shown = np.round(mantissa * 2.0**33).astype(np.int64)
    odd = np.where(np.isnan(numbers), 1, np.where(numbers > 0, 2, 3)) + 2**40
    return np.stack([np.where(finite, shown, odd), exponent.astype(np.int64)])


def of_histories(rows: Any) -> str:
    """All columns of histories, in a fixed order; other columns of events by name."""
    columns = (
        rows.items,
        rows.times,
        rows.starts,
        rows.row_ids,
        rows.parents,
        rows.origin,
        rows.weight,
        rows.n_targets,
    )
    others = [part for name in sorted(rows.extra) for part in (name, zero_missing(rows.extra[name]))]
    return digest(*columns, rows.n_items, *others)


def zero_missing(values: Any) -> Any:
    """The values with 0 for NaN: the digests were pinned when the values of new events were 0."""
    column = np.asarray(values)
    return np.where(np.isnan(column), 0, column) if column.dtype.kind == "f" else column


def of_samples(rows: Any) -> str:
    """All columns of labelled rows, in a fixed order; numbers rounded."""
    names = [list(rows.numeric), list(rows.categorical), {name: list(rows.levels[name]) for name in rows.categorical}]
    columns = (rows.codes, rows.label, rows.weight, rows.row_ids, rows.parents, rows.origin, rows.user_ids, rows.times)
    return digest(*names, rounded(rows.numbers), *columns)


def of_table(table: Any) -> str:
    """The columns of an Arrow table in order: types and values, not names and metadata."""
    parts: list[Any] = []
    for name in table.column_names:
        column = table.column(name)
        values = column.to_pylist()
        kind = str(column.type)
        if kind == "double":
            parts += [kind, rounded([np.nan if value is None else value for value in values])]
        else:
            told = [[one.hex() if isinstance(one, bytes) else _text(one) for one in _flat(value)] for value in values]
            parts += [kind, told]
    return digest(*parts)


def _text(value: Any) -> str:
    return "0.0" if isinstance(value, float) and np.isnan(value) else str(value)


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@contextmanager
def plain_opencv() -> Iterator[None]:
    """OpenCV without the code of newer processors, whose fused products round some levels of a warp otherwise."""
    import cv2

    before = cv2.useOptimized()
    cv2.setUseOptimized(False)
    try:
        yield
    finally:
        cv2.setUseOptimized(before)


def pinned() -> dict[str, Any]:
    """The digests of the file."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
