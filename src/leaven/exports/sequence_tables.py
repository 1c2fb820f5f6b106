"""Targets that read one Parquet row per history: Merlin, Hugging Face datasets, torch-rechub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.event_tables import read_event_files, read_optional, set_column
from leaven.exports.files import FolderWriter, decode_dictionaries
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.numbered_ids import look_up_ids, read_ids, write_id_maps
from leaven.exports.preflight import Violation, find_shortage
from leaven.exports.sequences import LIST_COLUMNS, flatten_histories, iterate_histories
from leaven.exports.source import ITEM, USER, ExportSource, compute_seconds, encode_column
from leaven.exports.windows import find_last_targets, iterate_windows

if TYPE_CHECKING:
    import pyarrow as pa

MAX_EXACT_FLOAT32 = 2**24
RECHUB_BATCH = 1024
"""Rows per row group: the default batch of torch-rechub 0.9, which misreads lists of parts of a group."""
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_CARD = """---
pretty_name: {name}
configs:
{configs}
---
# {name}

Histories written by leaven {version}: one row per history, with lists of its events. Rows of `origin` "synthetic" in
`lineage.parquet` were created by the step named there from the history of `parent`.

```python
from datasets import load_dataset
histories = load_dataset("{name}", "histories")
```
"""


@dataclass(frozen=True)
class MerlinExport:
    """NVTabular and Transformers4Rec: lists of item numbers, times (seconds) and values, with tables of the ids.

    Item and user numbers begin with 1; 0 is free for padding.
    """

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="the Parquet form of NVTabular 23.08",
        usage="""
import nvtabular as nvt
dataset = nvt.Dataset("train.parquet", engine="parquet")
""",
        rows="events",
        columns=(USER, *LIST_COLUMNS),
        has_numbers=True,
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """None: all ids become numbers."""
        yield from ()

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.parquet` …, `user_ids.parquet`, `item_ids.parquet`, `items.parquet`, `users.parquet`."""
        import pyarrow as pa

        def convert(events: pa.Table) -> pa.Table:
            for column in (USER, ITEM):
                events = set_column(events, column, pa.chunked_array([encode_column(events, column) + np.int64(1)]))
            if "time" in events.column_names:
                events = set_column(events, "time", compute_seconds(events.column("time")))
            return events

        for part, table in source.parts.items():
            out.write_parquet(f"{part}.parquet", iterate_histories(table, convert))
        write_id_maps(source, out, first=1)
        write_attribute_tables(source, out)
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, with the ids of the log, and the tables of items and users."""
        parts = {}
        for part, histories in read_event_files(folder).items():
            table = flatten_histories(histories)
            for column in (USER, ITEM):
                table = set_column(table, column, look_up_ids(table.column(column), read_ids(folder, column), first=1))
            parts[part] = table
        return LoadedExport(parts, read_optional(folder / "items.parquet"), read_optional(folder / "users.parquet"))


@dataclass(frozen=True)
class HuggingFaceExport:
    """Hugging Face `datasets`: a folder with a card, whose configs are histories, items, users, views and prompts.

    name       of the data set, shown in its card
    prompts    whether to write prompts and completions too, for fine-tuning a language model: the names of the events
               before the last target, and the name of that target
    max_items  events named in a prompt
    """

    name: str = "leaven"
    prompts: bool = True
    max_items: int = 20

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="datasets 5.2",
        usage="""
from datasets import load_dataset
histories = load_dataset("FOLDER", "histories")  # or "items", "users", "item_views", "prompts"
""",
        rows="events",
        columns=(USER, *LIST_COLUMNS),
        time_unit="ns",
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """None: lists of text hold any id."""
        yield from ()

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`data/PART.parquet`, `items.parquet`, `users.parquet`, `prompts/PART.parquet`, `README.md`."""
        for part, table in source.parts.items():
            out.write_parquet(f"data/{part}.parquet", map(decode_dictionaries, iterate_histories(table)))
        write_attribute_tables(source, out)
        if self.prompts:
            for part, table in source.parts.items():
                out.write_parquet(f"prompts/{part}.parquet", build_prompts(source, table, self.max_items))
        files = {"histories": {_SPLITS[part]: f"data/{part}.parquet" for part in source.parts}}
        if self.prompts:
            files["prompts"] = {_SPLITS[part]: f"prompts/{part}.parquet" for part in source.parts}
        tables = {"items": source.items, "users": source.users, "item_views": source.item_views}
        files |= {name: {"train": f"{name}.parquet"} for name, table in tables.items() if table is not None}
        lines = []
        for name, splits in files.items():
            lines += [f"- config_name: {name}", *(["  default: true"] if name == "histories" else []), "  data_files:"]
            lines += [line for split, path in splits.items() for line in (f"  - split: {split}", f"    path: {path}")]
        out.write_document(
            "README.md", _CARD.format(name=self.name, version=version("leaven"), configs="\n".join(lines))
        )
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, and the tables of items and users."""
        parts = {part: flatten_histories(table) for part, table in read_event_files(folder / "data").items()}
        return LoadedExport(parts, read_optional(folder / "items.parquet"), read_optional(folder / "users.parquet"))


@dataclass(frozen=True)
class TorchRechubExport:
    """torch-rechub: one row per target, with the numbers of the items before it, padded with 0 on the left.

    Its loader makes float32 of every column, in which numbers up to 16,777,216 are exact, refuses lists of different
    lengths, and needs its default batch size of 1,024.

    max_length  items before a target; older ones are left out
    """

    max_length: int = 20

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="torch-rechub 0.9",
        usage="""
from torch_rechub.data.dataset import ParquetIterableDataset
dataset = ParquetIterableDataset(["train.parquet"])  # vocab_size of an id feature: its numbers + 1
""",
        rows="targets",
        columns=(USER, ITEM),
        has_numbers=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Numbers of users and items have to be exact in float32."""
        for name, ids in (("users", source.user_ids), ("items", source.item_ids)):
            rule = f"at most {MAX_EXACT_FLOAT32 - 1:,} {name}, exact in float32"
            yield from find_shortage(-len(ids), 1 - MAX_EXACT_FLOAT32, rule)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.parquet` …, `user_ids.parquet`, `item_ids.parquet`."""
        for part, table in source.parts.items():
            out.write_parquet(f"{part}.parquet", self._build_rows(table), RECHUB_BATCH)
        write_id_maps(source, out, first=1)
        return []

    def _build_rows(self, table: pa.Table) -> Iterator[pa.Table]:
        import pyarrow as pa

        users, items = (encode_column(table, name) + np.int32(1) for name in (USER, ITEM))
        weights = (
            table.column("weight").to_numpy() if "weight" in table.column_names else np.ones(len(table), np.float32)
        )
        for windows in iterate_windows(table, self.max_length):
            padded = windows.pad_lists(items, self.max_length)
            offsets = pa.array(np.arange(len(padded) + 1, dtype=np.int32) * np.int32(self.max_length))
            columns = {"user_id": users[windows.targets], "item_id": items[windows.targets]}
            lists = pa.ListArray.from_arrays(offsets, pa.array(padded.reshape(-1)))
            yield pa.table({**columns, "hist_item_id": lists, "weight": weights[windows.targets]})

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The targets of every part, with the ids of the log and the events before them as column `known`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts, users, items = {}, read_ids(folder, USER), read_ids(folder, ITEM)
        for part, table in read_event_files(folder).items():
            padded = table.column("hist_item_id").combine_chunks()
            numbers = pc.list_flatten(padded)
            is_item = pc.greater(numbers, 0).to_numpy(zero_copy_only=False).reshape(len(table), -1)
            offsets = np.append(0, np.cumsum(is_item.sum(axis=1))).astype(np.int32)
            known = look_up_ids(numbers.filter(pc.greater(numbers, 0)), items, first=1)
            parts[part] = pa.table(
                {
                    USER: look_up_ids(table.column("user_id"), users, first=1),
                    ITEM: look_up_ids(table.column("item_id"), items, first=1),
                    "known": pa.ListArray.from_arrays(pa.array(offsets), known),
                }
            )
        return LoadedExport(parts)


def write_attribute_tables(source: ExportSource, out: FolderWriter) -> None:
    """`items.parquet` and `users.parquet`, where the source has them."""
    for name, table in (("items", source.items), ("users", source.users)):
        if table is not None:
            out.write_parquet(f"{name}.parquet", [decode_dictionaries(table)])


def build_prompts(source: ExportSource, table: pa.Table, max_items: int) -> Iterator[pa.Table]:
    """Tables of `prompt`, the names of the events before the last target of each history, `completion`, its name, and
    `weight`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(list_item_names(source), pa.string()).take(pa.array(encode_column(table, ITEM)))
    weights = table.column("weight") if "weight" in table.column_names else pa.chunked_array([np.ones(len(table))])
    for windows in iterate_windows(table, max_items, find_last_targets(table)):
        targets, known = pa.array(windows.targets), pc.binary_join(windows.build_lists(names), "; ")
        prompts = pc.binary_join_element_wise("A user chose, in this order: ", known, ". Next: ", "")
        yield pa.table({"prompt": prompts, "completion": names.take(targets), "weight": weights.take(targets)})


def list_item_names(source: ExportSource) -> list[str]:
    """The first text of each item, its id where it has none; in the order of `item_ids`."""
    import pyarrow as pa

    names: list[str] = source.item_ids.to_pylist()
    if source.items is None:
        return names
    texts = [
        c for c in source.items.column_names if c != ITEM and pa.types.is_string(source.items.schema.field(c).type)
    ]
    if not texts:
        return names
    known = dict(zip(source.items[ITEM].to_pylist(), source.items[texts[0]].to_pylist(), strict=True))
    return [known.get(name) or name for name in names]
