"""Labelled rows from a log: who, what, when, and nothing of what came later."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leaven.ctr_features import SamplingConfig, sample_by_time, sample_log
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.ingest import CatalogSource, read_events
from leaven.ingest.source_loading import open_database

DAY = 86_400
NOON = 1_600_000_000 // DAY * DAY + DAY // 2


def log(lines: list[tuple[str, str, float, float]], categories: dict[str, str] | None = None) -> Events:
    """Events (user, item, day, price); items with categories where given."""
    user, item, day, price = zip(*lines, strict=True)
    times = [int(NOON + one * DAY) for one in day]
    table = pa.table({"user": user, "item": item, "time": times, "price": price})
    words = {"user": "user", "item": "item", "time": "time", "price": "price"}
    if categories is None:
        return read_events(table, words, connection=open_database(threads=1))
    listed = pa.table({"item_id": list(categories), "category": list(categories.values())})
    wish = CatalogSource(listed, columns={"item": "item_id", "category": "category"})
    return read_events(table, words, wish, open_database(threads=1))


def random_log(
    seed: int, last_day: int = 60, items: int = 12, events: int = 400
) -> list[tuple[str, str, float, float]]:
    draw = np.random.default_rng(seed)
    days = np.sort(draw.random(events) * last_day)
    return [
        (f"u{draw.integers(0, 15)}", f"i{draw.integers(0, items):02d}", float(day), float(draw.integers(1, 9)))
        for day in days
    ]


def by_pair(rows: Samples) -> dict[tuple[str, str, int], dict[str, float]]:
    """(user, item, time) -> its numbers."""
    users, items = rows.categorical_column("user"), rows.categorical_column("item")
    return {
        (users[row], items[row], int(rows.times[row])): dict(zip(rows.numeric, rows.numbers[row].tolist(), strict=True))
        for row in range(len(rows))
    }


LINES = [
    ("ann", "mug", 0, 2.0),
    ("bob", "bag", 0, 8.0),
    ("ann", "bag", 1, 10.0),
    ("bob", "mug", 2, 4.0),
    ("ann", "mug", 3, 3.0),
    ("cat", "pen", 3, 1.0),
    ("ann", "pen", 10, 1.5),
]
KINDS = {"mug": "kitchen", "bag": "outdoor", "pen": "desk"}


def test_features_count_only_earlier_events() -> None:
    rows = by_pair(sample_log(log(LINES, KINDS), SamplingConfig(ratio=1, window_days=(7,)), key=1))
    ann = rows["ann", "pen", NOON + 10 * DAY]
    assert ann["user_events"] == 3  # mug, bag, mug
    assert ann["user_visits"] == 3
    assert ann["user_days_since_last"] == 7
    assert ann["user_days_known"] == 10
    assert ann["user_events_7d"] == 1  # the second of day 3 is inside a span of 7 days that ends now
    assert ann["item_events"] == 1
    assert ann["item_price"] == 1.0  # what cat paid, not what ann is about to pay
    assert ann["user_usual_price"] == pytest.approx((2 + 10 + 3) / 3)
    assert ann["pair_price_ratio"] == pytest.approx(np.log(1.0 / 5.0))
    assert ann["pair_events"] == 0
    assert np.isnan(ann["pair_days_since_last"])
    assert ann["pair_category_share"] == 0
    mug = rows["ann", "mug", NOON + 3 * DAY]
    assert (mug["pair_events"], mug["pair_days_since_last"]) == (1, 3)
    assert mug["pair_category_share"] == pytest.approx(1 / 2)


def test_the_favorite_is_the_most_frequent_category_so_far() -> None:
    rows = sample_log(log(LINES, KINDS), SamplingConfig(ratio=1), key=1)
    favourite = dict(
        zip(
            zip(rows.categorical_column("user"), rows.times.tolist(), strict=True),
            rows.categorical_column("user_favourite"),
            strict=True,
        )
    )
    assert favourite["ann", NOON + 10 * DAY] == "kitchen"  # two mugs, one bag
    assert favourite["bob", NOON + 2 * DAY] == "outdoor"


def test_events_of_the_same_second_do_not_count_in_each_others_features() -> None:
    basket = [("ann", "mug", 0, 1.0), ("bob", "bag", 0, 1.0), ("ann", "mug", 5, 1.0), ("ann", "bag", 5, 1.0)]
    rows = by_pair(sample_log(log(basket, KINDS), SamplingConfig(ratio=1), key=1))
    assert rows["ann", "bag", NOON + 5 * DAY]["user_events"] == 1
    assert rows["ann", "mug", NOON + 5 * DAY]["user_events"] == 1


def test_a_positive_that_was_not_on_sale_is_left_out_and_counted() -> None:
    rows = sample_log(log(LINES, KINDS), SamplingConfig(ratio=1), key=1)
    assert (
        rows.facts["not_on_sale"] == 3
    )  # both of day 0, and the first pen: nothing of theirs was sold before that day
    assert rows.facts["positives"] == len(LINES) - 3


@pytest.mark.parametrize("negatives", ["mixed", "uniform", "popularity", "category"])
@pytest.mark.parametrize("repeats", [True, False])
def test_negatives_are_on_sale_and_not_taken_then_or_later(negatives: Any, repeats: bool) -> None:
    lines = random_log(3)
    kinds = {f"i{item:02d}": f"c{item % 3}" for item in range(12)}
    wish = SamplingConfig(ratio=3, negatives=negatives, allow_repeats=repeats, on_sale_days=20)
    rows = sample_log(log(lines, kinds), wish, key=5)
    last: dict[tuple[str, str], float] = {}
    sold: dict[str, list[float]] = {}
    for user, item, day, _ in lines:
        time = int(NOON + day * DAY)
        last[user, item] = max(last.get((user, item), 0), time)
        sold.setdefault(item, []).append(time)
    users, items = rows.categorical_column("user"), rows.categorical_column("item")
    for row in np.flatnonzero(rows.label == 0):
        pair, time = (users[row], items[row]), rows.times[row]
        assert last.get(pair, 0) < time if repeats else pair not in last
        midnight = time // DAY * DAY
        latest = max(t for t in sold[items[row]] if t < midnight)
        assert latest // DAY >= time // DAY - 20
    assert rows.facts["negatives"] == (rows.label == 0).sum() > 0
    taken = list(zip(users, rows.times, items, rows.label, strict=True))
    assert len(set(taken)) == len(taken)  # no row twice


def test_popularity_sampling_draws_popular_items_more_often() -> None:
    lines = [("u0", "hit", day / 4, 1.0) for day in range(80)] + [("u1", "dud", day * 5, 1.0) for day in range(4)]
    lines += [("u2", "own", day / 2, 1.0) for day in range(40)] + [("u3", "mid", day, 1.0) for day in range(20)]
    counts = {}
    for way in ("uniform", "popularity"):
        rows = sample_log(log(lines), SamplingConfig(ratio=1, negatives=way), key=1)
        mine = (rows.categorical_column("user") == "u2") & (rows.label == 0)
        items = rows.categorical_column("item")[mine]
        counts[way] = [(items == name).sum() for name in ("hit", "dud")]
    assert counts["popularity"][0] > 3 * counts["popularity"][1]
    assert counts["uniform"][0] < 2.5 * counts["uniform"][1]


def same(one: Samples, two: Samples) -> bool:
    parts = all(
        np.array_equal(getattr(one, name), getattr(two, name)) for name in ("label", "row_ids", "user_ids", "times")
    )
    texts = all(
        one.categorical_column(name).tolist() == two.categorical_column(name).tolist() for name in one.categorical
    )
    return parts and texts and np.array_equal(one.numbers, two.numbers, equal_nan=True)


def test_a_marker_planted_after_the_period_changes_nothing() -> None:
    lines = random_log(7)
    marker = [("u1", "i03", 61.0, 999.0), ("spy", "i03", 62.0, 999.0), ("u2", "brand new", 63.0, 999.0)]
    until = int(NOON + 60 * DAY)
    plain = sample_log(log(lines), SamplingConfig(ratio=2), key=1, until=until)
    marked = sample_log(log(lines + marker), SamplingConfig(ratio=2), key=1, until=until)
    assert same(plain, marked)


def test_a_marker_inside_the_period_changes_no_feature_of_an_earlier_row() -> None:
    lines = random_log(8)
    marker = [("u1", f"i{item:02d}", 40.0, 999.0) for item in range(12)]
    kinds = {f"i{item:02d}": f"c{item % 3}" for item in range(12)}
    plain, marked = (
        by_pair(sample_log(log(one, kinds), SamplingConfig(ratio=2), key=1)) for one in (lines, lines + marker)
    )
    earlier = [pair for pair in plain if pair in marked and pair[2] <= NOON + 40 * DAY]
    assert len(earlier) > 300
    for pair in earlier:
        assert plain[pair] == pytest.approx(marked[pair], nan_ok=True), pair
    later = [pair for pair in plain if pair in marked and pair[2] > NOON + 41 * DAY and pair[0] == "u1"]
    assert any(plain[pair]["user_usual_price"] != marked[pair]["user_usual_price"] for pair in later)


def test_rows_depend_on_the_key_and_not_on_the_order_of_lines() -> None:
    lines = random_log(9)
    shuffled = [lines[place] for place in np.random.default_rng(1).permutation(len(lines))]
    one = sample_log(log(lines), key=1)
    assert same(one, sample_log(log(shuffled), key=1))
    assert not same(one, sample_log(log(lines), key=2))


def test_sums_of_money_do_not_depend_on_the_order_of_lines() -> None:
    """They once were sums of doubles, which threads add in any order: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1."""
    lines = [("ann", f"i{nth}", 1.0, price) for nth, price in enumerate((0.1, 0.2, 0.3, 1e9 + 0.7, 0.013))]
    later = [("bob", "i0", 2.0, 1.0), ("ann", "i1", 3.0, 0.2), ("bob", "i2", 3.5, 0.3)]
    both = [
        sample_log(log([*some, *later]), SamplingConfig(ratio=1), since=NOON + 2 * DAY) for some in (lines, lines[::-1])
    ]
    assert both[0].numeric_column("user_usual_price").tobytes() == both[1].numeric_column("user_usual_price").tobytes()
    row = np.flatnonzero(both[0].categorical_column("user") == "ann")[0]
    assert both[0].numeric_column("user_spent_per_visit")[row] == 1e9 + 1.313


def test_parts_by_time_do_not_overlap_and_features_continue() -> None:
    train, valid, test = sample_by_time(log(random_log(10)), SamplingConfig(ratio=2), key=1)
    assert train.times.max() <= valid.times.min()
    assert valid.times.max() <= test.times.min()
    assert test.numeric_column("item_events").mean() > train.numeric_column("item_events").mean()


def test_a_subset_of_positives_keeps_their_negatives() -> None:
    rows = sample_log(log(random_log(11)), SamplingConfig(ratio=2, max_positives=50), key=1)
    assert rows.label.sum() + rows.facts["not_on_sale"] == 50
    assert rows.facts["thinned_out"] > 300


def test_a_period_without_events_and_invalid_fields_are_errors() -> None:
    with pytest.raises(DataError, match="positive events"):
        sample_log(log(LINES), since=int(NOON + 99 * DAY))
    with pytest.raises(SpecError, match="popularity"):
        SamplingConfig(negatives="populr")  # type: ignore[arg-type]
    with pytest.raises(SpecError):
        sample_by_time(log(LINES), shares=(0.5, 0.5, 0.2))


def test_samples_read_back_as_they_were_written(tmp_path: Any) -> None:
    rows = sample_log(log(LINES, KINDS), SamplingConfig(ratio=1), key=1)
    rows.write_file(tmp_path / "rows.parquet")
    back = Samples.from_parquet(tmp_path / "rows.parquet")
    assert same(rows, back)
    assert back.levels == rows.levels
    assert back.facts == rows.facts
