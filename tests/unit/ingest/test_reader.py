"""Reading: every form of a log gives the same events."""

import gzip
import os
import sqlite3
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaven.errors import DataError, SpecError
from leaven.ingest import (
    CatalogSource,
    LogSource,
    ReadingOptions,
    build_histories,
    infer_format,
    read_catalog,
    read_events,
)

ROWS = [("u2", "café", 1318896000), ("u1", "b,1", 1318896002), ("u2", "a", 1318896000)]
COLUMNS = {"user": "user_id", "item": "item_id", "time": "timestamp"}
TABLE = pa.table({name: list(column) for name, column in zip(COLUMNS.values(), zip(*ROWS, strict=True), strict=True)})
DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="LEAVEN_DATA names no folder with the real data")


def rows(source: object) -> list[tuple[str, str, int]]:
    events = read_events(source)
    return [tuple(row) for row in events.connection.sql("SELECT user, item, time FROM events ORDER BY line").fetchall()]


def text(separator: str = ",") -> str:
    lines = [separator.join((user, f'"{item}"', str(time))) for user, item, time in ROWS]
    return "\n".join([separator.join(COLUMNS.values()), *lines, ""])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_separators_and_encodings_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(text(separator).encode(encoding))
    assert rows(path) == ROWS


def test_a_quoted_text_can_contain_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('user_id,item_id,timestamp,note\nu1,i1,1318896000,"two\nlines"\nu2,i2,1318896001,\n')
    events = read_events(LogSource(path, {**COLUMNS, "text": "note"}))
    assert events.connection.sql("SELECT text FROM events ORDER BY line").fetchall() == [("two\nlines",), (None,)]


def test_gzip_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(text().replace("\n", "\r\n").encode()))
    assert rows(path) == ROWS


def test_columns_of_a_file_without_header_are_inferred_from_values(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("u1,i1,1318896000\nu2,i2,1318896001\n")
    assert rows(path) == [("u1", "i1", 1318896000), ("u2", "i2", 1318896001)]
    assert rows(LogSource(path, {"user": "2", "item": "1", "time": "3"}, ReadingOptions(header=False)))[0][:2] == (
        "i1",
        "u1",
    )


def test_parquet_files_folders_and_globs_keep_their_order(tmp_path: Path) -> None:
    pq.write_table(TABLE.slice(0, 2), tmp_path / "part-0.parquet")
    pq.write_table(TABLE.slice(2), tmp_path / "part-1.parquet")
    assert rows(tmp_path) == ROWS
    assert rows(tmp_path / "part-*.parquet") == ROWS
    assert rows(tmp_path / "part-0.parquet") == ROWS[:2]


def test_several_csv_files_form_one_log(tmp_path: Path) -> None:
    for part in (0, 1):
        (tmp_path / f"{part}.csv").write_text(text())
    assert rows(tmp_path) == ROWS + ROWS


def test_files_with_different_columns_are_not_joined(tmp_path: Path) -> None:
    (tmp_path / "0.csv").write_text(text())
    (tmp_path / "1.csv").write_text(text().replace("user_id,item_id", "item_id,user_id"))
    with pytest.raises(DataError, match=r"1\.csv, line 1"):
        read_events(tmp_path)


def test_atomic_files_of_recbole_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.inter"
    path.write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t20\t4.5\t881250949\n")
    events = read_events(path)
    assert events.connection.sql("SELECT user, item, value, time FROM events").fetchall() == [
        ("1", "20", 4.5, 881250949)
    ]
    assert rows(LogSource(path, {"user": "user_id:token", "item": "item_id:token", "time": "timestamp:float"}))


def test_lines_of_user_sequences_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("7 1 2 1\n007 3\n")
    assert rows(path) == [("7", "1", 0), ("7", "2", 1), ("7", "1", 2), ("007", "3", 0)]
    assert "no clock" in read_events(path).facts["times"]


def test_a_user_with_two_sequence_lines_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("7 1 2 1\n8 3\n7 3 4\n")
    with pytest.raises(DataError, match="line 3"):
        read_events(path)


@pytest.mark.parametrize("frame", [TABLE, TABLE.to_pandas(), pl.from_arrow(TABLE)], ids=["arrow", "pandas", "polars"])
def test_frames_are_read(frame: object) -> None:
    assert rows(frame) == ROWS


def test_a_frame_of_mixed_ids_is_an_error_with_the_fix() -> None:
    frame = pd.DataFrame({"user_id": [7, "007"], "item_id": ["a", "b"], "timestamp": [1, 2]}, dtype=object)
    with pytest.raises(DataError, match="astype"):
        read_events(frame)


def test_files_behind_fsspec_are_read() -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe("/shop/log.csv", text().encode())
    pq.write_table(TABLE, "shop/log.parquet", filesystem=pa.fs.PyFileSystem(pa.fs.FSSpecHandler(system)))
    assert rows("memory://shop/log.csv") == ROWS
    assert rows("memory://shop/*.parquet") == ROWS


def test_a_database_is_read_by_table_or_query(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE log (user_id TEXT, item_id TEXT, timestamp INTEGER)")
        database.executemany("INSERT INTO log VALUES (?, ?, ?)", ROWS)
    database.close()
    assert rows(f"sqlite:///{path}?table=log") == ROWS
    assert rows(LogSource(f"sqlite:///{path}", query="SELECT * FROM log WHERE user_id = 'u1'")) == ROWS[1:2]
    with pytest.raises(SpecError, match="a table or a query"):
        read_events(f"sqlite:///{path}")
    with pytest.raises(DataError, match="no such table"):
        read_events(f"sqlite:///{path}?table=lag")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1318896000123", 1318896000),
        ("1318896000.9", 1318896000),
        ("2011-10-18", 1318896000),
        ("2011-10-18T02:00:00+02:00", 1318896000),
        ("2011-10-18 00:00:00.5", 1318896000),
        ("18.10.2011 00:00", 1318896000),
        ("10/18/2011 12:00:00 AM", 1318896000),
        ("20111018", 1318896000),
        ("", None),
    ],
)
def test_times_are_read_in_many_formats(tmp_path: Path, written: str, seconds: int | None) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"user_id,item_id,timestamp\nu1,i1,{written}\n")
    assert rows(path) == [("u1", "i1", seconds)]


def test_a_given_unit_is_not_inferred(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp\nu1,i1,5000\n")
    assert rows(LogSource(path, COLUMNS, ReadingOptions(time_format="ms"))) == [("u1", "i1", 5)]


def test_ids_that_passed_through_a_float_lose_the_point(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp\n17850.0,85123A,1318896000\n,71053,1318896001\n")
    assert rows(path) == [("17850", "85123A", 1318896000), (None, "71053", 1318896001)]
    assert "whole numbers" in read_events(path).facts["user_ids"]
    assert rows(pd.DataFrame({"user_id": [1.0, None], "item_id": [2, 3], "timestamp": [4, 5]}))[1][0] is None


def test_the_catalog_follows_the_dense_ids(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("id,title,cost,kind,since\nb,Soap,2.5,Bath,2011-01-01\nz,Unsold,1,Bath,\na,Brush,,Hair,\n")
    wish = CatalogSource(path, {"item": "id", "price": "cost", "category": "kind", "born": "since"}, text=["title"])
    events = read_events(pa.table({"user": ["u", "u", "u"], "item": ["a", "b", "c"], "time": [1, 2, 3]}), items=wish)
    for catalog in (
        read_catalog(wish, build_histories(events).item_ids),
        read_catalog(wish, build_histories(events).item_ids, events),
    ):
        assert catalog.ids == ["a", "b", "c"]
        assert catalog.texts == {"title": ["Brush", "Soap", ""]}
        assert [catalog.categories[code - 1] if code else "" for code in catalog.category] == ["", "Hair", "Bath", ""]
        assert catalog.price[2] == 2.5
        assert catalog.first_sale_times[2] == 1293840000


def test_a_catalog_of_other_ids_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ids of the log"):
        read_catalog(CatalogSource(pa.table({"item_id": ["x"]})), ["a"])


@needs_data
@pytest.mark.data
def test_the_columns_of_real_files_are_inferred() -> None:
    retail = infer_format(DATA / "online_retail.csv.gz")
    assert retail.columns == {
        "user": "CustomerID",
        "item": "StockCode",
        "time": "InvoiceDate",
        "quantity": "Quantity",
        "price": "UnitPrice",
        "order": "InvoiceNo",
        "text": "Description",
        "country": "Country",
    }
    assert (retail.kind, retail.separator, retail.header, retail.time_unit) == ("log", ",", True, "text")
    beauty = infer_format(DATA / "beauty/interactions.csv")
    assert (beauty.columns, beauty.time_unit) == (COLUMNS, "s")
    items = infer_format(DATA / "beauty/items.csv")
    assert (items.kind, items.text, items.columns["item"]) == ("items", ("title",), "item_id")
    for name in ("Beauty", "Sports_and_Outdoors"):
        assert infer_format(DATA / f"sequences/{name}.txt").format == "sequences"


@needs_data
@pytest.mark.data
def test_real_files_give_the_published_counts() -> None:
    retail = read_events(DATA / "online_retail.csv.gz")
    sql = "SELECT count(*), count(*) - count(user), count(DISTINCT user), count(DISTINCT item) FROM events"
    assert retail.connection.sql(sql).fetchall() == [(541_909, 135_080, 4_372, 4_070)]
    by_time = build_histories(read_events(DATA / "beauty/interactions.csv"))
    by_line = build_histories(read_events(DATA / "sequences/Beauty.txt"))
    assert (by_time.facts["users"], by_time.facts["items"], by_time.facts["events"]) == (22_363, 12_101, 198_502)
    assert sorted(by_time.histories.lengths) == sorted(by_line.histories.lengths)
    assert by_time.facts["users_whose_last_two_tie"] / 22_363 == pytest.approx(0.43, abs=0.01)
