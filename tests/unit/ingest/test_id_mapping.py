"""Order: dense ids and rows follow the original ids, never the order of the file."""

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from leaven import rng
from leaven.cleaning import CleaningConfig, clean_events
from leaven.errors import DataError
from leaven.ingest import build_histories, read_events
from leaven.ingest.id_mapping import IndexedHistories
from leaven.ingest.source_loading import open_database


def world(events: int = 5000) -> pa.Table:
    """Made by hand-counted draws: 97 users, 53 items, every time once."""
    draw = rng.make_generator(rng.derive_key(7, "order"))
    return pa.table(
        {
            "user_id": [f"u{n}" for n in draw.integers(0, 97, events)],
            "item_id": [f"i{n}é" for n in draw.integers(0, 53, events)],
            "timestamp": draw.permutation(events) + 1318896000,
            "kind": [["view", "buy", None][n] for n in draw.integers(0, 3, events)],
            "price": draw.random(events),
        }
    )


def digest(ordered: IndexedHistories) -> str:
    histories = ordered.histories
    parts = [histories.items, histories.times, histories.starts, histories.row_ids, *histories.extra.values()]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_histories_of_a_small_log() -> None:
    log = pa.table({"user": ["b", "a", "b", "b"], "item": ["y", "z", "x", "y"], "time": [5, 3, 1, 5]})
    done = build_histories(read_events(log))
    assert (done.item_ids, done.user_ids) == (["x", "y", "z"], ["a", "b"])
    assert done.histories.items.tolist() == [3, 1, 2, 2]
    assert done.histories.times.tolist() == [3, 1, 5, 5]
    assert done.histories.starts.tolist() == [0, 1, 4]
    assert done.histories.row_ids.tolist() == rng.derive_user_ids(["a", "b"]).tolist()
    assert (done.facts["tied_events"], done.facts["users_whose_last_two_tie"]) == (1, 1)
    done.histories.validate()


def test_ties_keep_the_order_of_the_file() -> None:
    log = pa.table({"user": ["a"] * 6, "item": list("cabfed"), "time": [9, 9, 9, 1, 1, 1]})
    assert [
        build_histories(read_events(log)).item_ids[i - 1] for i in build_histories(read_events(log)).histories.items
    ] == list("fedcab")


@pytest.mark.parametrize("threads", [1, 2])
def test_shuffled_lines_and_other_thread_counts_give_the_same_bytes(threads: int) -> None:
    log = world()
    shuffled = log.take(rng.make_generator(rng.derive_key(8, "shuffle")).permutation(len(log)))
    assert digest(build_histories(read_events(log))) == digest(
        build_histories(read_events(shuffled, connection=open_database(threads=threads)))
    )


@pytest.mark.parametrize("coded", [False, True])
def test_lines_that_the_database_reorders_are_sorted_again(coded: bool) -> None:
    log = world().set_column(2, "timestamp", pa.array([1318896000] * 5000))
    events = read_events(log)
    if coded:
        events = clean_events(events, CleaningConfig(duplicates=False)).events
    expected = digest(build_histories(events))
    codes = events.encoded
    table = codes.event_table if codes else events.table
    events.connection.execute(f"CREATE TABLE turned AS SELECT * FROM {table} ORDER BY hash(line)")
    turned = replace(events, encoded=replace(codes, event_table="turned")) if codes else replace(events, table="turned")
    assert digest(build_histories(turned)) == expected


def test_further_columns_follow_their_event() -> None:
    log = world()
    done = build_histories(read_events(log))
    price = dict(zip(log["timestamp"].to_pylist(), log["price"].to_pylist(), strict=True))
    kind = dict(zip(log["timestamp"].to_pylist(), log["kind"].to_pylist(), strict=True))
    assert done.kinds == ["", "buy", "view"]
    assert done.histories.extra["kind"].dtype == np.int16
    for place in (0, 17, 4999):
        time = int(done.histories.times[place])
        assert done.histories.extra["price"][place] == price[time]
        assert done.kinds[done.histories.extra["kind"][place]] == (kind[time] or "")


@pytest.mark.parametrize("hole", ["user", "item", "time"])
def test_a_missing_value_is_an_error_and_its_line_is_not_dropped(hole: str) -> None:
    log = {"user": ["a", "b"], "item": ["x", "y"], "time": [1, 2]}
    log[hole] = [log[hole][0], None]
    with pytest.raises(DataError, match=rf"column '{hole}'(?s:.*)clean the log first"):
        build_histories(read_events(pa.table(log)))


def test_a_missing_price_stays_missing() -> None:
    log = pa.table({"user": ["a", "a"], "item": ["x", "y"], "time": [1, 2], "price": [None, 2.0]})
    assert np.isnan(build_histories(read_events(log)).histories.extra["price"][0])


def test_a_log_with_one_line_without_user_is_an_error() -> None:
    with pytest.raises(DataError, match="column 'user'"):
        build_histories(read_events(pa.table({"user": pa.array([None], pa.string()), "item": ["x"], "time": [1]})))
