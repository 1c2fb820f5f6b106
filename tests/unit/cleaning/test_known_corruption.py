"""Cleaning, held against a log whose dirt was planted and against a real one that many have counted."""

import os
from pathlib import Path
from typing import Any

import pytest

from leaven.cleaning import CleaningConfig, clean_events, survey_events
from leaven.datasets.events import Events
from leaven.ingest import CatalogSource, LogSource, build_histories, infer_format, read_events
from leaven.simulator import Corruption, SimulatedLog, Simulator

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
RETAIL = DATA / "online_retail.csv.gz"
COLUMNS = {"user": "user_id", "item": "item_id", "time": "timestamp", "kind": "kind", "quantity": "quantity"}
ITEM_COLUMNS = {name: name for name in ("category", "price", "brand", "born", "image")} | {"item": "item_id"}
TEXTS = ("title", "title_zh", "description", "description_zh")


@pytest.fixture(scope="module")
def shop() -> SimulatedLog:
    return Simulator(users=600, items=200, days=200).build_world().build_log(Corruption.typical())


def events_of(log: SimulatedLog) -> Events:
    items = CatalogSource(log.items, columns=ITEM_COLUMNS, text=TEXTS)
    return read_events(LogSource(log.interactions, COLUMNS | {"price": "price"}), items=items)


def touched(rules: list[dict[str, Any]]) -> dict[str, int]:
    return {one["rule"]: one["touched"] for one in rules}


def test_the_survey_counts_the_planted_corruption(shop: SimulatedLog) -> None:
    found, known = touched(survey_events(events_of(shop))), shop.facts
    for rule in ("missing_user", "missing_item", "missing_time", "duplicates"):
        assert found[rule] == known[rule] > 0, rule
    assert found["negative_price"] + found["price_outlier"] == known["price_outliers"]
    assert found["before_release"] == known["before_release"]
    assert found["misspelled_category"] == known["misspelled_categories"]
    assert found["missing_description"] == known["missing_descriptions"]
    assert found["lines"] == known["lines"]
    # A bot's line without user is nobody's; a bot's duplicate is the bot's too.
    lost = known["missing_user"] + known["duplicates"]
    assert abs(found["bots"] - known["bot_lines"]) <= lost * known["bot_lines"] / known["lines"] + 10


def test_cleaning_restores_the_true_users_and_categories(shop: SimulatedLog) -> None:
    done = clean_events(events_of(shop))
    bots = next(one for one in done.rules if one["rule"] == "bots")
    assert {one["user"] for one in bots["examples"]} == {"u000600", "u000601"}
    ordered = build_histories(done.events)
    assert set(ordered.user_ids) <= {f"u{n:06d}" for n in range(600)}
    rows = done.events.connection.sql(f"SELECT DISTINCT category FROM {done.events.item_table}").fetchall()
    clean_log = Simulator(users=600, items=200, days=200).build_world().build_log()
    assert {row[0] for row in rows} == set(clean_log.items["category"].to_pylist())


def test_a_log_without_corruption_loses_nothing() -> None:
    log = Simulator(users=200, items=120, days=200).build_world().build_log()
    assert clean_events(events_of(log)).events.count_events() == log.facts["lines"]


@pytest.fixture(scope="module")
def retail() -> Events:
    if not RETAIL.exists():
        pytest.skip(f"{RETAIL} is not there; LEAVEN_DATA names the folder of real data")
    return read_events(LogSource(RETAIL, infer_format(RETAIL).columns))


@pytest.mark.data
def test_the_retail_log_has_its_known_corruption(retail: Events) -> None:
    found = touched(survey_events(retail))
    assert found["lines"] == 541_909
    assert (found["users"], found["items"]) == (4_372, 4_070)
    words_for_missing = 47 + 4  # descriptions "?" and "missing"
    assert (found["missing_user"], found["missing_text"]) == (135_080, 1_454 + words_for_missing)
    assert (found["cancelled"], found["negative_quantity"]) == (9_288, 10_624)
    assert (found["zero_price"], found["negative_price"]) == (2_515, 2)
    assert found["duplicates"] == 5_268


@pytest.mark.data
def test_the_cleaned_retail_log_holds_only_purchases_of_known_customers(retail: Events) -> None:
    done = clean_events(retail, CleaningConfig(min_user_events=5, min_item_events=5))
    view, database = done.events.table, done.events.connection
    assert sum(one["dropped"] for one in done.rules) == 541_909 - done.events.count_events()
    odd = "quantity <= 0 OR price <= 0 OR \"user\" IS NULL OR starts_with(\"order\", 'C') OR text = 'POSTAGE'"
    assert database.sql(f"SELECT count(*) FROM {view} WHERE {odd}").fetchall() == [(0,)]
    texts = f"SELECT max(n) FROM (SELECT count(DISTINCT text) AS n FROM {view} GROUP BY item)"
    assert database.sql(texts).fetchall() == [(1,)]
    quantities = next(one for one in done.rules if one["rule"] == "quantity_outlier")["examples"]
    assert {one["quantity"] for one in quantities} >= {74_215, 80_995}
