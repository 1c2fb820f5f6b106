"""The effect of one variant: its figures, verdict and explanation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaven.errors import SpecError
from leaven.facts import EffectFacts, to_json

HELPED = "helped"
HARMED = "harmed"
NO_DIFFERENCE = "no difference shown"
NOT_ENOUGH_DATA = "not enough data to tell"

MIN_USERS = 30
"""Minimum number of users for a claim; bootstrap intervals of fewer are too short."""
ALPHA = 0.05


@dataclass(frozen=True)
class ComparisonConfig:
    """Parameters of a comparison, declared before the values are known.

    metric            its name, "ndcg@10"; higher must be better
    min_effect        relative: the smallest lift that matters, 0.01 is one per cent of the baseline's mean
    key               seeds every draw of the bootstrap and of the permutation
    baseline          the variant without a plan
    control           the variant with duplicated real rows; no such comparison if absent from the values
    n_draws, n_flips  samples of the bootstrap, of the permutation
    """

    metric: str
    min_effect: float = 0.01
    key: int = 0
    baseline: str = "baseline"
    control: str = "repeat"
    n_draws: int = 2000
    n_flips: int = 10_000

    def __post_init__(self) -> None:
        if not 0 <= self.min_effect < 1:
            raise SpecError("evaluate.min_effect", "a share in 0..1 (0.01 is 1 %)", repr(self.min_effect))
        if min(self.n_draws, self.n_flips) < 100:
            raise SpecError("compare", "100 draws and flips or more", f"{self.n_draws} and {self.n_flips}")


@dataclass(frozen=True)
class Effect:
    """One variant against another, on one metric, for one group of users.

    variant, against                names of the variants; `lift` is relative to `against`
    metric                          the metric's name
    by, segment                     the grouping of the users ("" for all) and the group ("all")
    mean, baseline_mean, difference  means over users and seeds, in the metric's unit
    difference_low, difference_high  95 % interval of the difference
    lift, low, high                 the difference relative to `baseline_mean`, and its 95 % interval
    p_permutation                   two-sided sign-flip p over the users, without the noise of training
    p, p_holm                       the larger of that and a p that includes the noise of training; the same after Holm
                                    over all effects of its table (equal to p for a single effect)
    effect_size                     Cohen's d_z: mean of the users' differences over their standard deviation
    better, equal, worse            shares of the users
    users, seeds                    numbers of users and seeds
    lift_by_seed                    the lift in each seed alone
    training_noise                  share of the difference's variance that comes from training, not from the users
    min_effect                      relative: the smallest lift that matters
    """

    variant: str
    against: str
    metric: str
    by: str
    segment: str
    mean: float
    baseline_mean: float
    difference: float
    difference_low: float
    difference_high: float
    lift: float
    low: float
    high: float
    p_permutation: float
    p: float
    p_holm: float
    effect_size: float
    better: float
    equal: float
    worse: float
    users: int
    seeds: int
    lift_by_seed: tuple[float, ...]
    training_noise: float
    min_effect: float

    @property
    def seeds_agree(self) -> bool:
        """Whether no two seeds have lifts of opposite signs."""
        return not (min(self.lift_by_seed) < 0 < max(self.lift_by_seed))

    @property
    def verdict(self) -> str:
        """The verdict that the figures allow.

        helped (harmed): the interval is above (below) 0, the lift is at least the smallest that matters, p after Holm
        is below .05, and no seed has the opposite sign. no difference shown: the whole interval is within the
        smallest lift. Otherwise: not enough data to tell.
        """
        if self.users < MIN_USERS:
            return NOT_ENOUGH_DATA
        is_clear = self.p_holm < ALPHA and self.seeds_agree and abs(self.lift) >= self.min_effect
        if is_clear and self.low > 0:
            return HELPED
        if is_clear and self.high < 0:
            return HARMED
        is_within = -self.min_effect <= self.low and self.high <= self.min_effect
        return NO_DIFFERENCE if is_within else NOT_ENOUGH_DATA

    @property
    def explanation(self) -> str:
        """The effect in one or two sentences, with its limitations."""
        means = f"{format_metric_name(self.metric)} {self.mean:.4f} against {self.baseline_mean:.4f} of {self.against}"
        interval = f"95 % interval {format_percent(self.low)} to {format_percent(self.high)}"
        figures = f"{means}: {format_percent(self.lift)}, {interval}, p = {self.p_holm:.3g} after Holm"
        return " ".join([f"{self.verdict.capitalize()}: {figures}.", *_list_limitations(self)])

    def to_facts(self) -> EffectFacts:
        """The effect for reports; undefined numbers (a lift over a mean of 0) become None."""
        figures = to_json(self)
        del figures["min_effect"]
        figures["lift_by_seed"] = tuple(figures["lift_by_seed"])
        return EffectFacts(**figures, verdict=self.verdict, explanation=self.explanation)


def format_percent(share: float, signed: bool = True) -> str:
    """Return a share as a percentage with a real minus sign.

    >>> format_percent(0.0213), format_percent(-0.3), format_percent(0.01, signed=False)
    ('+2.1 %', '−30.0 %', '1.0 %')
    """
    if not math.isfinite(share):
        return "not defined"
    digits = 1 if abs(share) >= 0.0005 or share == 0 else 2  # avoids "−0.0 %" for a bound just below zero
    return f"{100 * share:{'+' if signed and share else ''}.{digits}f} %".replace("-", "−")


def format_metric_name(metric: str) -> str:
    """Return the display name of a metric: abbreviations in capitals, underscores as spaces.

    >>> format_metric_name("ndcg@10"), format_metric_name("recall@10"), format_metric_name("user_auc")
    ('NDCG@10', 'recall@10', 'user AUC')
    """
    kind, at, length = metric.partition("@")
    words = [word.upper() if word in _INITIALS else word for word in kind.split("_")]
    return f"{' '.join(words)}{at}{length}"


_INITIALS = ("ndcg", "mrr", "map", "auc", "f1")


def _list_limitations(effect: Effect) -> list[str]:
    """Return sentences on the limitations of the figures."""
    is_open_gain = effect.verdict == NOT_ENOUGH_DATA and effect.low > 0
    least = format_percent(effect.min_effect, False)
    notes = {
        f"Only {effect.users} users: too few for any claim.": effect.users < MIN_USERS,
        "One seed: the interval covers other users, not another training; use three seeds or more.": effect.seeds == 1,
        "Two seeds are few: the noise of training is estimated only roughly.": effect.seeds == 2,
        "The seeds disagree on the direction.": not effect.seeds_agree,
        "Several variants were tried: after Holm the gain may be chance.": is_open_gain and effect.p_holm >= ALPHA,
        f"A gain is likely, but smaller than the declared minimum of {least}.": is_open_gain
        and effect.p_holm < ALPHA
        and effect.lift < effect.min_effect,
        f"A lift of {least} either way can be ruled out.": effect.verdict == NO_DIFFERENCE,
    }
    return [note for note, applies in notes.items() if applies]
