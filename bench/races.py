"""Measures how often a plan search is right: false "helped" on null data, and planted gains that it finds.

    python -m bench.races [--races 200] [--users 20000] [--real 40]

Each race has 12 candidates with optimizer steps and four rounds. Values of users look like NDCG@10 of a good
recommender: most are 0. A candidate's values differ from the baseline's for a fifth of the users, and by the noise of
training. In a null race no candidate has a gain; in the others one has a gain of 5 %, some cost 3 %. `--real` races
train item neighbors on random nine tenths of a simulated log, so that no candidate is better in expectation.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.plan_search.budget import TimeBudget
from leaven.plan_search.candidates import Candidate, Rung, Score
from leaven.plan_search.confirmation import confirm_choice
from leaven.plan_search.race import Race, RaceConfig
from leaven.plan_search.ranking_scorer import Origin, RankingScorer, build_origins
from leaven.protocols import FittedRecommender
from leaven.recommenders.item_knn import ItemKnn
from leaven.simulator import Simulator
from leaven.splits import log_splits
from leaven.stats import ComparisonConfig, compare_variants
from leaven.stats.effect import HELPED

N_CANDIDATES, GAIN, LOSS, CHANGED_SHARE = 12, 0.05, -0.03, 0.2
TRAINING_NOISE = 0.005  # of one training, relative to the mean
SEEDS = 3
BASE, CONTROL = Candidate("baseline", ItemKnn()), Candidate("repeat", ItemKnn())


@dataclass
class PlantedScorer:
    """Values with planted gains. gains: name -> relative gain at full effort."""

    gains: Mapping[str, float]
    users: int
    key: int
    trainings: float = 0.0
    asked: set[tuple[str, int, float]] = field(default_factory=set)

    def score(self, candidate: Candidate, seed: int, fraction: float) -> Score:
        """Values of validation users; the cost of a training is its share of the full steps."""
        self.trainings += fraction
        return Score(self.draw_values(candidate.name, seed, fraction, "valid"), fraction)

    def draw_values(self, name: str, seed: int, fraction: float, part: str) -> np.ndarray:
        """float64 (users,): the baseline's values, changed for some users, with the gain and the noise of training."""
        base = _draw_ndcg(rng.make_generator(rng.derive_key(self.key, part)), self.users)
        own = rng.make_generator(rng.derive_key(self.key, part, name))
        noise = rng.make_generator(rng.derive_key(self.key, name, seed))
        values = base.copy()
        if name != "baseline":
            changed = own.random(self.users) < CHANGED_SHARE
            values[changed] = _draw_ndcg(own, int(changed.sum()))
        gain = self.gains.get(name, 0.0) * (0.5 + 0.5 * fraction) + noise.normal(0, TRAINING_NOISE)
        return np.asarray(values * (1 + gain), np.float64)

    def estimate_seconds(self, candidate: Candidate, fraction: float) -> float:
        """Cost of one training."""
        return fraction

    def is_deterministic(self, candidate: Candidate) -> bool:
        """No: trainings differ by seed."""
        return False


def _draw_ndcg(generator: np.random.Generator, users: int) -> np.ndarray:
    ranks = generator.integers(1, 11, users)
    return np.where(generator.random(users) < 0.15, 1 / np.log2(ranks + 1), 0.0)


@dataclass(frozen=True)
class RaceOutcome:
    """chosen: the name, "" for none; helped: whether test users confirm it; cost: in full trainings."""

    chosen: str
    helped: bool
    cost: float


def run_planted_race(key: int, users: int, gain: float) -> RaceOutcome:
    """One race. gain: of the candidate c0; with a gain, a third of the others cost 3 %."""
    names = [f"c{number}" for number in range(N_CANDIDATES)]
    gains = {name: LOSS if gain and number % 3 == 2 else 0.0 for number, name in enumerate(names)} | {"c0": gain}
    scorer = PlantedScorer(gains, users, key)
    config = RaceConfig(n_tuned=0, n_combined=0)
    race = Race(scorer, BASE, None, config, TimeBudget(1e9), key)
    chosen = race.run([Candidate(name, ItemKnn()) for name in names]).chosen
    if chosen is None:
        return RaceOutcome("", False, scorer.trainings)
    values = {
        name: np.stack([scorer.draw_values(name, seed, 1.0, "test") for seed in range(SEEDS)])
        for name in ("baseline", chosen.name)
    }
    effect = compare_variants(values, ComparisonConfig("ndcg@10", key=key)).effects[0]
    return RaceOutcome(chosen.name, effect.verdict == HELPED, scorer.trainings)  # the trained networks are tested


class SubsetScorer(RankingScorer):
    """Trains every candidate on its own random nine tenths of the rows."""

    def train(self, candidate: Candidate, origin: Origin, seed: int, fraction: float = 1.0) -> FittedRecommender:
        """Train on the rows of the candidate."""
        keys = rng.derive_row_keys(rng.derive_key(self.seed, candidate.name), origin.train.row_ids)
        rows = origin.train.take(rng.draw_uniform(keys, 0) < 0.9)
        part = Origin(rows, origin.held_out, origin.tuning)
        return super().train(Candidate(candidate.name, candidate.recommender), part, seed, fraction)

    def evaluate(self, fitted: FittedRecommender, held_out: HeldOut, train: Histories) -> np.ndarray:
        """The metric of the users."""
        return super().evaluate(fitted, held_out, train)


def run_real_race(key: int) -> RaceOutcome:
    """One race of item neighbors on a simulated shop, without any gain in expectation."""
    world = Simulator(users=1500, items=200, days=200, seed=key).build_world()
    split = log_splits.split(world.histories, "time", key)
    scorer = SubsetScorer(build_origins(split, 1), seed=key)
    config = RaceConfig((Rung(1.0, 1),), n_tuned=0, n_combined=0)
    race = Race(scorer, BASE, None, config, TimeBudget(1e9), key)
    chosen = race.run([Candidate(f"c{number}", ItemKnn()) for number in range(6)]).chosen
    if chosen is None:
        return RaceOutcome("", False, 0.0)
    confirmed = confirm_choice(scorer, split, chosen, BASE, 1, 0.01)
    return RaceOutcome(chosen.name, confirmed.lift.verdict == HELPED, 0.0)


def main(arguments: list[str] | None = None) -> None:
    """Print shares of races with their counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=200)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--real", type=int, default=40)
    options = parser.parse_args(arguments)
    null = [run_planted_race(key, options.users, 0.0) for key in range(options.races)]
    false = sum(one.helped for one in null)
    print(
        f"null races: {options.races}; chosen on validation {sum(bool(one.chosen) for one in null)}; "
        f'false "helped" {false} ({false / len(null):.1%}, at most 5 %)'
    )
    planted = [run_planted_race(key, options.users, GAIN) for key in range(options.races)]
    found = sum(one.chosen == "c0" and one.helped for one in planted)
    full = (N_CANDIDATES + 1) * SEEDS
    cost = float(np.mean([one.cost for one in planted])) / full
    print(
        f"races with a gain of {GAIN:.0%}: {options.races}; found and confirmed {found} "
        f"({found / len(planted):.1%}, at least 80 %); "
        f"cost {cost:.0%} of all candidates in full with {SEEDS} seeds (at most 33 %)"
    )
    if options.real:
        real = [run_real_race(key) for key in range(options.real)]
        false = sum(one.helped for one in real)
        print(f'null races of item neighbors: {options.real}; false "helped" {false} ({false / len(real):.1%})')


if __name__ == "__main__":
    main()
