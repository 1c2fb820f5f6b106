"""Gorse: JSON arrays of users, items and feedback, as its REST interface takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.files import FolderWriter
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import Violation, find_pattern
from leaven.exports.source import ITEM, PARTS, USER, ExportSource, iterate_chunks

if TYPE_CHECKING:
    import pyarrow as pa

_KEYS = {"kind": "FeedbackType", USER: "UserId", ITEM: "ItemId", "weight": "Value", "time": "Timestamp"}


@dataclass(frozen=True)
class GorseExport:
    """Gorse: `users.json`, `items.json`, `feedback.json`, to be posted to its REST interface.

    A pair of user and item has one feedback per type: repeated events are merged, Value is the sum of their weights
    and Timestamp the last of their times.

    feedback_type  of events without a kind
    """

    feedback_type: str = "read"

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="the REST interface of Gorse 0.5",
        usage="""
curl -X POST http://127.0.0.1:8088/api/items -H 'Content-Type: application/json' -d @items.json
curl -X POST http://127.0.0.1:8088/api/users -H 'Content-Type: application/json' -d @users.json
curl -X PUT http://127.0.0.1:8088/api/feedback -H 'Content-Type: application/json' -d @feedback.json
""",
        rows="pairs",
        columns=(USER, ITEM, "time", "kind", "weight"),
        time_unit="ns",
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Ids and kinds are parts of URLs: no slash."""
        for name, ids in (("users", source.user_ids), ("items", source.item_ids)):
            yield from find_pattern(ids, "/", f"{name} with a slash in their id")
        if "kind" in source.columns:
            yield from find_pattern(
                source.train.column("kind"), "/", "kinds of events with a slash", "rename the kinds"
            )

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """The JSON files; held-out parts are `feedback_valid.json`, `feedback_test.json`."""
        losses = []
        for part, table in source.parts.items():
            merged = self._merge_events(table)
            if len(merged) < len(table):
                losses.append(Loss(ITEM, len(table) - len(merged), f"repeated feedback of a pair is merged, in {part}"))
            name = "feedback.json" if part == "train" else f"feedback_{part}.json"
            write_array(out, name, merged, list(_KEYS.values()))
        for name, table, key, ids in (
            ("users", source.users, USER, source.user_ids),
            ("items", source.items, ITEM, source.item_ids),
        ):
            write_array(out, f"{name}.json", _build_entities(table, key, ids), [])
        out.facts["has_kinds"] = "kind" in source.columns
        return losses

    def _merge_events(self, table: pa.Table) -> pa.Table:
        """One row per kind, user and item, under the names of Gorse."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns: dict[str, pa.ChunkedArray] = {name: table.column(name).cast(pa.string()) for name in (USER, ITEM)}
        kinds = (
            table.column("kind").cast(pa.string())
            if "kind" in table.column_names
            else pa.nulls(len(table), pa.string())
        )
        columns["kind"] = pc.fill_null(kinds, self.feedback_type)
        columns["weight"] = table.column("weight") if "weight" in table.column_names else pa.array([1.0] * len(table))
        columns["time"] = (
            table.column("time") if "time" in table.column_names else pa.nulls(len(table), pa.timestamp("ns"))
        )
        grouped = pa.table(columns).group_by(["kind", USER, ITEM], use_threads=False)
        merged = grouped.aggregate([("weight", "sum"), ("time", "max")])
        times = merged.column("time_max")
        if not pa.types.is_timestamp(times.type):
            times = times.cast(pa.timestamp("s")).cast(pa.timestamp("ns"))
        texts = pc.binary_join_element_wise(pc.strftime(times, "%Y-%m-%dT%H:%M:%S"), "Z", "")
        return pa.table([merged["kind"], merged[USER], merged[ITEM], merged["weight_sum"], texts], list(_KEYS.values()))

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """One row per feedback, and the attributes of users and items."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = {}
        for part in PARTS:
            path = folder / ("feedback.json" if part == "train" else f"feedback_{part}.json")
            if path.exists():
                rows = pa.Table.from_pylist(json.loads(path.read_text(encoding="utf-8")))
                table = rows.select(list(_KEYS.values())).rename_columns(list(_KEYS))
                times = pc.replace_substring(table.column("time"), "Z", "").cast(pa.timestamp("ns"))
                table = table.set_column(4, "time", times.cast(pa.timestamp("ns", "UTC")))
                parts[part] = table if manifest.facts["has_kinds"] else table.drop_columns("kind")
        own = {}
        for name, key in (("users", USER), ("items", ITEM)):
            entities = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            own[name] = pa.Table.from_pylist([{key: one[_KEYS[key]], **one["Labels"]} for one in entities])
        return LoadedExport(parts, own["items"], own["users"])


def _build_entities(table: pa.Table | None, key: str, ids: pa.StringArray) -> pa.Table:
    """One row per id: its id and its known attributes as Labels; items have Categories too."""
    import pyarrow as pa

    attributes = {} if table is None else {row.pop(key): row for row in table.to_pylist()}
    rows = []
    for name in ids.to_pylist():
        labels = {column: value for column, value in attributes.get(name, {}).items() if value is not None}
        more = (
            {"Categories": [str(labels["category"])] if "category" in labels else [], "IsHidden": False}
            if key == ITEM
            else {}
        )
        rows.append({_KEYS[key]: name, "Labels": json.dumps(labels, ensure_ascii=False), **more})
    return pa.Table.from_pylist(rows)


def write_array(out: FolderWriter, name: str, table: pa.Table, columns: Sequence[str]) -> None:
    """One JSON array with an object per row; the column `Labels` is JSON already."""
    path = out.add_file(name, len(table), columns or table.column_names)
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[")
        separator = "\n"
        for chunk in iterate_chunks(table):
            for row in chunk.to_pylist():
                if "Labels" in row:
                    row["Labels"] = json.loads(row["Labels"])
                stream.write(separator + json.dumps(row, ensure_ascii=False))
                separator = ",\n"
        stream.write("\n]\n")
