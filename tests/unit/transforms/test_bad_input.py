"""Bad input raises one error that names the field and the fix."""

from dataclasses import fields, replace

import numpy as np
import pytest

from leaven.augmentation import Plan, expand
from leaven.config import parse
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.registry import found, kinds, made

RANGES = [
    (kind, one.name)
    for kind in kinds("transforms")
    for one in fields(found("transforms", kind))
    if one.name.endswith("_range")
]
CLOCKED = [
    ("scale", {}),
    ("warp", {}),
    ("jitter", {}),
    ("shift", {}),
    ("crop", {"unit": "seconds"}),
    ("mask", {"positions": "gap"}),
    ("drop", {"positions": "gap"}),
    ("insert", {"positions": "gap", "by": "popular"}),
    ("substitute", {"positions": "gap", "by": "popular"}),
    ("mixup", {"positions": "gap"}),
]


@pytest.mark.parametrize(("kind", "field"), RANGES)
def test_a_range_that_is_reversed_or_no_pair_of_numbers_is_named(kind, field) -> None:
    low, high = getattr(made("transforms", kind), field)
    assert low <= high
    for wrong in ((2.0, 1.0), (0.5,), (float("nan"), 1.0), ("a", "b"), 0.5):
        with pytest.raises(SpecError, match=rf"{kind}\.{field}"):
            made("transforms", kind, {field: wrong})


@pytest.mark.parametrize(("kind", "field"), [pair for pair in RANGES if pair[0] not in ("shift",)])
def test_a_range_out_of_bounds_is_named(kind, field) -> None:
    with pytest.raises(SpecError, match=rf"{kind}\.{field}"):
        made("transforms", kind, {field: (-1.0, 0.5)})


@pytest.mark.parametrize(("kind", "own"), CLOCKED)
def test_a_transform_that_needs_timestamps_raises_without_them(kind, own) -> None:
    rows = Histories.of([[1, 2, 3], [3, 2]], n_items=3)
    with pytest.raises(DataError, match="name the time column"):
        made("transforms", kind, own).fit(rows)
    made("transforms", kind, own).fit(Histories.of([[1, 2, 3]], n_items=3, times=[[0, 50, 70]]))


def test_unknown_ids_and_unordered_times_are_refused() -> None:
    plan = Plan([made("transforms", "crop")])
    rows = Histories.of([[1, 2, 3]], n_items=3)
    with pytest.raises(DataError, match="ids in 1"):
        expand(replace(rows, items=np.array([1, 9, 2], np.int32)), plan)
    with pytest.raises(DataError, match="times"):
        expand(replace(rows, times=np.array([5, 4, 6], np.int64)), plan)


def test_an_unknown_kind_names_the_nearest_kind() -> None:
    with pytest.raises(SpecError, match="did you mean 'reorder'"):
        parse('[data]\ninteractions = "x.csv"\n[[arm]]\nname = "a"\n[[arm.step]]\nuse = "reoder"\n')


def test_a_file_of_a_transform_is_relative_to_the_spec(tmp_path) -> None:
    step = 'use = "insert"\nneighbours = { by = ["vectors"], vectors = "items.npy" }'
    text = f'[data]\ninteractions = "x.csv"\n[[arm]]\nname = "a"\n[[arm.step]]\n{step}\n'
    operator = parse(text, tmp_path).arms[0].plan.all[0].use
    assert operator.neighbours.vectors == str(tmp_path.resolve() / "items.npy")
