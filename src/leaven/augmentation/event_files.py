"""Expanded rows written as tables with the user's own ids and column names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leaven.augmentation.expansion import list_expansion_files
from leaven.augmentation.plan import Plan
from leaven.datasets.event_table import EVENT_COLUMNS, build_event_table
from leaven.datasets.frames import write_plain_table
from leaven.datasets.histories import Histories
from leaven.datasets.log_names import LogNames, label_rows, list_step_names
from leaven.protocols import Rows

if TYPE_CHECKING:
    import pyarrow as pa

UNIX_UNITS = ("s", "ms", "us", "ns")
"""Units of Unix times, which are written as whole numbers."""
_ROW_COLUMNS = ("row_ids", "parents", "origin")


@dataclass(frozen=True)
class EventFiles:
    """Written files. rows, events: their numbers; columns: role -> name of that column in the files."""

    files: tuple[str, ...]
    rows: int
    events: int
    columns: Mapping[str, str]


class _Part(NamedTuple):
    """The table of one file."""

    stem: str
    rows: int
    table: pa.Table


def write_expanded_events(folder: Path, plan: Plan, train: Rows, target: Path) -> EventFiles:
    """Write the rows that `write_expansion` left in `folder` with original ids, one file per file of rows.

    Histories become the table of `Histories.to_events` with the log's own column names, samples that of
    `Samples.to_events`. Only one file of rows is in memory at a time, and the ids of all rows.
    """
    paths = list_expansion_files(folder, plan)
    if isinstance(train, Histories):
        return _write_parts(_read_events(paths, plan, train), target, train.names)
    parts = ((path.stem, train.read_files(path).to_events(plan)) for path in paths)
    return _write_parts((_Part(stem, len(table), table) for stem, table in parts), target, None)


def write_epoch_events(epochs: Sequence[Rows], plan: Plan, target: Path) -> EventFiles:
    """Write the rows of each epoch with original ids, one file per epoch, with a column `epoch` from 1."""
    import pyarrow as pa

    parts = []
    for number, rows in enumerate(epochs, 1):
        table = rows.to_events(plan)
        numbers = pa.array(np.full(len(table), number, np.int32))
        parts.append(_Part(f"epoch-{number:03d}", len(rows), table.append_column("epoch", numbers)))
    return _write_parts(iter(parts), target, epochs[0].names if isinstance(epochs[0], Histories) else None)


def restore_columns(table: pa.Table, names: LogNames | None) -> pa.Table:
    """A table of events with the log's own column names, and its times as the log gives them.

    Unix times become whole numbers of their unit, other times stay timestamps. Where two
    columns would have one name, all columns keep their role as name.
    """
    if names is None:
        return table
    if names.time_form in UNIX_UNITS and table.column("time").null_count == 0:
        import pyarrow as pa

        place = table.column_names.index("time")
        times = table.column("time").cast(pa.timestamp(names.time_form, "UTC"), safe=False).cast(pa.int64())
        table = table.set_column(place, "time", times)
    own = {role: names.columns.get(role, role) for role in ("user", "item", "time", *EVENT_COLUMNS)}
    renamed = [own.get(name, name) for name in table.column_names]
    return table.rename_columns(renamed) if len({*renamed}) == len(renamed) else table


def _read_events(paths: Sequence[Path], plan: Plan, train: Histories) -> Iterator[_Part]:
    """The events of each file; synthetic rows are named by their number among all rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = pa.concat_tables([pq.read_table(path, columns=list(_ROW_COLUMNS)) for path in paths])
    row_ids, parents, origin = (np.asarray(ids.column(name)) for name in _ROW_COLUMNS)
    labels = label_rows(train.names, row_ids, parents, origin, list_step_names(plan, None))
    counts = [pq.read_metadata(path).num_rows for path in paths]
    for path, count, end in zip(paths, counts, accumulate(counts), strict=True):
        yield _Part(path.stem, count, build_event_table(train.read_files(path), plan, labels.slice(end - count, end)))


def _write_parts(parts: Iterator[_Part], target: Path, names: LogNames | None) -> EventFiles:
    target.mkdir(parents=True, exist_ok=True)
    done = EventFiles((), 0, 0, {})
    for part in parts:
        table = restore_columns(part.table, names)
        write_plain_table(table, target / f"{part.stem}.parquet")
        columns = dict(zip(part.table.column_names, table.column_names, strict=True))
        files = (*done.files, f"{part.stem}.parquet")
        done = EventFiles(files, done.rows + part.rows, done.events + len(table), columns)
    return done
