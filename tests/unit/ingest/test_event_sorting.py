"""Sorting lines: by user and time, whatever the batches, the threads and the size of the numbers."""

import numpy as np
import pytest

from leaven import rng
from leaven.ingest.event_sorting import argsort_by_user_and_time, sort_events

YEARS = 10**9
AGES = 10**18


def lines(n: int = 20_000, users: int = 700, span: int = 40) -> dict[str, np.ndarray]:
    """Lines with many ties in time; every user has some."""
    draw = rng.make_generator(rng.derive_key(7, "sorting"))
    place = np.concatenate([np.arange(users), draw.integers(0, users, n - users)]).astype(np.int32)
    time = draw.integers(0, 40, n) * (span // 40) - span // 3
    return {"user": place, "time": time, "dense": np.arange(n, dtype=np.int32), "price": draw.random(n)}


def cut(columns: dict[str, np.ndarray], size: int) -> list[dict[str, np.ndarray]]:
    ends = range(0, len(columns["user"]), size)
    return [{name: column[at : at + size] for name, column in columns.items()} for at in ends]


@pytest.mark.parametrize("span", [40, YEARS, AGES])
def test_sorting_equals_a_plain_sort(span: int) -> None:
    columns = lines(span=span)
    order = np.lexsort((columns["time"], columns["user"]))
    assert np.array_equal(argsort_by_user_and_time(columns["user"], columns["time"]), order)
    for column in columns.values():
        column.flags.writeable = False
    starts, found = sort_events(cut(columns, 4321), 700, threads=2)
    assert sorted(found) == ["dense", "price", "time"]
    for name, column in found.items():
        assert np.array_equal(column, columns[name][order])
        assert column.dtype == columns[name].dtype
    assert np.array_equal(np.diff(starts), np.bincount(columns["user"]))


def test_one_user_is_one_segment_and_no_events_give_no_columns() -> None:
    starts, found = sort_events(cut(lines(users=1), 999), 1, threads=1)
    assert starts.tolist() == [0, 20_000]
    assert (np.diff(found["time"]) >= 0).all()
    assert sort_events([], 3, threads=1)[0].tolist() == [0, 0, 0, 0]


def test_batches_are_prepared_and_may_end_up_empty() -> None:
    columns = lines()
    few = {name: column[columns["user"] < 5] for name, column in columns.items()}

    def prepare_batch(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: column[batch["user"] < 5] for name, column in batch.items()}

    starts, found = sort_events(cut(columns, 7), 700, threads=2, prepare=prepare_batch)
    expected = sort_events([few], 700, threads=1)
    assert np.array_equal(starts, expected[0])
    assert all(np.array_equal(found[name], column) for name, column in expected[1].items())
