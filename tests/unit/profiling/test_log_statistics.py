"""Health: the figures of a small log counted by hand."""

import json

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.profiling.log_statistics import MAX_CURVE_POINTS, compute_gini, compute_log_statistics

DAY = 86_400


def test_statistics_of_a_small_log() -> None:
    rows = [[1, 1, 2, 3], [1], [2, 1]]
    times = [[0, 0, 3600, DAY], [5], [DAY, DAY]]
    facts = compute_log_statistics(Histories.from_lists(rows, 5, times))
    assert (facts["users"], facts["items"], facts["events"]) == (3, 3, 7)
    assert facts["density"] == round((3 + 1 + 2) / (3 * 3), 6)
    assert (facts["median_length"], facts["longest"], facts["users_with_one_event"]) == (2.0, 4, 1)
    assert facts["repeat_share"] == round(1 / 7, 6)
    assert facts["tie_share"] == round((2 + 2) / 7, 6)
    assert (facts["first_day"], facts["last_day"]) == ("1970-01-01", "1970-01-02")
    assert facts["length_histogram"] == {"1": 1, "2": 1, "4": 1}
    assert facts["popularity"] == [[1, 4], [2, 2], [3, 1]]
    assert facts["per_day"] == [["1970-01-01", 4], ["1970-01-02", 3]]
    assert (facts["hours"]["0"], facts["hours"]["1"]) == (6, 1)
    assert facts["gini_of_items"] == round(2 * (3 * 4 + 2 * 2 + 1 * 1) / (3 * 7) - 4 / 3, 4)


def test_gini_is_the_mean_difference_over_twice_the_mean() -> None:
    counts = np.sort(rng.make_generator(3).integers(1, 50, 40))[::-1]
    mean_difference = np.abs(counts[:, None] - counts).mean()
    assert compute_gini(counts) == pytest.approx(mean_difference / (2 * counts.mean()), rel=1e-12)


def test_dates_have_no_hours_and_long_popularity_curves_are_thinned() -> None:
    items = list(range(1, 3001))
    facts = compute_log_statistics(Histories.from_lists([items, [1, 1]], 3000, [[0] * 3000, [DAY, DAY]]))
    assert "hours" not in facts
    assert len(facts["popularity"]) <= MAX_CURVE_POINTS
    assert (facts["popularity"][0], facts["popularity"][-1]) == ([1, 3], [3000, 1])
    assert json.loads(json.dumps(facts)) == facts


def test_an_empty_log_has_statistics() -> None:
    facts = compute_log_statistics(Histories.from_lists([], 5))
    assert (facts["users"], facts["events"], facts["density"], facts["popularity"]) == (0, 0, 0.0, [])
