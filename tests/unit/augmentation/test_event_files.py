"""Files of events with the user's own ids and column names."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import leaven
from leaven.augmentation import write_expansion
from leaven.augmentation.event_files import restore_columns, write_epoch_events, write_expanded_events
from leaven.datasets.histories import Histories

TIMES = [1318896000 + second for second in range(40)]
USERS, ITEMS = [f"u{event % 4}" for event in range(40)], [f"i{event // 4}" for event in range(40)]


def train() -> Histories:
    log = pa.table({"who": USERS, "what": ITEMS, "when": [1000 * time for time in TIMES]})
    return leaven.split(leaven.read(log, "who", "what", "when"), "leave_one_out").train


def test_written_events_are_those_of_the_log_under_its_own_column_names(tmp_path: Path) -> None:
    rows, plan = train(), leaven.Plan([leaven.Crop(), leaven.Mask()], "layered")
    write_expansion(rows, plan, tmp_path / "rows", 7)
    files = write_expanded_events(tmp_path / "rows", plan, rows, tmp_path / "events")
    table = pq.read_table(tmp_path / "events")
    assert table.column_names[:3] == ["who", "what", "when"]
    assert files.columns["time"] == "when"
    assert (files.events, len(files.files)) == (len(table), 3)
    assert table.schema.field("who").type == pa.string()
    real = [line for line in table.to_pylist() if line["origin"] == "real"]
    given = {(u, i, 1000 * t) for u, i, t in zip(USERS, ITEMS, TIMES, strict=True)}
    assert len(real) == rows.n_events
    assert {(line["who"], line["what"], line["when"]) for line in real} < given
    names = {line["who"] for line in table.to_pylist() if line["origin"] == "synthetic"}
    assert len(names) == files.rows - len(rows)  # each row has a name of its own, across files


def test_each_epoch_has_a_file(tmp_path: Path) -> None:
    rows = train()
    write_epoch_events([rows, rows.slice(0, 1)], leaven.Plan(), tmp_path)
    assert pq.read_table(tmp_path / "epoch-002.parquet")["epoch"].unique().to_pylist() == [2]


def test_a_column_name_that_leaven_uses_is_not_used_twice() -> None:
    rows = train()
    names = replace(rows.names, columns={"user": "parent", "item": "what", "time": "user"}, time_form="")
    table = restore_columns(rows.to_events(), names)
    assert len(set(table.column_names)) == len(table.column_names)
    assert table.column_names[:2] == ["user", "item"]
