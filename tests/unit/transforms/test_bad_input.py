"""Bad input raises one error that names the field and the fix."""

from dataclasses import fields, replace

import numpy as np
import pytest

from leaven.augmentation import Plan, expand
from leaven.config import parse_spec
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.registry import create_config, list_kinds, load_kind

RANGES = [
    (kind, one.name)
    for kind in list_kinds("transforms")
    for one in fields(load_kind("transforms", kind))
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
    ("insert", {"positions": "gap", "source": "popular"}),
    ("substitute", {"positions": "gap", "source": "popular"}),
    ("mixup", {"positions": "gap"}),
]


@pytest.mark.parametrize(("kind", "field"), RANGES)
def test_a_range_that_is_reversed_or_no_pair_of_numbers_is_named(kind, field) -> None:
    low, high = getattr(create_config("transforms", kind), field)
    assert low <= high
    for wrong in ((2.0, 1.0), (0.5,), (float("nan"), 1.0), ("a", "b"), 0.5):
        with pytest.raises(SpecError, match=rf"{kind}\.{field}"):
            create_config("transforms", kind, {field: wrong})


@pytest.mark.parametrize(("kind", "field"), [pair for pair in RANGES if pair[0] not in ("shift",)])
def test_a_range_out_of_bounds_is_named(kind, field) -> None:
    with pytest.raises(SpecError, match=rf"{kind}\.{field}"):
        create_config("transforms", kind, {field: (-1.0, 0.5)})


@pytest.mark.parametrize(("kind", "own"), CLOCKED)
def test_a_transform_that_needs_timestamps_raises_without_them(kind, own) -> None:
    rows = Histories.from_lists([[1, 2, 3], [3, 2]], n_items=3)
    with pytest.raises(DataError, match="name the time column"):
        create_config("transforms", kind, own).fit(rows)
    create_config("transforms", kind, own).fit(Histories.from_lists([[1, 2, 3]], n_items=3, times=[[0, 50, 70]]))


def test_unknown_ids_and_unordered_times_are_refused() -> None:
    plan = Plan([create_config("transforms", "crop")])
    rows = Histories.from_lists([[1, 2, 3]], n_items=3)
    with pytest.raises(DataError, match="ids in 1"):
        expand(replace(rows, items=np.array([1, 9, 2], np.int32)), plan)
    with pytest.raises(DataError, match="times"):
        expand(replace(rows, times=np.array([5, 4, 6], np.int64)), plan)


def test_an_unknown_kind_names_the_nearest_kind() -> None:
    with pytest.raises(SpecError, match="did you mean 'reorder'"):
        parse_spec('[data]\ninteractions = "x.csv"\n[[variant]]\nname = "a"\n[[variant.step]]\nuse = "reoder"\n')


def test_a_file_of_a_transform_is_relative_to_the_spec(tmp_path) -> None:
    step = 'use = "insert"\nneighbors = { sources = ["vectors"], vectors = "items.npy" }'
    text = f'[data]\ninteractions = "x.csv"\n[[variant]]\nname = "a"\n[[variant.step]]\n{step}\n'
    operator = parse_spec(text, tmp_path).variants[0].plan.named_steps[0].use
    assert operator.neighbors.vectors == str(tmp_path.resolve() / "items.npy")
