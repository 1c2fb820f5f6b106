"""Where does the SQL of cleaning run?"""

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


class Tables(Protocol):
    """Something that runs SELECTs and keeps their answers under names. DuckDB here; Spark by `to_spark`."""

    def make(self, name: str, select: str) -> None:
        """Keep the answer as a table, in place of an older one of that name."""
        ...

    def view(self, name: str, select: str) -> None:
        """Keep the question: asked again whenever the name is read."""
        ...

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """The answer."""
        ...

    def drop(self, name: str) -> None:
        """Forget a table."""
        ...

    def code(self, source: str, others: Sequence[str]) -> bool:
        """Make clean_users, clean_items and clean_lines as `coding.CODES_SQL` and `coding.CODED_SQL` do, if there is a
        quicker way than these; False where there is none."""
        ...

    def suspects(self, lines: str, cells: Sequence[str]) -> str:
        """A table that holds at least those lines which equal another one in these cells; `lines` itself will do."""
        ...

    def keep(self, name: str, lines: str, gone: str) -> None:
        """Keep under `name` those of `lines` whose line is not in `gone`; `lines` need not outlive it."""
        ...


@dataclass(frozen=True)
class DuckTables:
    """Tables of a DuckDB connection: they spill to disk beyond its memory limit."""

    connection: duckdb.DuckDBPyConnection

    def make(self, name: str, select: str) -> None:
        self._run(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def view(self, name: str, select: str) -> None:
        self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        return self._run(select)

    def drop(self, name: str) -> None:
        self._run(f"DROP TABLE IF EXISTS {name}")

    def code(self, source: str, others: Sequence[str]) -> bool:
        """As the lines stream by, for a log of short ids and numbers that may lie in memory."""
        from leaven.cleaning.streaming_ids import coded

        with _in_our_words():
            return coded(self.connection, source, others)

    def suspects(self, lines: str, cells: Sequence[str]) -> str:
        """The lines whose 64-bit hash another line has too: to sort hashes is far cheaper than to group lines."""
        import pyarrow as pa

        hashed, at = f"hash({', '.join(cells)})", 0
        hashes = np.empty(scalar(self, f"SELECT count(*) FROM {lines}"), np.uint64)
        with _in_our_words():
            batches: Any = self.connection.sql(f"SELECT {hashed} AS hash FROM {lines}").to_arrow_reader(_BATCH)
            for batch in batches:
                hashes[at : at + len(batch)] = np.from_dlpack(batch.column(0))
                at += len(batch)
        hashes.sort()
        twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        column = pa.Array.from_buffers(pa.uint64(), len(twice), [None, pa.py_buffer(twice)])
        self.connection.register("leaven_twice", pa.table({"hash": column}))
        self.make("clean_suspects", f"SELECT * FROM {lines} WHERE {hashed} IN (SELECT hash FROM leaven_twice)")
        self.connection.unregister("leaven_twice")
        return "clean_suspects"

    def keep(self, name: str, lines: str, gone: str) -> None:
        """In place: a few lines go, and the others need not be written again."""
        self._run(f"DELETE FROM {lines} WHERE line IN (SELECT line FROM {gone})")
        self.drop(name)
        self._run(f"ALTER TABLE {lines} RENAME TO {name}")

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        with _in_our_words():
            return self.connection.execute(sql).fetchall()


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Raises SpecError for a pattern that is none, DataError where there is no room or a file is broken."""
    import duckdb

    try:
        yield
    except duckdb.InvalidInputException as error:
        fix = "no lookahead, no back-reference: the patterns are those of RE2"
        raise SpecError("clean, patterns", "regular expressions that DuckDB knows", str(error)[:200], fix) from error
    except (duckdb.OutOfMemoryException, duckdb.IOException, OSError) as error:  # OSError: of what streams out
        fix = "make room in the temporary folder (TMPDIR names it), or mend the file that is named"
        raise DataError("clean", "room to work and whole files", str(error)[:300], fix) from error


def scalar(tables: Tables, select: str) -> int:
    """The one number of an answer; 0 for NULL."""
    return int(tables.rows(select)[0][0] or 0)
