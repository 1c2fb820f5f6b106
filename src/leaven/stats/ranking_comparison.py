"""Did it help, whom, and by how much? One metric, all arms, the same users and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import DataError, nearest
from leaven.stats import resampling_tests
from leaven.stats.effect import Effect, Question, sentence, verdict_of

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """effects: each arm against the baseline. against_control: each arm against as many duplicated
    real rows. segments: each arm against the baseline, group by group. means: arm -> mean."""

    question: Question
    effects: Sequence[Effect]
    against_control: Sequence[Effect] = ()
    segments: Sequence[Effect] = ()
    means: Mapping[str, float] = field(default_factory=dict)


def compare(
    values: Mapping[str, Values],
    question: Question,
    segments: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Comparison:
    """Every arm against the baseline and against the control, for all users and by segment.

    values: arm -> float64 (seeds, users), the same seeds and users in the same order for all arms; higher is better.
    segments: what users are grouped by -> a label per user (users,).

    The interval is a percentile interval of a bootstrap over users with the noise of training added
    (see `statistics`), p that of a sign-flip permutation over users, Holm over the arms of a table. With
    one seed only the users are resampled, and the words say so.

    Raises DataError for a missing baseline, shapes that differ, values that are no numbers.
    """
    _check(values, question, segments or {})
    arms = [question.baseline, *(arm for arm in values if arm != question.baseline)]
    table = np.stack([np.asarray(values[arm], np.float64) for arm in arms])  # (arms, seeds, users)
    everyone = _Group(table, arms, question, "", "all")
    control = question.control if question.control in arms[1:] else None
    others = [arm for arm in arms[1:] if arm != control]
    return Comparison(
        question,
        _judged([everyone.effect(arm, question.baseline) for arm in arms[1:]], question),
        _judged([everyone.effect(arm, control) for arm in others] if control else [], question),
        _judged(list(_by_segment(table, arms, question, segments or {})), question),
        dict(zip(arms, table.mean(axis=(1, 2)).tolist(), strict=True)),
    )


def with_groups(main: Comparison, groups: Mapping[tuple[str, str], Mapping[str, Values]]) -> Comparison:
    """The same comparison with further segments whose values are their own: users may be in several, or in none.

    groups: (what is grouped by, group) -> arm -> float64 (seeds, users of the group). p is corrected by Holm over all
    segments together.
    """
    if not groups:
        return main
    added: list[Effect] = []
    for (by, segment), values in groups.items():
        arms = [main.question.baseline, *(arm for arm in values if arm != main.question.baseline)]
        group = _Group(np.stack([values[arm] for arm in arms]), arms, main.question, by, segment)
        added += [group.effect(arm, main.question.baseline) for arm in arms[1:]]
    return replace(main, segments=_judged([*main.segments, *added], main.question))


def as_facts(
    main: Comparison,
    others: Sequence[Comparison] = (),
    catalog: Mapping[str, Mapping[str, float | None]] | None = None,
) -> dict[str, Any]:
    """The part `comparison` of a run's facts: the main metric, the other metrics beside it.

    catalog: metric -> arm -> one number, for metrics of the whole catalogue, which have no test.
    """
    return {
        "metric": main.question.metric,
        "smallest_lift": main.question.smallest_lift,
        "baseline": main.question.baseline,
        "control": main.question.control,
        "draws": main.question.draws,
        "flips": main.question.flips,
        "means": dict(main.means),
        "effects": [effect.as_dict() for effect in main.effects],
        "against_control": [effect.as_dict() for effect in main.against_control],
        "segments": [effect.as_dict() for effect in main.segments],
        "metrics": {one.question.metric: [effect.as_dict() for effect in one.effects] for one in (main, *others)},
        "catalog": {metric: dict(by_arm) for metric, by_arm in (catalog or {}).items()},
    }


class _Group:
    """One group of users: what is resampled once and used for every pair of arms."""

    def __init__(self, table: Values, arms: Sequence[str], question: Question, by: str, segment: str) -> None:
        self.table, self.arms, self.question, self.by, self.segment = table, list(arms), question, by, segment
        self.key = rng.key(question.key, "compare", question.metric, by, segment)
        self.noise = resampling_tests.training_noise(table)
        self.dealt = resampling_tests.deal(table.mean(axis=1).T, rng.key(self.key, "deal"))
        self.means = resampling_tests.resampled_means(self.dealt, question.draws, rng.key(self.key, "users"))

    def effect(self, arm: str, against: str) -> Effect:
        """The figures of one pair; p after Holm, verdict and words follow when the whole table is known."""
        one, other = self.arms.index(arm), self.arms.index(against)
        n_seeds, users = self.table.shape[1:]
        base = float(self.table[other].mean())
        difference = float(self.table[one].mean()) - base
        by_seed = self.table[[one, other]].mean(axis=2)  # (2, seeds)
        return Effect(
            arm=arm,
            against=against,
            metric=self.question.metric,
            by=self.by,
            segment=self.segment,
            mean=base + difference,
            baseline_mean=base,
            difference=difference,
            lift=float(resampling_tests.relative(np.array(difference), np.array(base))),
            lift_by_seed=tuple(resampling_tests.relative(by_seed[0] - by_seed[1], by_seed[1]).tolist()),
            users=users,
            seeds=n_seeds,
            verdict="",
            words="",
            **self._chance(one, other, rng.key(self.key, arm, against)),
            **self._users(one, other),
        )

    def _chance(self, one: int, other: int, key: int) -> dict[str, float]:
        """Intervals and p: what other users and another training could have shown."""
        n_seeds, draws = self.table.shape[1], self.question.draws
        of_users = self.means[:, one] - self.means[:, other]
        drawn = of_users + resampling_tests.noise_draws(self.noise, n_seeds, draws, rng.key(key, "training"))
        difference_low, difference_high = resampling_tests.interval(drawn)
        low, high = resampling_tests.interval(resampling_tests.relative(drawn, self.means[:, other]))
        difference = float(self.table[one].mean() - self.table[other].mean())
        flipped = self.dealt[:, one] - self.dealt[:, other]
        p_permutation = resampling_tests.sign_flip_p(flipped, self.question.flips, rng.key(key, "flips"))
        return {
            "difference_low": difference_low,
            "difference_high": difference_high,
            "low": low,
            "high": high,
            "p_permutation": p_permutation,
            "p": max(p_permutation, resampling_tests.chance_p(difference, of_users, self.noise, n_seeds)),
            "p_holm": 1.0,
            "training_noise": _share(self.noise.variance * 2 / n_seeds, float(of_users.var())),
        }

    def _users(self, one: int, other: int) -> dict[str, float]:
        """How the users' differences, averaged over the seeds, are spread."""
        per_user = self.table[one].mean(axis=0) - self.table[other].mean(axis=0)
        spread = float(per_user.std(ddof=1)) if len(per_user) > 1 else 0.0
        return {
            "effect_size": float(per_user.mean()) / spread if spread else 0.0,
            "better": float((per_user > 0).mean()),
            "equal": float((per_user == 0).mean()),
            "worse": float((per_user < 0).mean()),
        }


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part else 0.0


def _by_segment(
    table: Values, arms: Sequence[str], question: Question, segments: Mapping[str, npt.NDArray[Any]]
) -> Iterable[Effect]:
    """Effects of every arm (the control too) in every group, groups in the order of their labels."""
    for by, labels in segments.items():
        for label in _ordered(np.asarray(labels)):
            group = _Group(table[:, :, np.asarray(labels) == label], arms, question, by, str(label))
            yield from (group.effect(arm, question.baseline) for arm in arms[1:])


_ORDER = ("short", "middle", "long", "head", "tail", "cold")


def _ordered(labels: npt.NDArray[Any]) -> list[Any]:
    """Labels as a person would list them: short before long, head before tail before cold, else sorted."""
    first = {word: place for place, word in enumerate(_ORDER)}
    return sorted(np.unique(labels).tolist(), key=lambda label: (first.get(str(label).split(" ")[0], 9), label))


def _judged(effects: Sequence[Effect], question: Question) -> list[Effect]:
    """The effects of one table with p after Holm, verdict and words."""
    adjusted = resampling_tests.holm(np.array([effect.p for effect in effects]))
    judged = []
    for effect, p_holm in zip(effects, adjusted.tolist(), strict=True):
        known = replace(effect, p_holm=p_holm)
        known = replace(known, verdict=verdict_of(known, question.smallest_lift))
        judged.append(replace(known, words=sentence(known, question.smallest_lift)))
    return judged


def _check(values: Mapping[str, Values], question: Question, segments: Mapping[str, npt.NDArray[Any]]) -> None:
    if question.baseline not in values:
        raise DataError("compare", f"an arm {question.baseline!r}", "none", nearest(question.baseline, values))
    shape = np.shape(values[question.baseline])
    if len(shape) != 2 or 0 in shape:
        raise DataError("compare", "values (seeds, users), at least one of each", str(shape))
    for arm, table in values.items():
        if np.shape(table) != shape:
            raise DataError(f"arm {arm!r}", f"values {shape} (seeds, users)", str(np.shape(table)))
        if not np.isfinite(table).all():
            raise DataError(f"arm {arm!r}", "a number for every user and seed", "NaN or infinity")
    for by, labels in segments.items():
        if len(labels) != shape[1]:
            raise DataError(f"segment {by!r}", f"{shape[1]} labels", str(len(labels)))
