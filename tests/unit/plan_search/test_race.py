"""Races with known gains: what leads, what leaves, what fails, what the budget allows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from leaven.augmentation import Plan
from leaven.errors import DataError, SpecError
from leaven.plan_search.budget import TimeBudget
from leaven.plan_search.candidates import Candidate, NumberRange, Rung, Score
from leaven.plan_search.race import Race, RaceConfig
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.popularity import Popularity
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.selected_kinds import SelectedKinds
from leaven.recommenders.time_linear import TimeLinear
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop

BASE = Candidate("item_knn", ItemKnn())
CONTROL = Candidate("repeat", ItemKnn())


@dataclass
class KnownGains:
    """Scores of 2,000 users around .1; each candidate adds its gain, with noise of users and of training."""

    gains: dict[str, float]
    key: int = 0
    training_noise: float = 0.0005
    seconds: float = 1.0
    fails: frozenset[str] = frozenset()
    asked: list[tuple[str, int, float]] = field(default_factory=list)

    def score(self, candidate: Candidate, seed: int, fraction: float) -> Score:
        self.asked.append((candidate.name, seed, fraction))
        if candidate.name in self.fails:
            raise DataError("candidate", "texts", "none")
        users = np.random.default_rng(self.key).normal(0.1, 0.2, 2000)
        own = np.random.default_rng([self.key, *candidate.name.encode(), seed])
        change = self.gains.get(candidate.name, 0.0) * fraction + own.normal(0, 0.05, 2000)
        return Score(users + change + own.normal(0, self.training_noise), self.seconds)

    def estimate_seconds(self, candidate: Candidate, fraction: float) -> float:
        return self.seconds

    def is_deterministic(self, candidate: Candidate) -> bool:
        return False


def race(scorer: KnownGains, names: list[str], config: RaceConfig | None = None, seconds: float = 1e6):
    runner = Race(scorer, BASE, CONTROL, config or RaceConfig(n_tuned=0, n_combined=0), TimeBudget(seconds))
    return runner.run([Candidate(name, ItemKnn()) for name in names])


def test_a_planted_gain_of_a_fifth_wins_nearly_always() -> None:
    wins = 0
    for key in range(20):
        chosen = race(KnownGains({"good": 0.02, "bad": -0.02}, key), ["a", "good", "b", "bad", "c"]).chosen
        wins += chosen is not None and chosen.name == "good"
    assert wins >= 17


def test_what_is_behind_with_confidence_leaves_in_the_first_round_and_says_why() -> None:
    scorer = KnownGains({"good": 0.02, "bad": -0.05})
    result = race(scorer, ["good", "bad"])
    (last,) = [one for one in result.standings if one.name == "bad"]
    assert (last.status, last.note) == ("leaves", "behind the leader")
    assert ("bad", 0, 1.0) not in scorer.asked


def test_what_is_as_good_as_the_baseline_leaves_without_being_called_harmful() -> None:
    result = race(KnownGains({"good": 0.05}), ["good", "same"])
    (last,) = [one for one in result.standings if one.name == "same"]
    assert (last.status, last.note) == ("leaves", "behind the leader")


def test_what_is_below_the_baseline_with_confidence_is_named_as_harmful() -> None:
    result = race(KnownGains({"bad": -0.3}), ["bad", "same"])
    (last,) = [one for one in result.standings if one.name == "bad"]
    assert (last.status, last.note) == ("harms", "below the baseline with confidence")


def test_a_recommender_that_holds_the_baseline_takes_the_other_one_in() -> None:
    outer = Candidate("only purchases", SelectedKinds(BASE.recommender, (1,)), recipe="behaviors")
    inner = Candidate("fusion", RankFusion(BASE.recommender, TimeLinear()), recipe="fusion")
    both = outer.combine(inner, BASE.recommender)
    assert both is not None
    assert both.recommender == SelectedKinds(inner.recommender, (1,))
    changed = outer.combine(Candidate("few", ItemKnn(max_events=2)), BASE.recommender)
    assert changed is not None
    assert changed.recommender == SelectedKinds(ItemKnn(max_events=2), (1,))


def test_baseline_and_control_run_in_every_round_and_are_never_chosen() -> None:
    result = race(KnownGains({"repeat": 0.05, "a": -0.01}), ["a", "b"])
    for name in ("item_knn", "repeat"):
        assert [one.rung for one in result.standings if one.name == name] == [1, 2, 3, 4]
    assert result.chosen is None or result.chosen.name not in ("item_knn", "repeat")


def test_at_most_a_third_of_the_candidates_enter_the_next_round() -> None:
    scorer = KnownGains({})
    race(scorer, [f"c{number}" for number in range(12)])
    in_round = [
        len({name for name, _, part in scorer.asked if part == fraction} - {"item_knn", "repeat"})
        for fraction in (0.1, 0.3, 1.0)
    ]
    assert in_round[0] == 12
    assert in_round[1] <= 4
    assert in_round[2] <= 2


def test_a_candidate_that_fails_is_named_and_the_race_goes_on() -> None:
    result = race(KnownGains({"good": 0.02}, fails=frozenset({"broken"})), ["broken", "good"])
    assert result.chosen is not None
    assert next(one.note for one in result.standings if one.status == "failed").startswith("DataError")


def test_a_baseline_that_fails_is_an_error() -> None:
    with pytest.raises(DataError, match="baseline"):
        race(KnownGains({}, fails=frozenset({"item_knn"})), ["a"])


def test_without_time_only_the_baseline_is_trained() -> None:
    result = race(KnownGains({"good": 0.1}, seconds=10.0), ["good"], seconds=1.0)
    assert result.chosen is None
    assert {one.status for one in result.standings if one.name == "good"} == {"no time"}


def test_two_candidates_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="unique"):
        race(KnownGains({}), ["a", "a"])


def test_tuning_finds_the_better_settings_of_a_leader() -> None:
    def build(values) -> Candidate:
        name = f"lag {values['power']:.4f}"
        scorer.gains[name] = 0.02 - abs(values["power"] - 0.7) * 0.05
        return Candidate(name, ItemKnn(lag_power=values["power"]), recipe="lag")

    scorer = KnownGains({"lag": 0.003}, training_noise=0.0)
    first = Candidate("lag", ItemKnn(), recipe="lag", space={"power": NumberRange(0.1, 1.0)}, build=build)
    pytest.importorskip("optuna")
    config = RaceConfig((Rung(1.0, 1),), n_tuned=8, n_combined=0)
    result = Race(scorer, BASE, None, config, TimeBudget(1e6)).run([first])
    assert result.chosen is not None
    assert result.chosen.recommender.lag_power == pytest.approx(0.7, abs=0.2)  # type: ignore[attr-defined]


def test_two_leaders_are_tried_together() -> None:
    one = Candidate("lag", ItemKnn(lag_power=0.9), recipe="lag")
    other = Candidate("crop", ItemKnn(), Plan([Crop()]), recipe="crop")
    scorer = KnownGains({"lag": 0.01, "crop": 0.01, "lag + crop": 0.03, "crop + lag": 0.03})
    config = RaceConfig((Rung(1.0, 2),), n_tuned=0)
    result = Race(scorer, BASE, None, config, TimeBudget(1e6)).run([one, other])
    assert result.chosen is not None
    assert result.chosen.recommender == ItemKnn(lag_power=0.9)
    assert [type(step.use) for step in result.chosen.plan.steps] == [Crop]


def test_candidates_that_contradict_each_other_do_not_combine() -> None:
    base = ItemKnn()
    one, other = Candidate("a", ItemKnn(lag_power=0.9)), Candidate("b", ItemKnn(lag_power=0.8))
    assert one.combine(other, base) is None
    assert one.combine(Candidate("c", Popularity()), base) is None
    both = Candidate("d", base, Plan([Crop()])).combine(Candidate("e", base, Plan([Drop()])), base)
    assert both is not None
    assert len(both.plan.steps) == 2


def test_races_without_any_gain_choose_rarely_enough_for_one_test_to_decide() -> None:
    chosen = sum(race(KnownGains({}, key), ["a", "b", "c", "d"]).chosen is not None for key in range(40))
    assert chosen < 40
