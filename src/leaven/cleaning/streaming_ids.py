"""Encodes ids as integers while the lines of a log stream by.

A database that lists distinct texts and then joins lines with the list reads the log three times and compares texts
each time. Here each line is read once: one thread encodes users, another items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.arrays.codes import Codes, StringTable, read_string_buffers
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

_NUMBER_TYPES = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "BOOLEAN")
"""Types of extra columns that are held in memory; texts would need too much of it."""
MOST_LINES = 1 << 26
"""Most lines whose columns are held in memory: 24 bytes per line and 8 for each extra column."""
_BATCH = 1 << 18
_AHEAD = 8  # batches queued for the threads


def encode_streaming(connection: duckdb.DuckDBPyConnection, source: str, extra_columns: Sequence[str]) -> bool:
    """Creates tables clean_users, clean_items and clean_lines from `source`, with line, user, item, time and extras.

    False, and nothing is created, where an id is longer than `strings.MAX_STRING_BYTES` bytes, an extra column holds
    texts, or the log is too long: the database, which spills to disk, encodes these.
    """
    kinds = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {source}").fetchall()}
    lines = int(connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])
    if lines > MOST_LINES or any(kinds[name] not in _NUMBER_TYPES for name in extra_columns):
        return False
    columns = ["line", "time", *extra_columns]
    select = ", ".join(quote_identifier(name) for name in ("user", "item", *columns))
    batches: Any = connection.sql(f"SELECT {select} FROM {source}").to_arrow_reader(_BATCH)
    users, items = _IdEncoder(), _IdEncoder()
    kept: dict[str, list[Any]] = {name: [] for name in columns}
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        waiting: deque[Future[bool]] = deque()
        for batch in batches:
            waiting += [first.submit(users.add, batch.column(0)), second.submit(items.add, batch.column(1))]
            for name in columns:
                kept[name].append(batch.column(name))
            while len(waiting) > 2 * _AHEAD:
                if not waiting.popleft().result():
                    return False
        if not all(future.result() for future in waiting):
            return False
        found = {"user": first.submit(users.finish), "item": second.submit(items.finish)}
    _create_tables(connection, kept, {name: future.result() for name, future in found.items()})
    return True


def _create_tables(connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Any]], found: dict[str, Any]) -> None:
    """found: the result of `_IdEncoder.finish` for each column of ids."""
    import pyarrow as pa

    parts = {"line": kept.pop("line"), **{f"{name}_code": codes for name, (_, codes) in found.items()}, **kept}
    tables = {"clean_lines": pa.table({name: pa.chunked_array(chunks) for name, chunks in parts.items()})}
    for name, (texts, _) in found.items():
        codes = pa.array(np.arange(1, len(texts) + 1, dtype=np.int32))
        tables[f"clean_{name}s"] = pa.table({name: texts, f"{name}_code": codes})
    for name, table in tables.items():
        connection.register("leaven_streamed", table)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM leaven_streamed")
        connection.unregister("leaven_streamed")


class _IdEncoder:
    """Encodes one column of texts, batch by batch."""

    def __init__(self) -> None:
        self.texts = StringTable()
        self.parts: list[Codes] = []

    def add(self, column: Any) -> bool:
        """Encodes a batch; False where a text is too long."""
        valid = np.asarray(column.is_valid()) if column.null_count else None
        found = self.texts.encode_strings(*read_string_buffers(column), valid)
        if found is None:
            return False
        self.parts.append(found)
        return True

    def finish(self) -> tuple[Any, list[Any]]:
        """The sorted texts, and for each batch their codes, from 1; null where missing."""
        import pyarrow as pa

        ranks, starts, letters = self.texts.sort_strings()
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(np.ascontiguousarray(letters))]
        texts = pa.Array.from_buffers(pa.string(), len(ranks), buffers)
        codes = np.append(ranks + 1, 0).astype(np.int32)  # part -1, no text, reads the last one
        return texts, [_as_nullable(codes[part]) for part in self.parts]


def _as_nullable(codes: npt.NDArray[np.int32]) -> Any:
    import pyarrow as pa

    missing = codes == 0
    return pa.array(codes, mask=missing if missing.any() else None)
