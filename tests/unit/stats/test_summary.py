"""The sentence at the top says what the figures say."""

import numpy as np
import pytest

from leaven.errors import DataError
from leaven.stats import Question, as_facts, compare, compare_runs, headline, words
from unit.stats.worlds import world

QUICK = Question("ndcg@10", key=7, draws=400, flips=400)


def test_the_best_arm_is_named_with_its_interval() -> None:
    comparison = compare(world(1, {"repeat": 0.0, "crop": 0.4, "mask": 0.2}), QUICK)
    best = comparison.effects[1]
    assert headline(comparison).startswith("“crop” helped: NDCG@10 is ")
    assert f"{100 * best.low:.1f} %" in headline(comparison)
    assert any("“mask”" in sentence for sentence in words(comparison))


def test_help_that_repeating_rows_gives_too_is_not_sold_as_more() -> None:
    comparison = compare(world(1, {"repeat": 0.4, "crop": 0.4}), QUICK)
    assert "not shown to be more than repeating" in headline(comparison)


def test_the_control_alone_is_no_good_news() -> None:
    comparison = compare(world(1, {"repeat": 0.4, "crop": 0.0}), QUICK)
    assert headline(comparison).startswith("Not enough data")
    assert any(sentence.startswith("Repeating as many real rows: helped") for sentence in words(comparison))


def test_harm_is_said_when_nothing_helped() -> None:
    assert "“crop” harmed" in headline(compare(world(1, {"crop": -0.4}), QUICK))


def test_nothing_is_said_to_be_nothing() -> None:
    values = world(1, {}, users=2000)
    values["crop"] = values["baseline"].copy()
    assert headline(compare(values, QUICK)) == "Nothing made a difference of 1.0 % or more in NDCG@10."


def test_too_little_data_says_what_could_have_been_seen() -> None:
    said = headline(compare(world(1, {"crop": 0.0}, users=100), QUICK))
    assert said.startswith("Not enough data to tell whether the plan changed NDCG@10: 100 users and 3 seeds")


def test_no_plan_is_no_comparison() -> None:
    assert "nothing to compare" in headline(compare(world(1, {}), QUICK))


def test_few_seeds_are_said_to_be_few() -> None:
    assert any("One seed" in s for s in words(compare(world(1, {"a": 0.1}, seeds=1), QUICK)))
    assert any("Two seeds" in s for s in words(compare(world(1, {"a": 0.1}, seeds=2), QUICK)))


def test_a_claim_from_one_seed_is_weakened_in_the_headline_itself() -> None:
    assert "trained once only" in headline(compare(world(1, {"a": 0.5}, seeds=1), QUICK))
    assert "trained once only" in headline(compare(world(1, {"a": -0.5}, seeds=1), QUICK))
    assert "trained once only" not in headline(compare(world(1, {"a": 0.5}, seeds=3), QUICK))


def test_whom_it_helped_is_said() -> None:
    values = world(1, {"a": 0.0}, users=1200)
    short = np.arange(1200) % 2 == 0
    values["a"][:, short] += 0.3
    labels = np.where(short, "short (1-4)", "long (5-9)")
    assert any(
        "“a” helped where the history is short (1-4)" in s for s in words(compare(values, QUICK, {"history": labels}))
    )


def run(world_of: int, lifts: dict[str, float], **others) -> dict:
    facts = {"leaven": "0.1.0", "seed": 7, "repeat": {"fingerprint": "ab"}}
    return facts | {"comparison": as_facts(compare(world(world_of, lifts), QUICK))} | others


def test_two_runs_are_laid_side_by_side() -> None:
    found = compare_runs(run(1, {"a": 0.4, "b": 0.0}), run(1, {"a": 0.4, "c": 0.0}))
    assert [arm.arm for arm in found.arms] == ["baseline", "a"]
    assert found.arms[1].change == pytest.approx(found.arms[1].mean_b / found.arms[1].mean_a - 1)
    assert (list(found.only_a), list(found.only_b)) == (["b"], ["c"])
    assert any("helped in both" in line for line in found.lines)


def test_runs_of_other_data_or_seeds_are_doubted() -> None:
    found = compare_runs(run(1, {"a": 0.1}), run(1, {"a": 0.1}, seed=8, repeat={"fingerprint": "cd"}))
    assert any("fingerprints" in doubt for doubt in found.doubts)
    assert any("seed 7 and 8" in doubt for doubt in found.doubts)


def test_a_run_without_a_comparison_is_refused() -> None:
    with pytest.raises(DataError, match="second run"):
        compare_runs(run(1, {"a": 0.1}), {"name": "unfinished"})
