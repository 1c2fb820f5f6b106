"""The SQL is written once: said to Spark, it cleans and orders to the same events as in DuckDB."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from leaven import rng
from leaven.cleaning import CleaningConfig, clean_events
from leaven.cleaning.id_encoding import EncodedLog, select_decoded
from leaven.cleaning.pipeline import clean_tables
from leaven.ingest import CatalogSource, LogSource, build_histories, read_events
from leaven.ingest.id_mapping import CODED_ITEMS_SQL, CODED_USERS_SQL, ITEMS_SQL, PLACED_SQL, USERS_SQL
from leaven.sql import translate_to_spark

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java runtime, which Spark needs"),
    pytest.mark.filterwarnings("ignore"),
]
BEGIN = 1_318_896_000
WISH = CleaningConfig(
    min_user_events=3, min_item_events=3, session_gap_hours=100, missing_attributes="fill", last_time="2011-11-20"
)


@dataclass(frozen=True)
class SparkTables:
    """Tables of a Spark session; each is computed when it is made, as DuckDB does."""

    session: Any

    def create_table(self, name: str, select: str) -> None:
        self.session.sql(translate_to_spark(select)).localCheckpoint().createOrReplaceTempView(name)

    def create_view(self, name: str, select: str) -> None:
        self.session.sql(translate_to_spark(select)).createOrReplaceTempView(name)

    def fetch_rows(self, select: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(translate_to_spark(select)).collect()]

    def drop_table(self, name: str) -> None:
        self.session.catalog.dropTempView(name)

    def encode_ids(self, source: str, extra_columns: Sequence[str]) -> bool:
        return False

    def find_duplicate_candidates(self, lines: str, columns: Sequence[str]) -> str:
        return lines

    def remove_lines(self, name: str, lines: str, removed: str) -> None:
        self.create_table(name, f"SELECT log.* FROM {lines} AS log ANTI JOIN {removed} AS gone ON log.line = gone.line")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install 'leaven[spark]'")
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        # Few lines: planning and compiling would take far longer than the work.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
    }
    session = sql.SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    yield session
    session.stop()


def dirty(lines: int = 900) -> pa.Table:
    """A log with every kind of dirt that a rule of cleaning looks for."""
    draw = rng.make_generator(rng.derive_key(7, "spark"))
    users = [None if n == 0 else f"u{n}é" for n in draw.integers(0, 60, lines)]
    items = [f"i{int(40 * n**2)}" for n in draw.random(lines)]
    prices = [float(n % 5) if n else -1.0 for n in draw.integers(0, 30, lines)]
    texts = [
        ["Mug", "MUG", None, "Postage" if item == "i3" else "Mug"][n]
        for n, item in zip(draw.integers(0, 4, lines), items, strict=True)
    ]
    table: dict[str, list[Any]] = {
        "user": users,
        "item": ["it's 5" if item == "i5" else item for item in items],
        "time": (BEGIN + 3600 * draw.integers(0, 900, lines)).tolist(),
        "quantity": [float(n - 1) for n in draw.integers(0, 20, lines)],
        "price": [price * 10_000 if n == 7 else price for n, price in enumerate(prices)],
        "order": [("C" if n == 0 else "") + str(n) for n in draw.integers(0, 30, lines)],
        "text": texts,
    }
    bot = {"user": ["bot"] * 400, "item": ["i1"] * 400, "time": list(range(BEGIN, BEGIN + 400))}
    rest = {"quantity": [1.0] * 400, "price": [2.0] * 400, "order": ["9"] * 400, "text": ["Mug"] * 400}
    whole = {name: column + (bot | rest)[name] for name, column in table.items()}
    return pa.table({name: column + column[:20] for name, column in whole.items()})


def goods() -> CatalogSource:
    names = [f"i{n}" for n in range(35)]
    columns: dict[str, Any] = {
        "item": names,
        "category": ["lamps"] * 20 + ["lamsp", ""] + ["mugs"] * 13,
        "price": [2.0] * 30 + [None] * 5,
        "born": ["2011-10-20T00:00:00Z"] * 5 + [""] * 30,
        "title": ["A thing"] * 34 + [""],
    }
    return CatalogSource(pa.table(columns), {name: name for name in columns if name != "title"}, text=("title",))


def test_cleaning_and_ordering_give_the_same_events_on_spark(spark: Any) -> None:
    log = dirty()
    events = read_events(LogSource(log, {name: name for name in log.column_names}), items=goods())
    database, tables = events.connection, SparkTables(spark)
    for name in ("events", "items"):
        frame = database.sql(f"FROM {name}").to_arrow_table()
        spark.createDataFrame(frame.to_pylist(), schema=_schema(frame)).createOrReplaceTempView(name)
    catalog = tuple(str(row[0]) for row in database.execute("DESCRIBE items").fetchall())
    there, their_rules = clean_tables(tables, "events", events.columns, ("items", catalog), WISH)
    here = clean_events(events, WISH)
    assert their_rules == here.rules
    assert len([one for one in here.rules if one["touched"]]) >= 18
    text = select_decoded(there, f"SELECT * FROM {there.lines}", "INNER")
    ours = database.sql(f"FROM {here.events.table} ORDER BY line").fetchall()
    assert sorted(tables.fetch_rows(text)) == ours
    assert len(ours) > 100
    ordered = build_histories(here.events).histories
    assert _ordered(tables, there) == _placed(ordered)
    theirs = tables.fetch_rows(f"SELECT * FROM {there.catalog} ORDER BY item")
    assert theirs == database.sql(f"FROM {here.events.item_table} ORDER BY item").fetchall()


def test_ordering_without_cleaning_gives_the_same_events_on_spark(spark: Any) -> None:
    log = dirty().select(["user", "item", "time"]).filter(pa.compute.field("user").is_valid())
    events = read_events(log)
    tables = SparkTables(spark)
    frame = events.connection.sql("FROM events").to_arrow_table()
    spark.createDataFrame(frame.to_pylist(), schema=_schema(frame)).createOrReplaceTempView("events")
    tables.create_view("items", ITEMS_SQL.format(events="events"))
    tables.create_view("users", USERS_SQL.format(events="events"))
    names = {"events": "events", "user": "user", "item": "item", "users": "users", "items": "items"}
    assert _in_order(tables, PLACED_SQL.format(more="", **names)) == _placed(build_histories(events).histories)


def _schema(frame: pa.Table) -> str:
    kinds = {"int64": "BIGINT", "double": "DOUBLE", "string": "STRING"}
    return ", ".join(f"`{field.name}` {kinds[str(field.type)]}" for field in frame.schema)


def _ordered(tables: SparkTables, log: EncodedLog) -> list[tuple[Any, ...]]:
    tables.create_view("order_items", CODED_ITEMS_SQL.format(items=log.items))
    tables.create_view("order_users", CODED_USERS_SQL.format(users=log.users))
    names = {"events": log.lines, "user": "user_code", "item": "item_code"}
    return _in_order(tables, PLACED_SQL.format(more="", users="order_users", items="order_items", **names))


def _in_order(tables: SparkTables, placed: str) -> list[tuple[Any, ...]]:
    return tables.fetch_rows(
        f"SELECT user_index, dense, time FROM ({placed}) AS placed ORDER BY user_index, time, line"
    )


def _placed(histories: Any) -> list[tuple[Any, ...]]:
    columns = (histories.event_rows(), histories.items, histories.times)
    return list(zip(*(column.tolist() for column in columns), strict=True))
