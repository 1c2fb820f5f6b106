"""What is one effect, and what may be said about it?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from leaven.errors import SpecError

HELPED = "helped"
HARMED = "harmed"
NO_DIFFERENCE = "no difference shown"
TOO_LITTLE = "not enough data to tell"

FEWEST_USERS = 30
"""Below it a bootstrap interval is too short to be trusted, and nothing is claimed."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Question:
    """What is asked of the values, declared before looking at them.

    metric         its name, "ndcg@10"; higher must be better
    smallest_lift  relative: the smallest lift that matters, 0.01 is one per cent of the baseline's mean
    key            every draw of the bootstrap and of the permutation follows from it
    baseline       the arm without a plan
    control        the arm with as many duplicated real rows; absent from the values: no such comparison
    draws, flips   samples of the bootstrap, of the permutation
    """

    metric: str
    smallest_lift: float = 0.01
    key: int = 0
    baseline: str = "baseline"
    control: str = "repeat"
    draws: int = 2000
    flips: int = 10_000

    def __post_init__(self) -> None:
        if not 0 <= self.smallest_lift < 1:
            raise SpecError("evaluate.smallest_lift", "a share in 0..1 (0.01 is 1 %)", repr(self.smallest_lift))
        if min(self.draws, self.flips) < 100:
            raise SpecError("compare", "100 draws and flips or more", f"{self.draws} and {self.flips}")


@dataclass(frozen=True)
class Effect:
    """One arm against another, on one metric, for one group of users.

    arm, against     names of the arms; `lift` is relative to `against`
    metric           the metric's name
    by, segment      what the users are grouped by ("" for all) and which group this is ("all")
    mean, baseline_mean, difference   means over users and seeds, in the metric's own unit
    difference_low, difference_high   95 % interval of the difference
    lift, low, high  the difference relative to `baseline_mean`, and its 95 % interval
    p_permutation    two-sided sign-flip p over the users: as if no other training could have come out
    p, p_holm        the larger of that and a p that knows the noise of training; the same after Holm
                     over all effects of its table
    effect_size      Cohen's d_z: mean of the users' differences over their standard deviation
    better, equal, worse   shares of the users
    users, seeds     how many
    lift_by_seed     the lift in each seed alone
    training_noise   share of the difference's variance that comes from training again, not from the users
    verdict, words   one of the four verdicts, and a sentence for a reader
    """

    arm: str
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
    verdict: str
    words: str

    @property
    def seeds_agree(self) -> bool:
        """Whether no two seeds show lifts of opposite signs."""
        return not (min(self.lift_by_seed) < 0 < max(self.lift_by_seed))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: numbers that are none (a lift over a mean of 0) become null."""
        return {name: _json(value) for name, value in asdict(self).items()}


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def verdict_of(effect: Effect, smallest_lift: float) -> str:
    """The verdict that the figures of an effect allow.

    helped (harmed): the interval lies above (below) 0, the lift is at least the smallest that
    matters, p after Holm is below .05, and no seed points the other way. no difference shown: the whole
    interval lies within the smallest lift. Everything else: not enough data to tell.
    """
    if effect.users < FEWEST_USERS:
        return TOO_LITTLE
    sure = effect.p_holm < SIGNIFICANT and effect.seeds_agree
    if sure and effect.low > 0 and effect.lift >= smallest_lift:
        return HELPED
    if sure and effect.high < 0 and effect.lift <= -smallest_lift:
        return HARMED
    if -smallest_lift <= effect.low and effect.high <= smallest_lift:
        return NO_DIFFERENCE
    return TOO_LITTLE


def percent(share: float, signed: bool = True) -> str:
    """A share for a reader, with a real minus sign.

    >>> percent(0.0213), percent(-0.3), percent(0.01, signed=False)
    ('+2.1 %', '−30.0 %', '1.0 %')
    """
    if not math.isfinite(share):
        return "not defined"
    digits = 1 if abs(share) >= 0.0005 or share == 0 else 2  # a bound just below zero is not "−0.0 %"
    return f"{100 * share:{'+' if signed and share else ''}.{digits}f} %".replace("-", "−")


def shown(metric: str) -> str:
    """The name of a metric for a reader: initials as capitals, words apart.

    >>> shown("ndcg@10"), shown("recall@10"), shown("user_auc")
    ('NDCG@10', 'recall@10', 'user AUC')
    """
    kind, at, length = metric.partition("@")
    words = [word.upper() if word in _INITIALS else word for word in kind.split("_")]
    return f"{' '.join(words)}{at}{length}"


_INITIALS = ("ndcg", "mrr", "map", "auc", "f1")


def sentence(effect: Effect, smallest_lift: float) -> str:
    """The effect in one or two sentences, with what weakens it."""
    what = f"{shown(effect.metric)} {effect.mean:.4f} against {effect.baseline_mean:.4f} of {effect.against}"
    interval = f"95 % interval {percent(effect.low)} to {percent(effect.high)}"
    figures = f"{what}: {percent(effect.lift)}, {interval}, p = {effect.p_holm:.3g} after Holm"
    return " ".join([f"{effect.verdict.capitalize()}: {figures}.", *_weakness(effect, smallest_lift)])


def _weakness(effect: Effect, smallest_lift: float) -> list[str]:
    """Sentences on why the figures say less than they seem to."""
    notes = []
    if effect.users < FEWEST_USERS:
        notes.append(f"Only {effect.users} users: too few for any claim.")
    if effect.seeds == 1:
        notes.append("One seed: the interval covers other users, not another training; use three seeds or more.")
    elif effect.seeds < 3:
        notes.append("Two seeds are few: how much training again would change is known only roughly.")
    if not effect.seeds_agree:
        notes.append("The seeds disagree on the direction.")
    if effect.verdict == TOO_LITTLE and effect.low > 0 and effect.p_holm >= SIGNIFICANT:
        notes.append("Several arms were tried: after Holm the gain may be chance.")
    elif effect.verdict == TOO_LITTLE and effect.low > 0 and effect.lift < smallest_lift:
        notes.append(f"A gain is likely, but smaller than the {percent(smallest_lift, False)} declared to matter.")
    elif effect.verdict == NO_DIFFERENCE:
        notes.append(f"A lift of {percent(smallest_lift, False)} either way can be ruled out.")
    return notes
