"""Targets that read one table row per event: RecTools, Microsoft Recommenders, Spark MLlib's ALS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from leaven.exports.contract import ALL_COLUMNS, LoadedExport, TargetTraits
from leaven.exports.files import FolderWriter, decode_dictionaries, read_parquet
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.numbered_ids import look_up_ids, read_ids, write_id_maps
from leaven.exports.preflight import Violation, find_nulls, find_out_of_range, find_shortage
from leaven.exports.source import ITEM, PARTS, USER, ExportSource, compute_seconds, encode_column, iterate_chunks

if TYPE_CHECKING:
    import pyarrow as pa

MAX_INT32 = 2**31 - 1
Rating = Literal["value", "weight"]
MISSING_RATING = "--set missing_rating=3 gives them one; --set rating=weight exports weights, for implicit feedback"


@dataclass(frozen=True)
class RecToolsExport:
    """RecTools: interactions with `user_id`, `item_id`, `weight`, `datetime`, and features in long form.

    Every file is read with `pandas.read_parquet` and passed to `Dataset.construct`.
    """

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="rectools 0.19",
        usage="""
import pandas as pd
from rectools.dataset import Dataset
dataset = Dataset.construct(pd.read_parquet("train.parquet"))
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        time_unit="ns",
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """RecTools refuses interactions without a date."""
        yield from find_nulls(source.train, "time", "choose a log with times")

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.parquet` …, `item_features.parquet`, `user_features.parquet`."""
        import pyarrow as pa

        def convert(chunk: pa.Table) -> pa.Table:
            weight = chunk.column("weight") if "weight" in chunk.column_names else pa.array(np.ones(len(chunk)))
            times = chunk.column("time")
            if not pa.types.is_timestamp(times.type):
                times = times.cast(pa.timestamp("s"))
            own = {"user_id": chunk.column(USER), "item_id": chunk.column(ITEM), "weight": weight}
            own["datetime"] = times.cast(pa.timestamp("ns"))
            return append_columns(chunk, own, (USER, ITEM, "weight", "time"))

        write_event_files(source, out, convert)
        for name, table, key in (("item", source.items, ITEM), ("user", source.users, USER)):
            if table is not None:
                out.write_parquet(f"{name}_features.parquet", [melt_attributes(table, key)])
                out.write_parquet(f"{name}s.parquet", [table])
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, and the tables of items and users."""
        names = {"user_id": USER, "item_id": ITEM, "datetime": "time"}
        parts = {part: rename_columns(table, names) for part, table in read_event_files(folder).items()}
        if not manifest.facts["has_clock"]:
            parts = {name: set_column(one, "time", compute_seconds(one.column("time"))) for name, one in parts.items()}
        return LoadedExport(parts, read_optional(folder / "items.parquet"), read_optional(folder / "users.parquet"))


@dataclass(frozen=True)
class RecommendersExport:
    """Microsoft Recommenders: `userID`, `itemID`, `rating`, `timestamp` (seconds), its default column names.

    rating          "value": the event's value, 1 in a log without values; "weight": the row's weight
    missing_rating  of events without a value in a log with values, such as synthetic ones
    """

    rating: Rating = "value"
    missing_rating: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="recommenders 1.2",
        usage="""
import pandas as pd
train = pd.read_parquet("train.parquet")  # the default column names of recommenders
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        reads_weight=False,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Ratings are finite numbers."""
        yield from find_invalid_ratings(source, self.rating, self.missing_rating)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.parquet`, `valid.parquet`, `test.parquet`."""

        def convert(chunk: pa.Table) -> pa.Table:
            own = {"userID": chunk.column(USER), "itemID": chunk.column(ITEM)}
            own["rating"] = compute_ratings(chunk, self.rating, self.missing_rating)
            if "time" in chunk.column_names:
                own["timestamp"] = compute_seconds(chunk.column("time"))
            return append_columns(chunk, own, (USER, ITEM, "time"))

        write_event_files(source, out, convert)
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part."""
        names = {"userID": USER, "itemID": ITEM, "timestamp": "time"}
        parts = read_event_files(folder)
        return LoadedExport(
            {part: rename_columns(table.drop_columns("rating"), names) for part, table in parts.items()}
        )


@dataclass(frozen=True)
class SparkAlsExport:
    """Spark MLlib's ALS: int32 `user` and `item`, float `rating`, and tables of the ids.

    rating          "value": the event's value, 1 in a log without values; "weight": the row's weight, for
                    `implicitPrefs=True`
    missing_rating  of events without a value in a log with values, such as synthetic ones
    """

    rating: Rating = "value"
    missing_rating: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="pyspark 4.3",
        usage="""
train = spark.read.parquet("train.parquet")
ALS(userCol="user", itemCol="item", ratingCol="rating", coldStartStrategy="drop").fit(train)
ids = spark.read.parquet("item_ids.parquet")  # id, index
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        time_unit="s",
        reads_weight=False,
        has_numbers=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Ids have to fit into 32 bits, ratings are finite numbers."""
        yield from find_invalid_ratings(source, self.rating, self.missing_rating)
        for name, ids in (("users", source.user_ids), ("items", source.item_ids)):
            yield from find_shortage(MAX_INT32 - len(ids), 0, f"at most {MAX_INT32:,} {name}")

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.parquet` …, `user_ids.parquet`, `item_ids.parquet`."""

        def convert(chunk: pa.Table) -> pa.Table:
            own = {name: encode_column(chunk, name) + np.int32(1) for name in (USER, ITEM)}
            own["rating"] = compute_ratings(chunk, self.rating, self.missing_rating)
            if "time" in chunk.column_names:
                own["time"] = compute_seconds(chunk.column("time"))
            return append_columns(chunk, own, (USER, ITEM, "time"))

        write_event_files(source, out, convert)
        write_id_maps(source, out, first=1, dtype=np.int32)
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, with the ids of the log."""
        parts = {}
        for part, table in read_event_files(folder).items():
            table = table.drop_columns("rating")
            for column in (USER, ITEM):
                table = set_column(table, column, look_up_ids(table.column(column), read_ids(folder, column), first=1))
            parts[part] = table
        return LoadedExport(parts)


def find_invalid_ratings(source: ExportSource, rating: str, missing_rating: float | None) -> Iterator[Violation]:
    """Violations where ratings are unknown, NaN or beyond float32."""
    for part, table in source.parts.items():
        if rating in table.column_names:
            values = table.column(rating)
            yield from find_out_of_range(values, -3.4e38, 3.4e38, f"{rating}s that are no numbers, in {part}")
            if values.null_count and missing_rating is None:
                yield Violation(f"events without a {rating}, in {part}", values.null_count, (), MISSING_RATING)


def compute_ratings(table: pa.Table, rating: str, missing_rating: float | None) -> pa.ChunkedArray:
    """A float Arrow column: the values of a column, `missing_rating` for nulls; 1 in a table without the column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rating not in table.column_names:
        return pa.array(np.ones(len(table), np.float32))
    ratings = table.column(rating).cast(pa.float32())
    return ratings if missing_rating is None else pc.fill_null(ratings, pa.scalar(missing_rating, pa.float32()))


def append_columns(chunk: pa.Table, own: Mapping[str, pa.ChunkedArray], written: Sequence[str]) -> pa.Table:
    """The target's columns, then those of the chunk that these do not hold, as plain values."""
    import pyarrow as pa

    rest = {name: chunk.column(name) for name in chunk.column_names if name not in written and name not in own}
    return decode_dictionaries(pa.table({**own, **rest}))


def write_event_files(source: ExportSource, out: FolderWriter, convert: Callable[[pa.Table], pa.Table]) -> None:
    """One Parquet file per part, chunk by chunk in the form of the target."""
    for part, table in source.parts.items():
        out.write_parquet(f"{part}.parquet", map(convert, iterate_chunks(table)))


def read_event_files(folder: Path) -> dict[str, pa.Table]:
    """Part -> the rows of its Parquet file."""
    return {part: read_parquet(folder / f"{part}.parquet") for part in PARTS if (folder / f"{part}.parquet").exists()}


def read_optional(path: Path) -> pa.Table | None:
    """The rows of a Parquet file, None where there is no such file."""
    return read_parquet(path) if path.exists() else None


def rename_columns(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The table with other names for some columns."""
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def set_column(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    """The table with other values in a column."""
    return table.set_column(table.column_names.index(name), name, values)


def melt_attributes(table: pa.Table, key: str) -> pa.Table:
    """One row per known attribute: `id`, `feature`, `value` (text)."""
    import pyarrow as pa

    parts = []
    for name in table.column_names:
        if name != key:
            part = pa.table({"id": table.column(key).cast(pa.string()), "value": table.column(name).cast(pa.string())})
            part = part.filter(part.column("value").is_valid())
            parts.append(part.add_column(1, "feature", pa.array([name] * len(part), pa.string())))
    empty = pa.schema([("id", pa.string()), ("feature", pa.string()), ("value", pa.string())]).empty_table()
    return pa.concat_tables([empty, *parts])
