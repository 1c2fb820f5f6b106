"""Verdicts, sentences and JSON of one effect."""

import json
import math
from dataclasses import asdict, replace

import pytest

from leaven.errors import SpecError
from leaven.stats.effect import (
    HARMED,
    HELPED,
    NO_DIFFERENCE,
    NOT_ENOUGH_DATA,
    ComparisonConfig,
    Effect,
    format_metric_name,
    format_percent,
)

GAIN = Effect(
    variant="crop",
    against="baseline",
    metric="ndcg@10",
    by="",
    segment="all",
    mean=0.22,
    baseline_mean=0.2,
    difference=0.02,
    difference_low=0.01,
    difference_high=0.03,
    lift=0.1,
    low=0.05,
    high=0.15,
    p_permutation=0.001,
    p=0.002,
    p_holm=0.004,
    effect_size=0.2,
    better=0.4,
    equal=0.4,
    worse=0.2,
    users=1000,
    seeds=3,
    lift_by_seed=(0.08, 0.1, 0.12),
    training_noise=0.3,
    min_effect=0.01,
)
LOSS = replace(GAIN, lift=-0.1, low=-0.15, high=-0.05, lift_by_seed=(-0.1, -0.1, -0.1))
"""A clear gain and a clear loss of 10 %."""


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [
        (GAIN, HELPED),
        (LOSS, HARMED),
        (replace(GAIN, users=29), NOT_ENOUGH_DATA),
        (replace(GAIN, p_holm=0.05), NOT_ENOUGH_DATA),
        (replace(GAIN, lift_by_seed=(0.3, -0.1, 0.1)), NOT_ENOUGH_DATA),
        (replace(GAIN, low=-0.001), NOT_ENOUGH_DATA),
        (replace(GAIN, lift=0.009, low=0.001, high=0.017), NOT_ENOUGH_DATA),
        (replace(GAIN, lift=0.0, low=-0.01, high=0.01), NO_DIFFERENCE),
        (replace(GAIN, lift=0.0, low=-0.011, high=0.01), NOT_ENOUGH_DATA),
        (replace(LOSS, lift=-0.005, low=-0.009, high=-0.001), NO_DIFFERENCE),
        (replace(LOSS, p_holm=0.2), NOT_ENOUGH_DATA),
    ],
)
def test_the_verdict_follows_from_the_figures(effect: Effect, verdict: str) -> None:
    assert effect.verdict == verdict
    assert effect.explanation.startswith(verdict.capitalize())


def test_a_lift_of_exactly_the_minimum_helps() -> None:
    assert replace(GAIN, lift=0.01, low=0.001).verdict == HELPED


@pytest.mark.parametrize(
    ("effect", "sentence"),
    [
        (replace(GAIN, users=12), "Only 12 users"),
        (replace(GAIN, seeds=1, lift_by_seed=(0.1,)), "One seed"),
        (replace(GAIN, seeds=2, lift_by_seed=(0.1, 0.1)), "Two seeds are few"),
        (replace(GAIN, lift_by_seed=(0.3, -0.1, 0.1)), "The seeds disagree"),
        (replace(GAIN, p_holm=0.2), "after Holm the gain may be chance"),
        (replace(GAIN, lift=0.009, low=0.001), "smaller than the declared minimum of 1.0 %"),
        (replace(GAIN, lift=0.0, low=-0.005, high=0.005), "can be ruled out"),
    ],
)
def test_limitations_are_stated(effect: Effect, sentence: str) -> None:
    assert sentence in effect.explanation


def test_a_plain_gain_needs_no_limitation() -> None:
    assert GAIN.explanation.endswith("p = 0.004 after Holm.")


def test_undefined_numbers_become_null_in_json() -> None:
    facts = replace(GAIN, lift=math.inf, low=-math.inf, lift_by_seed=(math.inf, 0.1, 0.1)).to_facts()
    assert facts.lift is None
    assert facts.low is None
    assert facts.lift_by_seed == (None, 0.1, 0.1)
    assert facts.verdict == NOT_ENOUGH_DATA  # the interval is unbounded below
    json.dumps(asdict(facts), allow_nan=False)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (0.5, "+50.0 %"),
        (-0.0004, "−0.04 %"),
        (-0.0006, "−0.1 %"),
        (math.inf, "not defined"),
        (math.nan, "not defined"),
    ],
)
def test_percentages_never_hide_the_sign_of_a_small_number(share: float, text: str) -> None:
    assert format_percent(share) == text


def test_abbreviations_of_metrics_are_in_capitals() -> None:
    names = ["map@5", "f1", "log_loss", "average_precision"]
    assert [format_metric_name(name) for name in names] == ["MAP@5", "F1", "log loss", "average precision"]


@pytest.mark.parametrize("fields", [{"min_effect": 1.0}, {"min_effect": -0.1}, {"n_draws": 99}, {"n_flips": 10}])
def test_impossible_comparisons_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        ComparisonConfig("ndcg@10", **fields)
