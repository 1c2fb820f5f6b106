"""Splits of labeled rows: disjoint, reproducible, by time, users or rows."""

from pathlib import Path

import numpy as np
import pytest

from leaven.ctr_features.sample_splits import SampleRowSplit, SampleSplit, SampleTimeSplit, SampleUserSplit
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError

N, N_USERS = 3000, 200


def build_rows(seed: int = 1) -> Samples:
    generator = np.random.default_rng(seed)
    return Samples.from_columns(
        {"x": generator.normal(size=N)},
        (generator.random(N) < 0.3).astype(float),
        np.arange(1, N + 1, dtype=np.uint64),
        user_ids=generator.integers(1, N_USERS + 1, N).astype(np.uint64),
        times=np.sort(generator.integers(1_600_000_000, 1_600_400_000, N)),
    )


SPLITS = [SampleTimeSplit(), SampleUserSplit(), SampleRowSplit()]


@pytest.mark.parametrize("config", SPLITS, ids=lambda one: type(one).__name__)
def test_the_parts_are_disjoint_and_no_control_user_is_in_another_part(config) -> None:
    rows = build_rows()
    split = config.split_table(rows, key=3)
    parts = split.parts
    assert set(parts) == {"train", "valid", "test", "control"}
    ids = np.concatenate([part.row_ids for part in parts.values()])
    assert len(np.unique(ids)) == len(ids) <= N
    control = set(parts["control"].user_ids.tolist())
    assert control
    for name in ("train", "valid", "test"):
        assert not control & set(parts[name].user_ids.tolist())


@pytest.mark.parametrize("config", SPLITS, ids=lambda one: type(one).__name__)
def test_the_shares_are_those_of_the_config(config) -> None:
    split = config.split_table(build_rows(), key=3)
    total = sum(len(part) for part in (split.train, split.valid, split.test))
    assert len(split.valid) / total == pytest.approx(0.15, abs=0.04)
    assert len(split.test) / total == pytest.approx(0.15, abs=0.04)
    assert split.facts["test"]["rows"] == len(split.test)
    assert split.facts["test"]["positive_share"] == pytest.approx(split.test.label.mean(), abs=1e-4)


@pytest.mark.parametrize("config", SPLITS, ids=lambda one: type(one).__name__)
def test_the_order_of_the_rows_does_not_matter(config) -> None:
    rows = build_rows()
    shuffled = rows.take(np.random.default_rng(5).permutation(N))
    one, two = (config.split_table(given, key=3) for given in (rows, shuffled))
    for name, part in one.parts.items():
        assert set(part.row_ids.tolist()) == set(two.parts[name].row_ids.tolist())


def test_time_parts_follow_each_other_and_share_no_second() -> None:
    split = SampleTimeSplit().split_table(build_rows(), key=3)
    assert split.train.times.max() < split.valid.times.min()
    assert split.valid.times.max() < split.test.times.min()


def test_users_are_in_one_part_each() -> None:
    split = SampleUserSplit().split_table(build_rows(), key=3)
    users = [set(part.user_ids.tolist()) for part in (split.train, split.valid, split.test)]
    assert not users[0] & users[1]
    assert not users[0] & users[2]
    assert not users[1] & users[2]


def test_another_key_draws_other_rows() -> None:
    one, two = (SampleRowSplit().split_table(build_rows(), key) for key in (1, 2))
    assert set(one.test.row_ids.tolist()) != set(two.test.row_ids.tolist())


def test_a_split_is_saved_and_loaded(tmp_path: Path) -> None:
    split = SampleUserSplit().split_table(build_rows(), key=3)
    split.save(tmp_path)
    again = SampleSplit.load(tmp_path, split.facts)
    for name, part in split.parts.items():
        assert again.parts[name].row_ids.tolist() == part.row_ids.tolist()
        np.testing.assert_array_equal(again.parts[name].numbers, part.numbers)


def test_a_split_without_control_users_has_no_such_part() -> None:
    assert "control" not in SampleUserSplit(control_share=0.0).split_table(build_rows(), key=3).parts


def test_impossible_shares_and_tables_are_refused() -> None:
    with pytest.raises(SpecError, match="valid_share"):
        SampleUserSplit(valid_share=0.6, test_share=0.5)
    with pytest.raises(SpecError, match="control_share"):
        SampleRowSplit(control_share=1.0)
    no_times = Samples.from_lists({"x": [1.0, 2.0]}, label=[0, 1])
    with pytest.raises(DataError, match="a time column"):
        SampleTimeSplit().split_table(no_times, key=1)
    one_class = Samples.from_lists({"x": [float(n) for n in range(50)]}, label=[1] * 50)
    with pytest.raises(DataError, match="both classes"):
        SampleRowSplit().split_table(one_class, key=1)
