"""Corruption of simulated logs in known amounts."""

import numpy as np
import pytest

from leaven import rng
from leaven.errors import SpecError
from leaven.simulator.corruption import MISSING, Corruption, add_bots, add_stray_views, corrupt_lines, misspell_word

N = 2000


def build_lines(n: int = N) -> dict[str, np.ndarray]:
    """Distinct lines in time order."""
    return {
        "user": np.arange(n) % 97,
        "item": np.arange(n) % 31 + 1,
        "time": 1_600_000_000 + 60 * np.arange(n),
        "kind": np.zeros(n, np.int64),
        "quantity": np.ones(n, np.int64),
        "price": np.full(n, 2.5),
    }


def test_no_corruption_changes_nothing() -> None:
    lines, facts = corrupt_lines(build_lines(), Corruption(), rng.make_generator(1))
    for name, column in build_lines().items():
        np.testing.assert_array_equal(lines[name], column)
    assert not any(facts.values())


def test_the_facts_count_what_is_in_the_lines() -> None:
    config = Corruption(missing_user=0.05, missing_item=0.02, missing_time=0.01, duplicates=0.1, price_outliers=0.04)
    lines, facts = corrupt_lines(build_lines(), config, rng.make_generator(1))
    assert facts["missing_user"] == 100 == (lines["user"] == MISSING).sum()
    assert facts["missing_item"] == 40 == (lines["item"] == MISSING).sum()
    assert facts["missing_time"] == 20 == (lines["time"] == MISSING).sum()
    assert facts["price_outliers"] == 80 == ((lines["price"] < 0) | (lines["price"] > 1000)).sum()
    assert facts["duplicates_planted"] == 200 == len(lines["time"]) - N
    assert facts["duplicates"] >= 200


def test_the_input_is_not_changed() -> None:
    columns = build_lines()
    for column in columns.values():
        column.setflags(write=False)
    corrupt_lines(columns, Corruption.typical(), rng.make_generator(1))


def test_exchanged_times_are_the_same_times_elsewhere() -> None:
    lines, facts = corrupt_lines(build_lines(), Corruption(shuffled_times=0.1), rng.make_generator(1))
    before = build_lines()["time"]
    assert (lines["time"] != before).sum() == facts["shuffled_times"] == 200
    np.testing.assert_array_equal(np.sort(lines["time"]), before)


def test_a_world_without_prices_has_no_price_outliers() -> None:
    columns = build_lines() | {"price": np.full(N, np.nan)}
    lines, facts = corrupt_lines(columns, Corruption(price_outliers=0.1), rng.make_generator(1))
    assert facts["price_outliers"] == 0
    assert np.isnan(lines["price"]).all()


def test_bots_have_400_events_each_one_per_second() -> None:
    columns = build_lines() | {"catalog_price": np.arange(32.0)}
    lines, facts = add_bots(columns, users=97, n_items=31, share=0.02, generator=rng.make_generator(1))
    assert facts == {"bots": 2, "bot_lines": 800}
    assert (np.diff(lines["time"]) >= 0).all()
    for bot in (97, 98):
        own = lines["user"] == bot
        assert np.diff(lines["time"][own]).tolist() == [1] * 399
        np.testing.assert_array_equal(lines["price"][own], lines["item"][own].astype(float))


def test_no_share_of_bots_adds_none() -> None:
    columns = build_lines()
    assert add_bots(columns, 97, 31, 0.0, rng.make_generator(1))[0] is columns


@pytest.mark.parametrize("word", ["ab", "aa", "lamps", "kitchen"])
def test_a_misspelled_word_is_one_edit_away_and_another_word(word: str) -> None:
    for key in range(30):
        typo = misspell_word(word, rng.make_generator(key))
        assert typo != word
        assert abs(len(typo) - len(word)) <= 1


@pytest.mark.parametrize("fields", [{"duplicates": 1.5}, {"bots": -0.1}, {"missing_user": 0.6, "duplicates": 0.5}])
def test_impossible_shares_are_refused(fields) -> None:
    with pytest.raises(SpecError, match="corruption"):
        Corruption(**fields)


def test_accidental_views_are_of_released_items_and_of_a_known_number() -> None:
    born = np.concatenate([[0], 1_600_000_000 + 60 * 60 * np.arange(31)])
    columns = build_lines() | {"kind": np.full(N, 2), "catalog_price": np.ones(32)}
    lines, facts = add_stray_views(columns, born, 1.5, rng.make_generator(1))
    is_stray = lines["kind"] == 0
    assert facts["stray_views"] == 3000 == is_stray.sum()
    assert (born[lines["item"][is_stray]] <= lines["time"][is_stray]).all()
    assert (np.diff(lines["time"]) >= 0).all()


def test_no_accidental_views_change_nothing() -> None:
    columns = build_lines()
    lines, facts = add_stray_views(columns, np.zeros(32, np.int64), 0.0, rng.make_generator(1))
    assert lines is columns
    assert facts["stray_views"] == 0
