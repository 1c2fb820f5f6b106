"""How do ids become whole numbers as the lines of a log stream by, on every core?

A database that lists different texts and then joins lines with the list reads the log three times, and compares texts
each time. Here a line is read once: one thread numbers its user, another its item.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.arrays.strings import Codes, Texts, laid_out
from leaven.sql import quoted

if TYPE_CHECKING:
    import duckdb

NUMBERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "BOOLEAN")
"""Types of further columns that may lie in memory: texts would take too much of it."""
MOST_LINES = 1 << 26
"""Lines of a log whose columns may lie in memory, 24 bytes a line and 8 for each further column."""
_BATCH = 1 << 18
_AHEAD = 8  # batches that wait for the threads


def coded(connection: duckdb.DuckDBPyConnection, source: str, others: Sequence[str]) -> bool:
    """Tables clean_users, clean_items and clean_lines of `source`, which has line, user, item, time and the others.

    False, and nothing made, where an id is longer than `texts.LONGEST` bytes, another column holds texts, or the log is
    too long: a database that spills to disk does that.
    """
    kinds = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {source}").fetchall()}
    lines = int(connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])
    if lines > MOST_LINES or any(kinds[name] not in NUMBERS for name in others):
        return False
    columns = ["line", "time", *others]
    select = ", ".join(quoted(name) for name in ("user", "item", *columns))
    batches: Any = connection.sql(f"SELECT {select} FROM {source}").to_arrow_reader(_BATCH)
    users, items = _Column(), _Column()
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
        if not all(one.result() for one in waiting):
            return False
        found = {"user": first.submit(users.done), "item": second.submit(items.done)}
    _write(connection, kept, {name: one.result() for name, one in found.items()})
    return True


def _write(connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Any]], found: dict[str, Any]) -> None:
    """found: of each column of ids, what `_Column.done` says."""
    import pyarrow as pa

    parts = {"line": kept.pop("line"), **{f"{name}_code": places for name, (_, places) in found.items()}, **kept}
    tables = {"clean_lines": pa.table({name: pa.chunked_array(chunks) for name, chunks in parts.items()})}
    for name, (texts, _) in found.items():
        places = pa.array(np.arange(1, len(texts) + 1, dtype=np.int32))
        tables[f"clean_{name}s"] = pa.table({name: texts, f"{name}_code": places})
    for name, table in tables.items():
        connection.register("leaven_streamed", table)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM leaven_streamed")
        connection.unregister("leaven_streamed")


class _Column:
    """One column of texts on its way to numbers."""

    def __init__(self) -> None:
        self.texts = Texts()
        self.parts: list[Codes] = []

    def add(self, column: Any) -> bool:
        """Number a batch; False where a text is too long."""
        there = np.asarray(column.is_valid()) if column.null_count else None
        found = self.texts.codes(*laid_out(column), there)
        if found is None:
            return False
        self.parts.append(found)
        return True

    def done(self) -> tuple[Any, list[Any]]:
        """(the texts in order, for each batch the places of its texts among them, from 1; null for none)."""
        import pyarrow as pa

        ranks, starts, letters = self.texts.sorted()
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(np.ascontiguousarray(letters))]
        texts = pa.Array.from_buffers(pa.string(), len(ranks), buffers)
        places = np.append(ranks + 1, 0).astype(np.int32)  # -1, no text, is the last one
        return texts, [_nullable(places[part]) for part in self.parts]


def _nullable(places: npt.NDArray[np.int32]) -> Any:
    import pyarrow as pa

    missing = places == 0
    return pa.array(places, mask=missing if missing.any() else None)
