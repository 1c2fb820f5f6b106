"""The words of the command line as functions."""

import pyarrow as pa
import pytest

import leaven
from leaven.registry import FAMILIES

LOG = pa.table({"who": ["a", "b"], "what": ["x", "y"], "when": [1318896000, 1318896001], "how": ["view", "buy"]})


def test_a_frame_is_read_by_the_names_of_its_columns() -> None:
    events = leaven.read(LOG, user="who", item="what", time="when", columns={"kind": "how"})
    assert events.connection.sql('SELECT "user", item, kind FROM events ORDER BY line').fetchall() == [
        ("a", "x", "view"),
        ("b", "y", "buy"),
    ]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(leaven.DataError) as caught:
        leaven.read(LOG, user="whom", item="what", time="when")
    assert "who" in caught.value.fix


def test_a_log_becomes_a_split_and_a_plan_is_seen_before_it_is_used() -> None:
    times = [1318896000 + place for place in range(40)]
    users, items = [f"u{place % 4}" for place in range(40)], [f"i{place // 4}" for place in range(40)]
    log = leaven.read(pa.table({"who": users, "what": items, "when": times}), "who", "what", "when")
    parts = leaven.split(log, "leave_one_out")
    assert parts.train.lengths.tolist() == [8, 8, 8, 8]
    plan = leaven.Plan([leaven.Step(leaven.Crop(keep_range=(0.5, 0.5)))])
    shown = leaven.preview(plan, parts.train, rows=2)
    assert [len(one["after"]) for one in shown] == [4, 4]
    with pytest.raises(leaven.SpecError):
        leaven.split(parts.train, "leave_one_in")


def test_kinds_are_listed_by_family() -> None:
    assert leaven.list("metrics") == list(FAMILIES["metrics"])
    assert set(leaven.list()) == set(FAMILIES)
    with pytest.raises(leaven.SpecError):
        leaven.list("metricks")
