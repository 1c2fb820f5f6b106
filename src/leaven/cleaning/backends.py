"""Database backends that run the SQL of cleaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    import duckdb

_BATCH = 1 << 18


class SqlBackend(Protocol):
    """Runs SELECTs and stores their results under names. DuckDB here; `sql.translate_to_spark` translates for Spark."""

    def create_table(self, name: str, select: str) -> None:
        """Create a table, or replace the one of that name."""
        ...

    def create_view(self, name: str, select: str) -> None:
        """Create a view, or replace the one of that name."""
        ...

    def fetch_rows(self, select: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""
        ...

    def drop_table(self, name: str) -> None:
        """Drop a table."""
        ...

    def encode_ids(self, source: str, extra_columns: Sequence[str]) -> bool:
        """Create clean_users, clean_items and clean_lines as `CODES_SQL` and `CODED_SQL` of `id_encoding` do, by a
        faster way; False without one."""
        ...

    def find_duplicate_candidates(self, lines: str, columns: Sequence[str]) -> str:
        """The name of a table with at least the lines that equal another one in these columns; `lines` is allowed."""
        ...

    def remove_lines(self, name: str, lines: str, removed: str) -> None:
        """Create table `name` from the `lines` whose line is not in `removed`; `lines` may be consumed."""
        ...


@dataclass(frozen=True)
class DuckDbBackend:
    """Tables of a DuckDB connection; they spill to disk beyond its memory limit."""

    connection: duckdb.DuckDBPyConnection

    def create_table(self, name: str, select: str) -> None:
        self._execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def create_view(self, name: str, select: str) -> None:
        self._execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")

    def fetch_rows(self, select: str) -> list[tuple[Any, ...]]:
        return self._execute(select)

    def drop_table(self, name: str) -> None:
        self._execute(f"DROP TABLE IF EXISTS {name}")

    def encode_ids(self, source: str, extra_columns: Sequence[str]) -> bool:
        """Encodes streamed lines, where ids are short and the extra columns are numbers that fit into memory."""
        from leaven.cleaning.streaming_ids import encode_streaming

        with _translate_errors():
            return encode_streaming(self.connection, source, extra_columns)

    def find_duplicate_candidates(self, lines: str, columns: Sequence[str]) -> str:
        """The lines whose 64-bit hash occurs twice: sorting hashes is far cheaper than grouping lines."""
        import pyarrow as pa

        hashed, end = f"hash({', '.join(columns)})", 0
        hashes = np.empty(fetch_scalar(self, f"SELECT count(*) FROM {lines}"), np.uint64)
        with _translate_errors():
            batches: Any = self.connection.sql(f"SELECT {hashed} AS hash FROM {lines}").to_arrow_reader(_BATCH)
            for batch in batches:
                hashes[end : end + len(batch)] = np.from_dlpack(batch.column(0))
                end += len(batch)
        hashes.sort()
        twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        column = pa.Array.from_buffers(pa.uint64(), len(twice), [None, pa.py_buffer(twice)])
        self.connection.register("leaven_twice", pa.table({"hash": column}))
        self.create_table(
            "clean_candidates", f"SELECT * FROM {lines} WHERE {hashed} IN (SELECT hash FROM leaven_twice)"
        )
        self.connection.unregister("leaven_twice")
        return "clean_candidates"

    def remove_lines(self, name: str, lines: str, removed: str) -> None:
        """In place: the remaining lines are not written again."""
        self._execute(f"DELETE FROM {lines} WHERE line IN (SELECT line FROM {removed})")
        self.drop_table(name)
        self._execute(f"ALTER TABLE {lines} RENAME TO {name}")

    def _execute(self, sql: str) -> list[tuple[Any, ...]]:
        with _translate_errors():
            return self.connection.execute(sql).fetchall()


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raises SpecError for an invalid pattern, DataError for a full disk or memory, or a broken file."""
    import duckdb

    try:
        yield
    except duckdb.InvalidInputException as error:
        fix = "RE2 has no lookahead and no back-references"
        raise SpecError("clean, patterns", "regular expressions of RE2", str(error)[:200], fix) from error
    except (duckdb.OutOfMemoryException, duckdb.IOException, OSError) as error:  # OSError: from streamed batches
        fix = "free space in the temporary folder (see TMPDIR), or repair the named file"
        raise DataError("clean", "enough memory and disk space, and complete files", str(error)[:300], fix) from error


def fetch_scalar(backend: SqlBackend, select: str) -> int:
    """The single number of a result; 0 for NULL."""
    return int(backend.fetch_rows(select)[0][0] or 0)
