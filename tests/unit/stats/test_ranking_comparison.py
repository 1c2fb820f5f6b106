"""Comparisons detect planted effects and make few false claims."""

import json

import numpy as np
import pytest

from leaven.errors import DataError, SpecError
from leaven.facts import ComparisonFacts, from_json, to_json
from leaven.stats import (
    HARMED,
    HELPED,
    NO_DIFFERENCE,
    NOT_ENOUGH_DATA,
    ComparisonConfig,
    build_facts,
    compare_variants,
    pool_small_groups,
)
from unit.stats.worlds import world

QUICK = ComparisonConfig("ndcg@10", min_effect=0.01, key=7, n_draws=400, n_flips=400)
TRIALS = 200


def false_claims(seeds: int, training: float, min_effect: float = 0.0) -> float:
    """Share of worlds without any effect in which at least one of three arms is said to have helped."""
    claims = 0
    for trial in range(TRIALS):
        question = ComparisonConfig("m", min_effect=min_effect, key=trial, n_draws=400, n_flips=400)
        values = world(trial, {"a": 0.0, "b": 0.0, "c": 0.0}, seeds=seeds, training=training)
        claims += any(effect.verdict == HELPED for effect in compare_variants(values, question).effects)
    return claims / TRIALS


@pytest.mark.parametrize(("seeds", "training"), [(3, 0.0), (3, 1.0), (3, 3.0), (2, 1.0), (5, 1.0)])
def test_false_claims_among_three_useless_variants_are_at_most_six_percent(seeds, training) -> None:
    assert false_claims(seeds, training) <= 0.06


def plain_interval(values: dict[str, np.ndarray], trial: int) -> tuple[float, float]:
    """What the field does: seeds drawn with replacement, then users."""
    chance = np.random.default_rng(trial)
    difference = values["a"] - values["baseline"]
    seeds, users = difference.shape
    drawn_seeds = chance.integers(0, seeds, (300, seeds))
    drawn_users = chance.integers(0, users, (300, users))
    means = [difference[s][:, u].mean() for s, u in zip(drawn_seeds, drawn_users, strict=True)]
    return tuple(np.quantile(means, [0.025, 0.975]))


def test_resampling_three_seeds_alone_has_too_low_coverage() -> None:
    plain, ours = [], []
    for trial in range(100):
        values = world(trial, {"a": 0.0}, seeds=3, training=3.0)
        low, high = plain_interval(values, trial)
        effect = compare_variants(values, QUICK).effects[0]
        plain.append(low <= 0 <= high)
        ours.append(effect.difference_low <= 0 <= effect.difference_high)
    assert np.mean(plain) < 0.85
    assert np.mean(ours) > 0.9


def test_one_seed_confuses_training_noise_with_an_effect_and_the_explanation_warns() -> None:
    assert false_claims(1, 3.0) > 0.2  # the trap itself: why three seeds are asked for
    effect = compare_variants(world(1, {"a": 0.5}, seeds=1), QUICK).effects[0]
    assert "not another training" in effect.explanation


def test_a_planted_lift_is_detected() -> None:
    found = [
        compare_variants(world(trial, {"a": 0.2}, training=0.5), QUICK).effects[0].verdict == HELPED
        for trial in range(40)
    ]
    assert np.mean(found) >= 0.9


def test_the_interval_has_nominal_coverage() -> None:
    effects = [compare_variants(world(t, {"a": 0.1, "b": 0.0}, training=1.0), QUICK).effects[0] for t in range(TRIALS)]
    covered = np.mean([effect.difference_low <= 0.1 / 3 <= effect.difference_high for effect in effects])
    assert 0.90 <= covered <= 0.99


def test_figures_match_hand_computed_values() -> None:
    base = np.array([[0.0, 0.5, 1.0, 0.5], [0.0, 0.5, 1.0, 0.5]])
    arm = np.array([[0.5, 0.5, 1.0, 0.0], [0.5, 0.5, 1.0, 0.5]])
    effect = compare_variants({"baseline": base, "a": arm}, QUICK).effects[0]
    assert (effect.mean, effect.baseline_mean) == pytest.approx((4.5 / 8, 4 / 8))
    assert effect.lift == pytest.approx(0.5 / 4)
    assert (effect.better, effect.equal, effect.worse) == (1 / 4, 2 / 4, 1 / 4)
    assert effect.lift_by_seed == pytest.approx((0.0, 0.25))
    assert effect.effect_size == pytest.approx(0.0625 / np.std([0.5, 0, 0, -0.25], ddof=1))
    assert (effect.users, effect.seeds, effect.verdict) == (4, 2, NOT_ENOUGH_DATA)
    assert "Only 4 users" in effect.explanation


def test_pairing_detects_what_unpaired_samples_cannot() -> None:
    chance = np.random.default_rng(1)
    taste = chance.random((1, 400)).repeat(2, axis=0)
    values = {"baseline": taste, "a": taste + 0.02 + chance.normal(0, 0.02, (2, 400))}
    paired = compare_variants(values, QUICK).effects[0]
    shuffled = {"baseline": taste, "a": chance.permutation(values["a"], axis=1)}
    unpaired = compare_variants(shuffled, QUICK).effects[0]
    assert paired.verdict == HELPED
    assert unpaired.verdict == NOT_ENOUGH_DATA
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 5


def test_a_negative_effect_is_harm() -> None:
    assert compare_variants(world(1, {"a": -0.3}), QUICK).effects[0].verdict == HARMED


def test_equal_arms_show_no_difference() -> None:
    values = world(1, {}, users=2000)
    values["a"] = values["baseline"] + np.random.default_rng(2).normal(0, 0.01, values["baseline"].shape)
    effect = compare_variants(values, QUICK).effects[0]
    assert effect.verdict == NO_DIFFERENCE
    assert "ruled out" in effect.explanation


def test_a_significant_gain_below_the_minimum_is_no_help() -> None:
    values = world(1, {}, users=2000)
    values["a"] = values["baseline"] * 1.02
    question = ComparisonConfig("m", min_effect=0.05, key=1, n_draws=400, n_flips=400)
    effect = compare_variants(values, question).effects[0]
    assert effect.low > 0
    assert effect.verdict == NO_DIFFERENCE


def test_disagreeing_seeds_give_no_verdict_of_help() -> None:
    values = world(1, {"a": 0.0, "b": 0.0}, seeds=2, users=3000)
    values["a"] = values["baseline"] + np.array([[0.2], [-0.01]])
    values["b"] = values["baseline"]
    effect = compare_variants(values, QUICK).effects[0]
    assert not effect.seeds_agree
    assert effect.verdict == NOT_ENOUGH_DATA
    assert "seeds disagree" in effect.explanation


def test_segments_show_which_users_benefit() -> None:
    values = world(1, {"a": 0.0}, users=1200)
    cold = np.arange(1200) % 3 == 0
    values["a"][:, cold] += 0.2
    labels = np.where(cold, "cold item", "head item")
    found = {e.segment: e for e in compare_variants(values, QUICK, {"next item": labels}).segments}
    assert list(found) == ["head item", "cold item"]
    assert found["cold item"].verdict == HELPED
    assert found["head item"].verdict != HELPED
    assert (found["cold item"].users, found["head item"].users) == (400, 800)
    assert found["cold item"].by == "next item"


def test_each_variant_is_compared_with_the_control() -> None:
    values = world(1, {"repeat": 0.2, "a": 0.2, "b": 0.5})
    comparison = compare_variants(values, QUICK)
    assert [e.variant for e in comparison.effects] == ["repeat", "a", "b"]
    assert [(e.variant, e.against) for e in comparison.against_control] == [("a", "repeat"), ("b", "repeat")]
    assert [e.verdict for e in comparison.against_control] == [NOT_ENOUGH_DATA, HELPED]


def test_the_same_key_gives_the_same_answer_and_an_arm_s_answer_holds_without_the_others_intervals() -> None:
    values = world(1, {"a": 0.1, "b": 0.0})
    assert compare_variants(values, QUICK) == compare_variants(values, QUICK)
    other = ComparisonConfig("ndcg@10", key=8, n_draws=400, n_flips=400)
    assert compare_variants(values, QUICK).effects[0].low != compare_variants(values, other).effects[0].low


def test_a_baseline_of_zeros_gives_valid_json() -> None:
    values = {"baseline": np.zeros((2, 50)), "a": np.zeros((2, 50)), "b": np.full((2, 50), 0.1)}
    same, more = compare_variants(values, QUICK).effects
    assert (same.lift, same.p, same.verdict) == (0.0, 1.0, NO_DIFFERENCE)
    assert more.to_facts().lift is None
    json.dumps(to_json(build_facts(compare_variants(values, QUICK))), allow_nan=False)


def test_facts_can_be_written_as_json_and_hold_every_metric() -> None:
    values = world(1, {"repeat": 0.0, "a": 0.2}, users=60)
    second = ComparisonConfig("recall@10", key=7, n_draws=400, n_flips=400)
    facts = build_facts(compare_variants(values, QUICK), [compare_variants(values, second)])
    assert list(facts.metrics) == ["ndcg@10", "recall@10"]
    assert facts.effects[1].variant == "a"
    assert from_json(ComparisonFacts, json.loads(json.dumps(to_json(facts), allow_nan=False)), "facts") == facts


def test_small_groups_are_pooled_and_a_single_one_keeps_its_name() -> None:
    labels = np.array(["long"] * 50 + ["short"] * 12 + ["middle"] * 13)
    pooled = pool_small_groups(labels)
    assert pooled.tolist() == ["long"] * 50 + ["groups of fewer than 30 users"] * 25
    assert pool_small_groups(labels[:62]).tolist() == labels[:62].tolist()
    rows = pool_small_groups(labels, users=np.arange(75) % 29)  # many rows, but of few users
    assert np.unique(rows).tolist() == ["groups of fewer than 30 users"]


def test_small_groups_of_users_are_compared_as_one() -> None:
    labels = np.array(["short"] * 280 + ["middle"] * 8 + ["long"] * 12)
    comparison = compare_variants(world(1, {"a": 0.1}), QUICK, {"history": labels})
    assert [(effect.segment, effect.users) for effect in comparison.segments] == [
        ("short", 280),
        ("groups of fewer than 30 users", 20),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"base": v["baseline"]}, "'baseline'"),
        (lambda v: v | {"a": v["a"][:, :-1]}, r"\(3, 300\)"),
        (lambda v: v | {"a": v["a"] * np.nan}, "a number for every user"),
        (lambda v: {arm: table[:, :0] for arm, table in v.items()}, "at least one"),
    ],
)
def test_inconsistent_values_raise_errors(change, message) -> None:
    with pytest.raises(DataError, match=message):
        compare_variants(change(world(1, {"a": 0.0})), QUICK)


def test_labels_of_other_users_raise_an_error() -> None:
    with pytest.raises(DataError, match="300 labels"):
        compare_variants(world(1, {"a": 0.0}), QUICK, {"history": np.array(["short"])})


def test_a_minimum_lift_in_per_cent_raises_an_error() -> None:
    with pytest.raises(SpecError, match=r"0\.01 is 1 %"):
        ComparisonConfig("m", min_effect=1.0)
