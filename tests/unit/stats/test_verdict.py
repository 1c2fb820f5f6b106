"""Headline and summary state the figures."""

import numpy as np
import pytest

from leaven.errors import DataError
from leaven.facts import ReproductionFacts, RunFacts
from leaven.stats import ComparisonConfig, build_facts, build_headline, build_summary, compare_runs, compare_variants
from unit.stats.worlds import world

QUICK = ComparisonConfig("ndcg@10", key=7, n_draws=400, n_flips=400)


def test_the_best_arm_is_named_with_its_interval() -> None:
    comparison = compare_variants(world(1, {"repeat": 0.0, "crop": 0.4, "mask": 0.2}), QUICK)
    best = comparison.effects[1]
    assert build_headline(comparison).startswith("“crop” helped: NDCG@10 is ")
    assert f"{100 * best.low:.1f} %" in build_headline(comparison)
    assert any("“mask”" in sentence for sentence in build_summary(comparison))


def test_a_gain_no_larger_than_that_of_the_control_is_stated() -> None:
    comparison = compare_variants(world(1, {"repeat": 0.4, "crop": 0.4}), QUICK)
    assert "not shown to be more than repeating" in build_headline(comparison)


def test_the_control_alone_is_no_success() -> None:
    comparison = compare_variants(world(1, {"repeat": 0.4, "crop": 0.0}), QUICK)
    assert build_headline(comparison).startswith("Not enough data")
    assert any(sentence.startswith("Repeating real rows: helped") for sentence in build_summary(comparison))


def test_harm_is_reported_when_nothing_helped() -> None:
    assert "“crop” harmed" in build_headline(compare_variants(world(1, {"crop": -0.4}), QUICK))


def test_no_difference_is_reported() -> None:
    values = world(1, {}, users=2000)
    values["crop"] = values["baseline"].copy()
    assert build_headline(compare_variants(values, QUICK)) == "Nothing made a difference of 1.0 % or more in NDCG@10."


def test_too_little_data_reports_the_detectable_lift() -> None:
    said = build_headline(compare_variants(world(1, {"crop": 0.0}, users=100), QUICK))
    assert said.startswith("Not enough data to tell whether the plan changed NDCG@10: 100 users and 3 seeds")


def test_no_plan_is_no_comparison() -> None:
    assert "nothing to compare" in build_headline(compare_variants(world(1, {}), QUICK))


def test_few_seeds_are_reported() -> None:
    assert any("One seed" in s for s in build_summary(compare_variants(world(1, {"a": 0.1}, seeds=1), QUICK)))
    assert any("Two seeds" in s for s in build_summary(compare_variants(world(1, {"a": 0.1}, seeds=2), QUICK)))


def test_a_claim_from_one_seed_is_weakened_in_the_headline_itself() -> None:
    assert "trained once only" in build_headline(compare_variants(world(1, {"a": 0.5}, seeds=1), QUICK))
    assert "trained once only" in build_headline(compare_variants(world(1, {"a": -0.5}, seeds=1), QUICK))
    assert "trained once only" not in build_headline(compare_variants(world(1, {"a": 0.5}, seeds=3), QUICK))


def test_the_summary_names_segments_that_benefit() -> None:
    values = world(1, {"a": 0.0}, users=1200)
    short = np.arange(1200) % 2 == 0
    values["a"][:, short] += 0.3
    labels = np.where(short, "short (1-4)", "long (5-9)")
    assert any(
        "“a” helped where the history is short (1-4)" in s
        for s in build_summary(compare_variants(values, QUICK, {"history": labels}))
    )


def run(world_of: int, lifts: dict[str, float], seed: int = 7, fingerprint: str = "ab") -> RunFacts:
    comparison = build_facts(compare_variants(world(world_of, lifts), QUICK))
    reproduction = ReproductionFacts(fingerprint=fingerprint)
    return RunFacts("x", "0.1.0", seed, comparison=comparison, reproduction=reproduction)


def test_two_runs_are_compared_by_variant() -> None:
    found = compare_runs(run(1, {"a": 0.4, "b": 0.0}), run(1, {"a": 0.4, "c": 0.0}))
    assert [one.variant for one in found.variants] == ["baseline", "a"]
    change = found.variants[1]
    assert change.change == pytest.approx(change.second.mean / change.first.mean - 1)
    assert (list(found.only_first), list(found.only_second)) == (["b"], ["c"])
    assert any("helped in both" in line for line in found.lines)


def test_other_data_or_seeds_give_warnings() -> None:
    found = compare_runs(run(1, {"a": 0.1}), run(1, {"a": 0.1}, seed=8, fingerprint="cd"))
    assert any("fingerprints" in doubt for doubt in found.warnings)
    assert any("seed 7 and 8" in doubt for doubt in found.warnings)


def test_a_run_without_a_comparison_raises_an_error() -> None:
    with pytest.raises(DataError, match="second run"):
        compare_runs(run(1, {"a": 0.1}), RunFacts("unfinished"))
