"""Amazon Personalize: CSV files of interactions, items and users, with their Avro schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.event_tables import rename_columns
from leaven.exports.files import FolderWriter, read_csv
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import (
    Violation,
    find_long_texts,
    find_nulls,
    find_out_of_range,
    find_pattern,
    find_shortage,
)
from leaven.exports.source import ITEM, USER, ExportSource, compute_seconds, encode_column, iterate_chunks

if TYPE_CHECKING:
    import pyarrow as pa

NAMESPACE = "com.amazonaws.personalize.schema"
MIN_ROWS, MIN_USERS = 1000, 25
MAX_EVENT_TYPES, MAX_ATTRIBUTES, MAX_ID, MAX_CATEGORY, MAX_TEXT = 10, 100, 256, 1000, 20_000
_COLUMNS = {USER: "USER_ID", ITEM: "ITEM_ID", "time": "TIMESTAMP", "kind": "EVENT_TYPE", "value": "EVENT_VALUE"}
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "USER_ID": {"type": "string"},
    "ITEM_ID": {"type": "string"},
    "TIMESTAMP": {"type": "long"},
    "EVENT_TYPE": {"type": "string"},
    "EVENT_VALUE": {"type": ["float", "null"]},
}


@dataclass(frozen=True)
class PersonalizeExport:
    """Amazon Personalize: `interactions.csv`, `items.csv`, `users.csv`, each with an Avro schema.

    Held-out parts are files next to them; Personalize splits interactions itself.

    event_type  of events without a kind
    """

    event_type: str = "View"

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="the rules of Amazon Personalize, 2025; schemas parse in fastavro 1.13",
        usage="""
aws s3 cp --recursive . s3://BUCKET/leaven/
aws personalize create-schema --name leaven-interactions --schema file://interactions.schema.json
""",
        rows="held_out_targets",
        columns=tuple(_COLUMNS),
        reads_weight=False,
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Minimum rows and users, ids, times, event types, and attributes of items and users."""
        train = source.train
        yield from find_shortage(len(train), MIN_ROWS, f"at least {MIN_ROWS:,} interactions")
        repeated = int((np.bincount(encode_column(train, USER), minlength=1) >= 2).sum())
        yield from find_shortage(repeated, MIN_USERS, f"at least {MIN_USERS} users with 2 interactions or more")
        for name, ids in (("users", source.user_ids), ("items", source.item_ids)):
            yield from find_pattern(
                ids, r'[",\x00-\x1f\\]', f"{name} with a quote, a comma or a control character in their id"
            )
            yield from find_long_texts(ids, MAX_ID, f"{name} with an id of more than {MAX_ID} characters")
        yield from find_nulls(train, "time", "Personalize orders events by time: choose a log with times")
        if "time" in train.column_names:
            yield from find_out_of_range(
                compute_seconds(train.column("time")), 1, 2**40, "times before 1970, or in no unit of seconds"
            )
        if "kind" in train.column_names:
            kinds = train.column("kind")
            yield from find_shortage(
                -len(kinds.unique().drop_null()), -MAX_EVENT_TYPES, f"at most {MAX_EVENT_TYPES} kinds of events"
            )
            yield from find_pattern(
                kinds, r'[",\x00-\x1f]', "kinds of events with a quote, a comma or a line break", "rename the kinds"
            )
        for name, table, key in (("items", source.items, ITEM), ("users", source.users, USER)):
            if table is not None:
                yield from _find_attribute_violations(name, table, key)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """The CSV files and their schemas."""
        import pyarrow as pa
        import pyarrow.compute as pc

        losses, columns = [], [name for name in _COLUMNS if name in source.columns]

        def convert(chunk: pa.Table) -> pa.Table:
            chunk = chunk.select(columns)
            if "kind" in columns:
                kinds = pc.fill_null(chunk.column("kind").cast(pa.string()), self.event_type)
            else:
                kinds = pa.array([self.event_type] * len(chunk), pa.string())
            own = {_COLUMNS[name]: chunk.column(name) for name in columns if name != "kind"}
            own |= {"TIMESTAMP": compute_seconds(chunk.column("time")), "EVENT_TYPE": kinds}
            return pa.table(own)

        for part, table in source.parts.items():
            name = "interactions" if part == "train" else f"interactions_{part}"
            out.write_csv(f"{name}.csv", map(convert, iterate_chunks(table)), quoting="none")
        header = out.files[0].columns
        out.write_json(
            "interactions.schema.json", build_schema("Interactions", {name: _FIELDS[name] for name in header})
        )
        if "kind" in columns and (count := sum(table.column("kind").null_count for table in source.parts.values())):
            losses.append(Loss("kind", count, f"events without a kind are {self.event_type}"))
        for kind, key, attributes in (("Items", ITEM, source.items), ("Users", USER, source.users)):
            if attributes is not None:
                _write_attributes(kind, key, attributes, out)
        out.facts.update({"columns": list(header), "has_kinds": "kind" in columns})
        return losses

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The interactions of every part, and the tables of items and users."""
        import pyarrow as pa

        types = {"TIMESTAMP": pa.int64(), "EVENT_VALUE": pa.float64()}
        names = {column: name for name, column in _COLUMNS.items()}
        parts, own = {}, dict[str, Any]()
        for part in ("train", "valid", "test"):
            path = folder / ("interactions.csv" if part == "train" else f"interactions_{part}.csv")
            if path.exists():
                wanted = {name: types.get(name, pa.string()) for name in manifest.facts["columns"]}
                table = rename_columns(read_csv(path, wanted, quotes=False), names)
                parts[part] = table if manifest.facts["has_kinds"] else table.drop_columns("kind")
        for kind in ("items", "users"):
            if (folder / f"{kind}.csv").exists():
                fields = manifest.facts[kind]
                wanted = {name: pa.float64() if is_number else pa.string() for name, is_number in fields.items()}
                own[kind] = read_csv(folder / f"{kind}.csv", wanted)
        return LoadedExport(parts, own.get("items"), own.get("users"))


def build_schema(name: str, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An Avro schema of Personalize."""
    listed = [{"name": field, **content} for field, content in fields.items()]
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": listed, "version": "1.0"}


def _is_category(column: pa.ChunkedArray) -> bool:
    """Whether a text column repeats its values, so that it is no description."""
    import pyarrow.compute as pc

    return bool(2 * pc.count_distinct(column).as_py() <= len(column))


def _find_attribute_violations(name: str, table: pa.Table, key: str) -> Iterator[Violation]:
    import pyarrow as pa

    yield from find_shortage(
        -(table.num_columns - 1), -MAX_ATTRIBUTES, f"at most {MAX_ATTRIBUTES} attributes of {name}"
    )
    if table.num_columns < 2:
        yield Violation(f"{name} without an attribute", len(table), (), f"export no table of {name}")
    for column in table.column_names:
        if column == key or pa.types.is_floating(table[column].type) or pa.types.is_integer(table[column].type):
            continue
        limit = MAX_CATEGORY if _is_category(table[column]) else MAX_TEXT
        fix = "shorten them in your table of items"
        yield from find_long_texts(table[column], limit, f"{name}, {column}: more than {limit:,} characters", fix)
        yield from find_pattern(
            table[column], r"[\r\n]", f"{name}, {column}: line breaks", "one record has to be one line"
        )


def _write_attributes(kind: str, key: str, table: pa.Table, out: FolderWriter) -> None:
    """A CSV file of attributes: numbers as float, texts that repeat as categorical, others as textual."""
    import pyarrow as pa

    fields: dict[str, Mapping[str, Any]] = {}
    columns, numbers = {}, {}
    for column in table.column_names:
        values = table.column(column)
        numbers[column] = column != key and (pa.types.is_floating(values.type) or pa.types.is_integer(values.type))
        if column == key:
            fields[f"{key.upper()}_ID"] = {"type": "string"}
        elif numbers[column]:
            fields[column.upper()] = {"type": ["float", "null"]}
        else:
            marks = {"categorical": True} if _is_category(values) or kind == "Users" else {"textual": True}
            fields[column.upper()] = {"type": ["null", "string"], **marks}
        columns[column] = values if numbers[column] else values.cast(pa.string())
    name = kind.lower()
    out.write_csv(f"{name}.csv", [pa.table(columns)], ",".join(fields))
    out.write_json(f"{name}.schema.json", build_schema(kind, fields))
    out.facts[name] = numbers
