"""Facts of a comparison of variants: effects, means, and metrics without a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EffectFacts:
    """One variant against another, on one metric, for one group of users. Undefined numbers are None.

    variant, against                names of the variants; `lift` is relative to `against`
    by, segment                     the grouping of the users ("" for all) and the group ("all")
    mean, baseline_mean, difference  means over users and seeds, in the metric's unit
    difference_low, difference_high  95 % interval of the difference
    lift, low, high                 the difference relative to `baseline_mean`, and its 95 % interval
    p_permutation                   two-sided sign-flip p over the users, without the noise of training
    p, p_holm                       p with the noise of training; the same after Holm over its table
    effect_size                     Cohen's d_z
    better, equal, worse            shares of the users
    lift_by_seed                    the lift in each seed alone
    training_noise                  share of the difference's variance that comes from training
    verdict, explanation            the verdict that the figures allow; the effect in one or two sentences
    """

    variant: str
    against: str
    metric: str
    by: str = ""
    segment: str = "all"
    mean: float | None = None
    baseline_mean: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    p_permutation: float | None = None
    p: float | None = None
    p_holm: float | None = None
    effect_size: float | None = None
    better: float | None = None
    equal: float | None = None
    worse: float | None = None
    users: int = 0
    seeds: int = 1
    lift_by_seed: tuple[float | None, ...] = ()
    training_noise: float | None = None
    verdict: str = ""
    explanation: str = ""


@dataclass(frozen=True)
class ComparisonFacts:
    """Comparison of all variants.

    metric, min_effect  the deciding metric, and the smallest relative lift that matters
    draws, flips        samples of the bootstrap and of the permutation
    means               variant -> mean of the deciding metric
    effects             each variant against the baseline
    against_control     each variant against duplicated real rows
    segments            each variant against the baseline, group by group of users
    metrics             metric -> effects of each variant against the baseline, the deciding metric first
    pooled              metric -> variant -> one number for all users, which has no test
    best_possible       value of the deciding metric for a model that knows the simulation; None for real logs
    skipped_groupings   groupings of the users whose groups are all too small to compare
    """

    metric: str
    min_effect: float = 0.0
    baseline: str = "baseline"
    control: str = "repeat"
    draws: int = 0
    flips: int = 0
    means: Mapping[str, float] = field(default_factory=dict)
    effects: tuple[EffectFacts, ...] = ()
    against_control: tuple[EffectFacts, ...] = ()
    segments: tuple[EffectFacts, ...] = ()
    metrics: Mapping[str, tuple[EffectFacts, ...]] = field(default_factory=dict)
    pooled: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    best_possible: float | None = None
    skipped_groupings: tuple[str, ...] = ()

    def list_effects(self, metric: str) -> tuple[EffectFacts, ...]:
        """Effects of all variants on a metric; empty for a metric without a test."""
        return self.effects if metric == self.metric else self.metrics.get(metric, ())
