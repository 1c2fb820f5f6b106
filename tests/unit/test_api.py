"""The Python functions of the command line's tasks."""

import pyarrow as pa
import pytest

import leaven
from leaven.registry import FAMILIES

LOG = pa.table({"who": ["a", "b"], "what": ["x", "y"], "when": [1318896000, 1318896001], "how": ["view", "buy"]})


def test_a_frame_is_read_by_its_column_names() -> None:
    events = leaven.read(LOG, user="who", item="what", time="when", columns={"kind": "how"})
    assert events.connection.sql('SELECT "user", item, kind FROM events ORDER BY line').fetchall() == [
        ("a", "x", "view"),
        ("b", "y", "buy"),
    ]


def test_an_unknown_column_is_answered_with_the_columns() -> None:
    with pytest.raises(leaven.DataError) as caught:
        leaven.read(LOG, user="whom", item="what", time="when")
    assert "who" in caught.value.fix


def test_a_log_is_split_and_a_plan_is_previewed() -> None:
    times = [1318896000 + second for second in range(40)]
    users, items = [f"u{event % 4}" for event in range(40)], [f"i{event // 4}" for event in range(40)]
    log = leaven.read(pa.table({"who": users, "what": items, "when": times}), "who", "what", "when")
    parts = leaven.split(log, "leave_one_out")
    assert parts.train.lengths.tolist() == [8, 8, 8, 8]
    plan = leaven.Plan([leaven.Step(leaven.Crop(keep_range=(0.5, 0.5)))])
    examples = leaven.preview(plan, parts.train, rows=2)
    assert [len(example.after) for example in examples] == [4, 4]
    first = examples[0]
    assert first.user in {"u0", "u1", "u2", "u3"}
    assert list(first.before_ids) == [f"i{place}" for place in range(8)]
    assert first.after == [first.before_ids[first.before.index(name)] for name in first.after]
    with pytest.raises(leaven.SpecError):
        leaven.split(parts.train, "leave_one_in")


def test_kinds_are_listed_by_family() -> None:
    assert leaven.list_kinds("metrics") == list(FAMILIES["metrics"])
    assert set(leaven.list_kinds()) == set(FAMILIES)
    with pytest.raises(leaven.SpecError):
        leaven.list_kinds("metricks")
