"""Cleaning: each rule finds what was planted, and nothing else."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leaven import rng
from leaven.cleaning import CleaningConfig, CleaningResult, clean_events, survey_events
from leaven.datasets.events import Events
from leaven.errors import DataError, SpecError
from leaven.ingest import CatalogSource, LogSource, build_histories, read_catalog, read_events

ROOT = Path(__file__).parents[3]
BEGIN = 1_318_896_000


def log(items: CatalogSource | None = None, **columns: list[Any]) -> Events:
    """A log of users, items, and further columns; times count seconds from BEGIN unless given."""
    lines = len(columns["item"])
    table = {"user": ["a"] * lines, "time": [BEGIN + place for place in range(lines)]} | columns
    return read_events(LogSource(pa.table(table), {name: name for name in table}), items=items)


def by_name(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in rules}


def lines(cleaned: CleaningResult) -> list[int]:
    events = cleaned.events
    return [int(row[0]) for row in events.connection.sql(f"SELECT line FROM {events.table} ORDER BY line").fetchall()]


def test_lines_without_user_item_or_time_are_dropped_and_listed_as_examples() -> None:
    done = clean_events(log(user=["a", None, "a", "b"], item=["x", "y", None, "x"], time=[BEGIN, BEGIN, BEGIN, None]))
    rules = by_name(done.rules)
    assert [rules[f"missing_{name}"]["dropped"] for name in ("user", "item", "time")] == [1, 1, 1]
    assert rules["missing_user"]["examples"] == [{"line": 2, "item": "y", "time": "2011-10-18 00:00:00"}]
    assert lines(done) == [1]


def test_a_line_is_dropped_by_the_first_matching_rule_and_touched_by_all() -> None:
    done = clean_events(log(item=["x", "x", "x"], order=["1", "C2", "3"], quantity=[1, -1, -2]))
    rules = by_name(done.rules)
    assert (rules["cancelled"]["touched"], rules["cancelled"]["dropped"]) == (1, 1)
    assert (rules["negative_quantity"]["touched"], rules["negative_quantity"]["dropped"]) == (2, 1)


def test_a_prefix_of_most_orders_is_not_a_cancellation() -> None:
    done = clean_events(log(item=["x", "y", "z"], order=["C1", "C2", "3"]))
    assert "more than half" in by_name(done.rules)["cancelled"]["note"]
    assert lines(done) == [1, 2, 3]


def test_one_letter_among_other_letters_is_not_a_cancellation_but_a_word_is() -> None:
    orders = ["C0FFEE", "A1B2", "F00D", "1234", "5678"]
    done = clean_events(log(item=list("vwxyz"), order=orders))
    assert "other letters too" in by_name(done.rules)["cancelled"]["note"]
    assert lines(done) == [1, 2, 3, 4, 5]
    named = log(item=list("vwxyz"), order=["CANCEL-1", "ORDER-1", "ORDER-2", "ORDER-3", "ORDER-4"])
    assert lines(clean_events(named, CleaningConfig(cancelled_prefix="CANCEL"))) == [2, 3, 4, 5]


def test_a_rule_without_its_column_is_skipped_with_a_note() -> None:
    rules = by_name(clean_events(log(item=["x", "y"])).rules)
    assert rules["zero_price"]["note"] == "skipped: the log has no column for 'price'"
    assert rules["before_release"]["note"] == "skipped: there is no catalog"


def test_a_price_outlier_is_measured_against_the_median_of_its_item() -> None:
    price = [2.0, 2.0, 3.0, 2_000.0, 0.0, -2.0, 900.0, 900.0, 1000.0, 0.01]
    done = clean_events(log(item=["mug"] * 6 + ["sofa"] * 3 + ["mug"], price=price))
    rules = by_name(done.rules)
    assert [rules[name]["dropped"] for name in ("zero_price", "negative_price", "price_outlier")] == [1, 1, 2]
    assert lines(done) == [1, 2, 3, 7, 8, 9]


def test_a_huge_quantity_is_an_outlier_even_for_an_item_sold_once() -> None:
    done = clean_events(log(item=[f"i{n}" for n in range(200)] + ["paper craft"], quantity=[2.0] * 200 + [80_995.0]))
    assert by_name(done.rules)["quantity_outlier"]["examples"][0]["quantity"] == 80_995
    assert len(lines(done)) == 200


def test_lines_that_are_not_products_are_found_by_id_or_item_text() -> None:
    text = ["POSTAGE", "Manual", "Blue mug", "postage stamp pillow", None]
    done = clean_events(log(item=["DOT", "M", "85123A", "85124", "POST"], text=text))
    assert lines(done) == [3, 4]
    assert lines(clean_events(log(item=["D", "M", "S", "post office"]))) == [1, 2, 3, 4]


def test_future_and_too_early_times_are_dropped() -> None:
    wish = CleaningConfig(first_time="2011-10-18", last_time="2011-10-18T00:00:10+00:00")
    done = clean_events(log(item=["x", "y", "z"], time=[BEGIN - 1, BEGIN, BEGIN + 11]), wish)
    assert lines(done) == [2]
    far = log(item=["x", "y"], time=[BEGIN, 9_000_000_000])
    assert by_name(clean_events(far).rules)["in_the_future"]["dropped"] == 1


def test_duplicates_are_dropped_and_lines_that_differ_in_any_column_are_kept() -> None:
    done = clean_events(log(item=["x"] * 4, time=[BEGIN] * 4, price=[1.0, 1.0, 1.0, 2.0]))
    assert lines(done) == [1, 4]
    assert by_name(done.rules)["duplicates"] | {"examples": 0, "note": 0} == {
        "rule": "duplicates",
        "touched": 2,
        "dropped": 2,
        "examples": 0,
        "note": 0,
    }
    assert lines(clean_events(log(item=["x", "x"], time=[BEGIN] * 2), CleaningConfig(duplicates=False))) == [1, 2]


def test_missing_values_are_equal_for_duplicates() -> None:
    events = log(item=list("xyxxy"), time=[BEGIN] * 5, price=[None, -0.0, None, 1.0, 0.0])
    done = clean_events(events, CleaningConfig(zero_price=False))
    assert lines(done) == [1, 2, 4]
    shown = [(one["line"], one["item"]) for one in by_name(done.rules)["duplicates"]["examples"]]
    assert shown == [(1, "x"), (2, "y")]


def test_duplicates_are_counted_in_the_whole_log_and_dropped_from_the_remaining_lines() -> None:
    done = clean_events(log(user=[None, None, "a", "a"], item=["x"] * 4, time=[BEGIN] * 4))
    assert [by_name(done.rules)["duplicates"][name] for name in ("touched", "dropped")] == [2, 1]


def test_an_item_with_several_texts_gets_the_most_frequent_one() -> None:
    done = clean_events(log(item=["x"] * 4 + ["y"], text=["Mug", "MUG red", "Mug", None, None]))
    rules = by_name(done.rules)
    assert (rules["inconsistent_texts"]["touched"], rules["missing_text"]["touched"]) == (1, 2)
    assert rules["inconsistent_texts"]["examples"] == [{"item": "x", "kept": "Mug", "other": "MUG red", "lines": 1}]
    found = done.events.connection.sql(f"SELECT text FROM {done.events.table} ORDER BY line").fetchall()
    assert [row[0] for row in found] == ["Mug"] * 4 + [None]


def test_bots_are_found_by_distinct_seconds_so_that_a_large_basket_is_not_one() -> None:
    times = [*range(BEGIN + 3000, BEGIN + 4000), *[BEGIN] * 1000, BEGIN]
    users = ["bot"] * 1000 + ["buyer"] * 1000 + ["me"]
    done = clean_events(log(user=users, item=[f"i{n}" for n in range(2000)] + ["x"], time=times))
    assert by_name(done.rules)["bots"]["dropped"] == 1000
    # 16 minutes across a full hour, all inside the hour that begins at the half
    assert by_name(done.rules)["bots"]["examples"] == [{"user": "bot", "seconds_in_an_hour": 1000}]


def test_pauses_split_a_user_into_sessions_in_time_order() -> None:
    hour = 3600
    events = log(item=list("wxyz"), time=[BEGIN, BEGIN + 9 * hour, BEGIN + 10 * hour, BEGIN + 30 * hour])
    done = clean_events(events, CleaningConfig(session_gap_hours=8))
    ordered = build_histories(done.events)
    assert ordered.user_ids == ["a#1", "a#2", "a#3"]
    assert ordered.histories.lengths.tolist() == [1, 2, 1]
    assert by_name(done.rules)["sessions"]["note"] == "1 users became 3 histories, split at pauses over 8 hours"


def test_a_user_named_like_a_session_stays_separate() -> None:
    events = log(user=["a", "a", "a#2"], item=["x", "y", "z"], time=[BEGIN, BEGIN + 10**6, BEGIN])
    ordered = build_histories(clean_events(events, CleaningConfig(session_gap_hours=8)).events)
    assert ordered.user_ids == ["a#1", "a#2", "a#2#1"]
    assert [ordered.item_ids[item - 1] for item in ordered.histories.items] == ["x", "y", "z"]


def k_core(user: Any, item: Any, k_user: int, k_item: int) -> set[int]:
    """The plain definition: take away until nothing changes."""
    left = np.arange(len(user))
    while True:
        users, items = np.bincount(user[left], minlength=99), np.bincount(item[left], minlength=99)
        kept = left[(users[user[left]] >= k_user) & (items[item[left]] >= k_item)]
        if len(kept) == len(left):
            return set(left.tolist())
        left = kept


@pytest.mark.parametrize(("k_user", "k_item"), [(3, 3), (4, 2), (1, 5), (5, 1)])
def test_the_k_core_matches_its_definition(k_user: int, k_item: int) -> None:
    draw = rng.make_generator(rng.derive_key(7, "core", k_user))
    user, item = (60 * draw.random((2, 220)) ** 1.5).astype(int)
    events = log(user=[f"u{n}" for n in user], item=[f"i{n}" for n in item])
    done = clean_events(events, CleaningConfig(min_user_events=k_user, min_item_events=k_item))
    expected = k_core(user, item, k_user, k_item)
    assert {line - 1 for line in lines(done)} == expected
    assert 0 < len(expected) < 220
    assert done.events.count_events() == len(expected)
    assert sum(one["dropped"] for one in done.rules) == 220 - len(expected)


def test_an_empty_k_core_is_an_error_with_the_rule() -> None:
    with pytest.raises(DataError, match="rare_users"):
        clean_events(log(item=["x", "y"]), CleaningConfig(min_user_events=5))


def test_encoded_and_plain_events_build_the_same_histories() -> None:
    draw = rng.make_generator(rng.derive_key(7, "coded"))
    columns = {
        "user": [f"u{n}" for n in draw.integers(0, 40, 900)],
        "item": [f"é{n}" for n in draw.integers(0, 30, 900)],
    }
    times = (BEGIN + draw.integers(0, 300, 900)).tolist()
    kinds = [["view", "buy", None][n] for n in draw.integers(0, 3, 900)]
    done = clean_events(log(**columns, time=times, kind=kinds), CleaningConfig(min_user_events=20)).events
    coded, plain = build_histories(done), build_histories(Events(done.connection, done.table, done.columns))
    assert done.encoded is not None
    assert (coded.item_ids, coded.user_ids, coded.kinds) == (plain.item_ids, plain.user_ids, plain.kinds)
    for name in ("items", "times", "starts", "row_ids"):
        assert np.array_equal(getattr(coded.histories, name), getattr(plain.histories, name)), name
    assert np.array_equal(coded.histories.extra["kind"], plain.histories.extra["kind"])


def test_a_second_cleaning_does_not_change_the_first() -> None:
    events = log(user=["a", "a", "b"], item=["x", "y", "x"])
    first = clean_events(events)
    second = clean_events(events, CleaningConfig(min_user_events=2))
    again = clean_events(first.events, CleaningConfig(min_user_events=2))
    assert (lines(first), lines(second), lines(again)) == ([1, 2, 3], [1, 2], [1, 2])


def catalog(**columns: list[Any]) -> CatalogSource:
    table = {"item": ["x", "y", "z"]} | columns
    words = {name: name for name in table if name not in ("title",)}
    return CatalogSource(pa.table(table), words, text=("title",) if "title" in table else ())


def test_missing_attributes_are_flagged_filled_or_dropped() -> None:
    columns: dict[str, list[Any]] = {
        "title": ["Mug", "", "Cup"],
        "price": [2.0, 4.0, None],
        "category": ["a", "a", "a"],
    }
    for way, kept, filled in (("flag", [1, 2, 3], ["", None]), ("fill", [1, 2, 3], ["a", 3.0]), ("drop", [1], [])):
        events = log(catalog(**columns), item=["x", "y", "z"])
        done = clean_events(events, CleaningConfig(missing_attributes=way))
        rules = by_name(done.rules)
        assert (rules["missing_title"]["touched"], rules["missing_price"]["touched"]) == (1, 1)
        assert lines(done) == kept
        sql = f"SELECT title, price FROM {done.events.item_table} ORDER BY item"
        rows = done.events.connection.sql(sql).fetchall()
        assert [rows[1][0], rows[2][1]] == filled if filled else len(rows) == 1


def test_a_rare_spelling_is_replaced_by_the_frequent_one_in_the_catalog() -> None:
    names = [f"i{n}" for n in range(12)]
    source = CatalogSource(
        pa.table({"item": names, "category": ["lamps"] * 10 + ["lmaps", "mugs"]}),
        {"item": "item", "category": "category"},
    )
    done = clean_events(log(source, item=names))
    found = by_name(done.rules)["misspelled_category"]
    assert found["examples"] == [{"item": "i10", "category": "lmaps", "becomes": "lamps"}]
    assert read_catalog(source, names, done.events).categories == ["lamps", "mugs"]


@pytest.mark.parametrize(("way", "kept"), [("keep", [1, 2]), ("drop", [1])])
def test_items_that_are_not_in_the_catalog_are_counted(way: str, kept: list[int]) -> None:
    done = clean_events(log(catalog(), item=["x", "unknown"]), CleaningConfig(unknown_items=way))
    assert by_name(done.rules)["not_in_catalog"]["touched"] == 1
    assert lines(done) == kept


def test_events_before_the_release_of_their_item_are_dropped() -> None:
    source = catalog(born=["2011-10-18T00:00:01Z", "", ""])
    assert lines(clean_events(log(source, item=["x", "x", "y"]))) == [2, 3]


def test_the_survey_drops_nothing_and_counts_each_rule_alone() -> None:
    events = log(user=[None, None, "b"], item=["x"] * 3, time=[BEGIN] * 3, price=[0.0, 0.0, 1.0])
    found = by_name(survey_events(events, CleaningConfig(min_user_events=2)))
    touched = {name: found[name]["touched"] for name in ("lines", "users", "items", "missing_user", "zero_price")}
    assert touched == {"lines": 3, "users": 1, "items": 1, "missing_user": 2, "zero_price": 2}
    assert (found["duplicates"]["touched"], found["rare_users"]["touched"]) == (1, 1)
    assert all(one["dropped"] == 0 for one in found.values())


@pytest.mark.parametrize(
    ("key", "build"),
    [
        ("min_user_events", lambda: CleaningConfig(min_user_events=0)),
        ("price_outlier_factor", lambda: CleaningConfig(price_outlier_factor=0.5)),
        ("session_gap_hours", lambda: CleaningConfig(session_gap_hours=-1.0)),
        ("missing_attributes", lambda: CleaningConfig(missing_attributes="guess")),
        ("non_product_ids", lambda: CleaningConfig(non_product_ids="(post")),
        ("last_time", lambda: CleaningConfig(last_time="tomorrow")),
    ],
)
def test_a_value_out_of_bounds_is_an_error_with_its_key(key: str, build: Callable[[], CleaningConfig]) -> None:
    with pytest.raises(SpecError, match=f"clean.{key}:"):
        build()


def test_a_pattern_that_the_database_rejects_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="patterns"):
        clean_events(log(item=["x"]), CleaningConfig(non_product_ids="^(?!x)y"))


def test_no_intermediate_table_stays_in_the_database() -> None:
    events = log(item=["x", "x", "y"], price=[1.0, 0.0, 2.0])
    survey_events(events)
    done = clean_events(events)
    names = {row[0] for row in events.connection.sql("SHOW TABLES").fetchall()}
    kept = {"lines", "users", "items"}
    assert names == {"events", done.events.table} | {f"{done.events.table}_{part}" for part in kept}


def test_the_documented_order_is_the_order_applied() -> None:
    table = (ROOT / "docs/how-it-works.md").read_text().split("## The rules of cleaning, in their order")[1]
    cells = re.findall(r"^\| (`.+?) \|", table.split("## ")[0], re.M)
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    source = catalog(title=["Mug", "", "Cup"], price=[2.0, 2.0, 2.0], category=["a", "a", "a"], born=["", "", ""])
    columns: dict[str, list[Any]] = {"order": ["1", "2", "3"], "quantity": [1.0] * 3, "price": [1.0] * 3}
    events = log(source, item=["x", "x", "y"], text=["Mug"] * 3, **columns)
    wish = CleaningConfig(2, 1, first_time="2000-01-01", session_gap_hours=1, missing_attributes="drop")
    done = clean_events(events, wish)
    applied = [one["rule"] for one in done.rules]
    assert applied == [name for name in told if name != "rare_items"]
    both = [one["rule"] for one in clean_events(events, replace(wish, min_item_events=2)).rules]
    assert both == told


def test_shuffled_lines_clean_to_the_same_histories_and_counts() -> None:
    draw = rng.make_generator(rng.derive_key(7, "shuffle"))
    size = 400
    table: dict[str, list[Any]] = {
        "user": [None if n == 0 else f"u{n}" for n in draw.integers(0, 40, size)],
        "item": [f"i{n}" for n in draw.integers(0, 30, size)],
        "time": (BEGIN + draw.permutation(size)).tolist(),
        "price": [float(n) for n in draw.integers(-1, 9, size)],
    }
    table = {name: column + column[:30] for name, column in table.items()}
    found = []
    for places in (np.arange(size + 30), draw.permutation(size + 30)):
        shuffled = {name: [column[place] for place in places] for name, column in table.items()}
        done = clean_events(log(**shuffled), CleaningConfig(min_user_events=5, min_item_events=5))
        histories = build_histories(done.events).histories
        counts = [(one["rule"], one["touched"], one["dropped"]) for one in done.rules]
        found.append((counts, histories.items.tolist(), histories.times.tolist(), histories.row_ids.tolist()))
    assert found[0] == found[1]
    assert len(found[0][1]) > 100
