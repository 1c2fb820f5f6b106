"""Ids become numbers as lines stream by: as SQL makes them, or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaven import rng
from leaven.cleaning import streaming_ids
from leaven.cleaning.backends import DuckDbBackend
from leaven.cleaning.id_encoding import CODED_SQL, CODES_SQL, encode_log
from leaven.ingest import read_events
from leaven.ingest.source_config import LogSource

TABLES = ("clean_users", "clean_items", "clean_lines")


def log(lines: int = 3000) -> pa.Table:
    """Ids that are missing, empty, blank, and of one letter or fifteen bytes."""
    draw = rng.make_generator(rng.derive_key(7, "streaming"))
    users = np.array([None, "", " ", " u1", "u1", "u1 ", "漢" * 5, *(f"user-{n}" for n in range(200))], object)
    items = np.array([None, "i", "ü" * 7, *(f"{n}" for n in range(90))], object)
    return pa.table(
        {
            "user_id": pa.array(users[draw.integers(0, len(users), lines)], pa.string()),
            "item_id": pa.array(items[draw.integers(0, len(items), lines)], pa.string()),
            "timestamp": pa.array(draw.integers(1_300_000_000, 1_400_000_000, lines)),
            "price": pa.array(draw.random(lines), mask=draw.random(lines) < 0.1),
            "word": pa.array(["x"] * lines),
        }
    )


def source(path: Path, how: str, more: dict[str, str] | None = None) -> LogSource:
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "price": "price", **(more or {})}
    if how == "parquet":
        pq.write_table(log(), path, row_group_size=700)
        return LogSource(str(path), columns)
    return LogSource(log(), columns)


def by_sql(tables: DuckDbBackend, others: tuple[str, ...]) -> dict[str, list[Any]]:
    for column, name in (('"user"', "user"), ("item", "item")):
        tables.create_table(f"clean_{name}s", CODES_SQL.format(column=column, code=f"{name}_code", source="events"))
    more = "".join(f", log.{name} AS {name}" for name in others)
    names = {"users": "clean_users", "items": "clean_items"}
    tables.create_table("clean_lines", CODED_SQL.format(source="events", others=more, **names))
    return answers(tables)


def answers(tables: DuckDbBackend) -> dict[str, list[Any]]:
    """Names, types and lines of all tables."""
    found = {}
    for name in TABLES:
        found[name] = [tuple(row[:2]) for row in tables.fetch_rows(f"DESCRIBE {name}")]
        found[name] += tables.fetch_rows(f"SELECT * FROM {name} ORDER BY ALL")
    return found


@pytest.mark.parametrize("how", ["parquet", "frame"])
@pytest.mark.parametrize("batch", [1 << 18, 100])
def test_the_tables_equal_those_of_sql(how: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_ids, "_BATCH", batch)
    events = read_events(source(tmp_path / "log.parquet", how))
    tables = DuckDbBackend(events.connection)
    assert streaming_ids.encode_streaming(events.connection, "events", ("price",))
    found = answers(tables)
    assert found == by_sql(tables, ("price",))
    users = [row[0] for row in found["clean_users"][2:]]
    assert "u1" in users
    assert "漢" * 5 in users
    assert "" not in users
    assert " u1" not in users
    assert any(row[1] is None for row in found["clean_lines"][5:])


@pytest.mark.parametrize("why", ["a long id", "texts", "many lines"])
def test_logs_that_do_not_fit_are_encoded_by_sql(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = log(50)
    if why == "a long id":
        table = table.set_column(1, "item_id", pa.array(["a"] * 49 + ["x" * 16]))
    if why == "many lines":
        monkeypatch.setattr(streaming_ids, "MOST_LINES", 49)
    columns = {
        "user": "user_id",
        "item": "item_id",
        "time": "timestamp",
        **({"word": "word"} if why == "texts" else {}),
    }
    events = read_events(LogSource(table, columns))
    others = ("word",) if why == "texts" else ()
    assert not streaming_ids.encode_streaming(events.connection, "events", others)
    tables = DuckDbBackend(events.connection)
    assert encode_log(tables, "events", events.columns).extra_columns == others
    assert answers(tables) == by_sql(tables, others)


def test_a_log_without_ids_has_no_users() -> None:
    empty = pa.table({"user": pa.array([None], pa.string()), "item": pa.array([None], pa.string()), "time": [5]})
    events = read_events(LogSource(empty, {"user": "user", "item": "item", "time": "time"}))
    assert streaming_ids.encode_streaming(events.connection, "events", ())
    assert DuckDbBackend(events.connection).fetch_rows("SELECT * FROM clean_lines") == [(1, None, None, 5)]
    assert DuckDbBackend(events.connection).fetch_rows("SELECT count(*) FROM clean_users") == [(0,)]
