"""Tables of events and samples with the user's own ids."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import leaven
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import NO_PARENT, Histories
from leaven.datasets.log_names import LogNames
from leaven.datasets.samples import Samples

DAY = 86_400


def rows() -> Histories:
    """Ann (two events) and Bob (one), then two crops of Ann, one row without a parent, and Bob's row masked."""
    start = 15_000 * DAY
    times = [[start, start + 5], [start + 9], [start], [start + 5], [start + 7], [start + 9]]
    made = Histories.from_lists([[1, 2], [2], [1], [2], [2], [3]], 2, times, row_ids=[11, 12, 901, 902, 903, 12])
    return replace(
        made,
        parents=np.array([11, 12, 11, 11, NO_PARENT, 12], np.uint64),
        origin=np.array([0, 0, 1, 1, 2, 3], np.int16),
        weight=np.array([1, 1, 0.5, 0.5, 0.25, 1], np.float32),
        n_targets=np.array([1, 0, 0, 0, 0, 1], np.int32),
        extra={"kind": np.array([0, 1, 1, 0, 1, -1, 0], np.int16), "value": np.array([5, np.nan, 0, 1, 2, 3, 4.0])},
        catalog=Catalog(ids=["x", "y"]),
        names=LogNames.from_users([12, 11], ["bob", "ann"]),
    )


def test_every_event_carries_the_own_ids_and_the_lineage_of_its_row() -> None:
    names = replace(rows().names, kinds=("buy", "view"), steps=("crop", "markov", "mask"))
    table = replace(rows(), names=names).to_events()
    assert table["user"].to_pylist() == ["ann", "ann", "bob", "ann+crop.1", "ann+crop.2", "+markov.1", "bob"]
    assert table["parent"].to_pylist() == [None, None, None, "ann", "ann", None, "bob"]
    assert table["item"].to_pylist() == ["x", "y", "y", "x", "y", "y", "[mask]"]
    assert table["origin"].to_pylist() == ["real"] * 3 + ["synthetic"] * 3 + ["changed"]
    assert table["step"].to_pylist() == [None] * 3 + ["crop", "crop", "markov", "mask"]
    assert table["kind"].to_pylist() == ["buy", "view", "view", "buy", "view", None, "buy"]
    assert table["value"].to_pylist() == [5, None, 0, 1, 2, 3, 4]
    assert table["position"].to_pylist() == [0, 1, 0, 0, 0, 0, 0]
    assert table["is_target"].to_pylist() == [False, True, False, False, False, False, True]
    assert table["weight"].to_pylist() == [1, 1, 1, 0.5, 0.5, 0.25, 1]
    assert table["time"][1].as_py().isoformat() == "2011-01-26T00:00:05+00:00"
    assert table.schema.field("time").type == pa.timestamp("us", "UTC")


def test_the_names_of_steps_come_from_the_plan_where_the_rows_do_not_hold_them() -> None:
    assert rows().to_events()["step"].to_pylist()[-1] == "step 3"
    assert rows().to_events(["a", "b", "c"])["step"].to_pylist()[-1] == "c"
    plan = leaven.Plan([leaven.Crop(), leaven.Markov(), leaven.Mask()])
    assert rows().to_events(plan)["step"].to_pylist()[-1] == plan.named_steps[2].display_name


def test_a_synthetic_row_never_has_the_name_of_a_user_or_of_another_row() -> None:
    users = LogNames.from_users([11, 12], ["ann", "ann+crop.1"])
    table = replace(rows(), names=users).to_events(["crop", "markov", "mask"])
    assert table["user"].to_pylist()[3:6] == ["ann++crop.1", "ann++crop.2", "++markov.1"]
    nested = replace(rows(), parents=np.array([11, 12, 11, 12, 0, 12], np.uint64), origin=np.array([0, 0, 1, 2, 3, 4]))
    nested = replace(nested, origin=nested.origin.astype(np.int16), names=LogNames.from_users([11, 12], ["a", "a+b"]))
    made = nested.to_events(["b+c", "c", "d", "e"])["user"].to_pylist()[3:5]
    assert len(set(made)) == 2


def test_positions_in_a_file_are_no_times() -> None:
    table = Histories.from_lists([[1, 2]], n_items=2).to_events()
    assert table["time"].to_pylist() == [None, None]
    assert table["user"].to_pylist() == ["1", "1"]


def test_expanding_a_log_keeps_the_ids_of_its_users_and_items() -> None:
    times = [1318896000 + second for second in range(40)]
    users, items = [f"u{event % 4}" for event in range(40)], [f"i{event // 4}" for event in range(40)]
    parts = leaven.split(leaven.read(pa.table({"user": users, "item": items, "time": times})), "leave_one_out")
    assert list(parts.train.catalog.ids) == sorted(set(items))
    table = leaven.expand(parts.train, leaven.Plan([leaven.Crop()])).to_events()
    assert table["step"].unique().to_pylist() == [None, "crop"]
    real = table.filter(pa.compute.equal(table["origin"].cast(pa.string()), "real"))
    given = {(u, i, t) for u, i, t in zip(users, items, times, strict=True)}
    for line in real.to_pylist():
        assert (line["user"], line["item"], int(line["time"].timestamp())) in given
    assert set(table["parent"].to_pylist()) == {None, "u0", "u1", "u2", "u3"}
    assert parts.test.histories.to_events()["user"].to_pylist()[0] == "u0"


def test_samples_are_decoded_with_their_levels() -> None:
    made = Samples.from_lists({"kind": ["mug", None], "user": ["ann", "bob"], "step": [1.0, None]}, [1, 0], [11, 12])
    made = replace(made, origin=np.array([0, 2], np.int16), parents=np.array([1, 1], np.uint64))
    table = replace(made, names=LogNames.from_users([11], ["ann"])).to_events(["mixup", "smote"])
    assert table.column_names == [
        "row", "label", "step", "kind", "user", "origin", "leaven_step", "parent", "weight",
    ]  # fmt: skip
    assert table["kind"].to_pylist() == ["mug", None]
    assert table["leaven_step"].to_pylist() == [None, "smote"]
    assert table["parent"].to_pylist() == [None, table["row"][0].as_py()]
    plain = Samples.from_lists({"n": [1.0, 2.0]}, [1, 0], [11, 12])
    assert replace(plain, names=LogNames.from_users([11], ["ann"])).to_events()["user"].to_pylist() == ["ann", None]


def test_row_ids_of_users_are_found_by_name() -> None:
    names = LogNames.from_users([12, 11], ["bob", "ann"])
    assert names.find_row_ids(["ann", "eve", "bob"]).tolist() == [11, 0, 12]
    assert names.find_users(np.array([11, 5], np.uint64)).to_pylist() == ["ann", None]
    with pytest.raises(AttributeError):
        names.steps = ("x",)  # frozen
