"""The one look at the test users, after the choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leaven import rng
from leaven.metrics.segments import label_user_segments
from leaven.plan_search.candidates import Candidate, Values
from leaven.plan_search.ranking_scorer import Origin, RankingScorer
from leaven.protocols import FittedRecommender
from leaven.splits.log_splits import Split
from leaven.stats import ComparisonConfig, compare_variants
from leaven.stats.effect import Effect

MIN_SEGMENT_USERS = 30
"""Smaller groups of users are left out."""


@dataclass(frozen=True)
class TestLift:
    """Lift of one candidate over the baseline on test users. low, high: 95 % interval; verdict: as in every report."""

    __test__ = False  # no test class

    name: str
    group: str
    mean: float
    baseline_mean: float
    lift: float
    low: float
    high: float
    p: float
    users: int
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts; null where a figure is not defined."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Confirmation:
    """lift: of the chosen candidate; segments: by groups of users; means: name -> mean of the metric on test users;
    fitted: name -> the recommender of the first seed.
    """

    lift: TestLift
    segments: Sequence[TestLift]
    means: Mapping[str, float]
    fitted: Mapping[str, FittedRecommender]


def confirm_choice(
    scorer: RankingScorer, split: Split, chosen: Candidate, baseline: Candidate, n_seeds: int, min_effect: float
) -> Confirmation:
    """Train the chosen candidate and the baseline, and compare them once on the test users.

    The candidates were chosen without the test users, so the comparison needs no correction for the choice.
    """
    origin = Origin(split.train, split.test, split.valid)
    trained = {
        name: _train_seeds(scorer, origin, candidate, n_seeds)
        for name, candidate in (("baseline", baseline), (chosen.name, chosen))
    }
    values = {name: _score_on_test(scorer, split, fitted, n_seeds) for name, fitted in trained.items()}
    config = ComparisonConfig(scorer.metric, min_effect, rng.derive_key(scorer.seed, "confirmation"))
    labels = label_user_segments(split.test, split.train)
    compared = compare_variants(values, config, labels)
    segments = [_describe(effect, f"{effect.by}: {effect.segment}") for effect in compared.segments]
    return Confirmation(
        _describe(compared.effects[0], "all"),
        [one for one in segments if one.users >= MIN_SEGMENT_USERS],
        compared.means,
        {baseline.name: trained["baseline"][0], chosen.name: trained[chosen.name][0]},
    )


def _train_seeds(scorer: RankingScorer, origin: Origin, candidate: Candidate, n_seeds: int) -> list[FittedRecommender]:
    seeds = 1 if scorer.is_deterministic(candidate) else n_seeds
    return [scorer.train_for_test(candidate, origin, seed) for seed in range(seeds)]


def _score_on_test(scorer: RankingScorer, split: Split, fitted: Sequence[FittedRecommender], n_seeds: int) -> Values:
    """float64 (seeds, users); the values of a single deterministic training are repeated."""
    rows = [scorer.evaluate(one, split.test, split.train) for one in fitted]
    return np.broadcast_to(np.stack(rows), (n_seeds, len(rows[0]))).copy()


def _describe(effect: Effect, group: str) -> TestLift:
    return TestLift(
        effect.variant,
        group,
        effect.mean,
        effect.baseline_mean,
        effect.lift,
        effect.low,
        effect.high,
        effect.p_holm,
        effect.users,
        effect.verdict,
    )
