"""Comparison of all variants on one ranking metric, over the same users and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import DataError, suggest_name
from leaven.facts import ComparisonFacts, EffectFacts
from leaven.stats import resampling_tests as resampling
from leaven.stats.effect import MIN_USERS, ComparisonConfig, Effect

Values = npt.NDArray[np.float64]
Labels = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Comparison:
    """effects: each variant against the baseline. against_control: each variant against duplicated real rows.
    segments: each variant against the baseline, group by group. means: variant -> mean. skipped_groupings: names of
    groupings whose groups are all too small to compare.
    """

    config: ComparisonConfig
    effects: Sequence[Effect]
    against_control: Sequence[Effect] = ()
    segments: Sequence[Effect] = ()
    means: Mapping[str, float] = field(default_factory=dict)
    skipped_groupings: tuple[str, ...] = ()


def compare_variants(
    values: Mapping[str, Values],
    config: ComparisonConfig,
    segments: Mapping[str, Labels] | None = None,
) -> Comparison:
    """Return every variant against the baseline and against the control, for all users and by segment.

    values: variant -> float64 (seeds, users), the same seeds and users in the same order for all variants; higher is
    better. segments: name of a grouping -> a label per user (users,).

    The interval is a percentile interval of a bootstrap over users with the noise of training added (see
    `resampling_tests`), p that of a sign-flip permutation over users, Holm over the variants of a table. With one seed
    only the users are resampled, and the explanation states it.

    Raises DataError for a missing baseline, shapes that differ, non-finite values.
    """
    _check_values(values, config, segments or {})
    variants = [config.baseline, *(variant for variant in values if variant != config.baseline)]
    table = np.stack([np.asarray(values[variant], np.float64) for variant in variants])  # (variants, seeds, users)
    all_users = _UserGroup(table, variants, config, "", "all")
    control = config.control if config.control in variants[1:] else None
    others = [variant for variant in variants[1:] if variant != control]
    small = find_small_groupings(segments or {})
    compared = {by: labels for by, labels in (segments or {}).items() if by not in small}
    return Comparison(
        config,
        _adjust_effects([all_users.compare_pair(variant, config.baseline) for variant in variants[1:]]),
        _adjust_effects([all_users.compare_pair(variant, control) for variant in others] if control else []),
        _adjust_effects(list(_compare_segments(table, variants, config, compared))),
        dict(zip(variants, table.mean(axis=(1, 2)).tolist(), strict=True)),
        small,
    )


def add_segments(main: Comparison, groups: Mapping[tuple[str, str], Mapping[str, Values]]) -> Comparison:
    """Return the comparison with further segments that have values of their own: users may be in several, or in none.

    groups: (grouping, group) -> variant -> float64 (seeds, users of the group). p is adjusted by Holm over all segments
    together.
    """
    if not groups:
        return main
    added: list[Effect] = []
    for (by, segment), values in groups.items():
        variants = [main.config.baseline, *(variant for variant in values if variant != main.config.baseline)]
        group = _UserGroup(np.stack([values[variant] for variant in variants]), variants, main.config, by, segment)
        added += [group.compare_pair(variant, main.config.baseline) for variant in variants[1:]]
    return replace(main, segments=_adjust_effects([*main.segments, *added]))


def build_facts(
    main: Comparison,
    others: Sequence[Comparison] = (),
    pooled: Mapping[str, Mapping[str, float | None]] | None = None,
    best_possible: float | None = None,
    skipped_groupings: Sequence[str] = (),
) -> ComparisonFacts:
    """Return the comparison for reports: the main metric and the other metrics.

    pooled: metric -> variant -> one number for all users, for metrics without a test. best_possible: value of the main
    metric for a model that knows the simulation. skipped_groupings: further ones, whose groups are too small.
    """
    return ComparisonFacts(
        metric=main.config.metric,
        min_effect=main.config.min_effect,
        baseline=main.config.baseline,
        control=main.config.control,
        draws=main.config.n_draws,
        flips=main.config.n_flips,
        means=dict(main.means),
        effects=_list_facts(main.effects),
        against_control=_list_facts(main.against_control),
        segments=_list_facts(main.segments),
        metrics={one.config.metric: _list_facts(one.effects) for one in (main, *others)},
        pooled=pooled or {},
        best_possible=best_possible,
        skipped_groupings=(*main.skipped_groupings, *skipped_groupings),
    )


def _list_facts(effects: Sequence[Effect]) -> tuple[EffectFacts, ...]:
    return tuple(effect.to_facts() for effect in effects)


class _UserGroup:
    """A group of users, resampled once for all pairs of variants."""

    def __init__(
        self, table: Values, variants: Sequence[str], question: ComparisonConfig, by: str, segment: str
    ) -> None:
        self.table, self.variants, self.question, self.by, self.segment = table, list(variants), question, by, segment
        self.key = rng.derive_key(question.key, "compare", question.metric, by, segment)
        self.noise = resampling.estimate_training_noise(table)
        self.dealt = resampling.group_users_into_blocks(table.mean(axis=1).T, rng.derive_key(self.key, "deal"))
        self.means = resampling.resample_means(self.dealt, question.n_draws, rng.derive_key(self.key, "users"))

    def compare_pair(self, variant: str, against: str) -> Effect:
        """Return the effect of one pair, before the correction for multiple tests."""
        one, other = self.variants.index(variant), self.variants.index(against)
        key = rng.derive_key(self.key, variant, against)
        n_seeds, users = self.table.shape[1:]
        draws = self.question.n_draws
        base = float(self.table[other].mean())
        difference = float(self.table[one].mean()) - base
        by_seed = self.table[[one, other]].mean(axis=2)  # (2, seeds)
        of_users = self.means[:, one] - self.means[:, other]
        drawn = of_users + resampling.draw_training_noise(self.noise, n_seeds, draws, rng.derive_key(key, "training"))
        difference_low, difference_high = resampling.compute_interval(drawn)
        low, high = resampling.compute_interval(resampling.compute_relative_difference(drawn, self.means[:, other]))
        flipped = self.dealt[:, one] - self.dealt[:, other]
        p_permutation = resampling.compute_sign_flip_p(flipped, self.question.n_flips, rng.derive_key(key, "flips"))
        p = max(p_permutation, resampling.compute_combined_p(difference, of_users, self.noise, n_seeds))
        per_user = self.table[one].mean(axis=0) - self.table[other].mean(axis=0)
        spread = float(per_user.std(ddof=1)) if len(per_user) > 1 else 0.0
        noise = self.noise.variance * 2 / n_seeds
        return Effect(
            variant=variant,
            against=against,
            metric=self.question.metric,
            by=self.by,
            segment=self.segment,
            mean=base + difference,
            baseline_mean=base,
            difference=difference,
            difference_low=difference_low,
            difference_high=difference_high,
            lift=float(resampling.compute_relative_difference(np.array(difference), np.array(base))),
            low=low,
            high=high,
            p_permutation=p_permutation,
            p=p,
            p_holm=p,
            effect_size=float(per_user.mean()) / spread if spread else 0.0,
            better=float((per_user > 0).mean()),
            equal=float((per_user == 0).mean()),
            worse=float((per_user < 0).mean()),
            users=users,
            seeds=n_seeds,
            lift_by_seed=tuple(resampling.compute_relative_difference(by_seed[0] - by_seed[1], by_seed[1]).tolist()),
            training_noise=noise / (noise + float(of_users.var())) if noise else 0.0,
            min_effect=self.question.min_effect,
        )


POOLED = f"groups of fewer than {MIN_USERS} users"
"""The group that takes the place of small ones."""


def pool_small_groups(labels: Labels, users: Labels | None = None) -> Labels:
    """Return the labels with one name for all groups of fewer than `MIN_USERS` users, where there are several.

    labels (rows,): group of each row. users (rows,): user of each row; None: every row is a user.

    >>> labels = np.array(["a"] * 40 + ["b", "c"])
    >>> np.unique(pool_small_groups(labels)).tolist()
    ['a', 'groups of fewer than 30 users']
    """
    names, group = np.unique(labels, return_inverse=True)
    owner = np.arange(len(labels)) if users is None else users
    pairs = {(int(g), int(u)) for g, u in zip(group, owner, strict=True)}
    counts = np.bincount([g for g, _ in pairs], minlength=len(names))
    is_small = counts < MIN_USERS
    if is_small.sum() < 2:
        return labels
    return np.where(is_small[group], POOLED, labels)


def find_small_groupings(segments: Mapping[str, Labels], users: Labels | None = None) -> tuple[str, ...]:
    """Return the groupings whose groups all have fewer than `MIN_USERS` users, where they have several.

    segments: name of a grouping -> group of each row (rows,). users (rows,): user of each row; None: every row is one.

    >>> find_small_groupings({"zip": np.array(["1", "2"] * 20), "country": np.array(["NL"] * 38 + ["BE"] * 2)})
    ('zip',)
    """
    return tuple(by for by, labels in segments.items() if _are_all_small(np.asarray(labels), users))


def _are_all_small(labels: Labels, users: Labels | None) -> bool:
    groups = np.unique(labels)
    owners = np.arange(len(labels)) if users is None else users
    return len(groups) > 1 and all(len(np.unique(owners[labels == group])) < MIN_USERS for group in groups)


def _compare_segments(
    table: Values, variants: Sequence[str], question: ComparisonConfig, segments: Mapping[str, Labels]
) -> Iterable[Effect]:
    """Yield the figures of every variant (the control too) in every group, groups in the order of their labels."""
    for by, labels in segments.items():
        pooled = pool_small_groups(np.asarray(labels))
        for label in _order_labels(pooled):
            group = _UserGroup(table[:, :, pooled == label], variants, question, by, str(label))
            yield from (group.compare_pair(variant, question.baseline) for variant in variants[1:])


_LABEL_ORDER = ("short", "low", "middle", "long", "high", "head", "tail", "cold")


def _order_labels(labels: Labels) -> list[object]:
    """Return labels in reading order: short before long, head before tail before cold, else sorted."""
    rank = {word: index for index, word in enumerate(_LABEL_ORDER)}
    return sorted(np.unique(labels).tolist(), key=lambda label: (rank.get(str(label).split(" ")[0], 9), label))


def _adjust_effects(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects of one table with p after Holm."""
    adjusted = resampling.adjust_holm(np.array([effect.p for effect in effects])).tolist()
    return [replace(effect, p_holm=p_holm) for effect, p_holm in zip(effects, adjusted, strict=True)]


def _check_values(values: Mapping[str, Values], question: ComparisonConfig, segments: Mapping[str, Labels]) -> None:
    """Raise DataError for a missing baseline, shapes that differ, or non-finite values."""
    if question.baseline not in values:
        raise DataError("compare", f"a variant {question.baseline!r}", "none", suggest_name(question.baseline, values))
    shape = np.shape(values[question.baseline])
    if len(shape) != 2 or 0 in shape:
        raise DataError("compare", "values (seeds, users), at least one of each", str(shape))
    for variant, table in values.items():
        if np.shape(table) != shape:
            raise DataError(f"variant {variant!r}", f"values {shape} (seeds, users)", str(np.shape(table)))
        if not np.isfinite(table).all():
            raise DataError(f"variant {variant!r}", "a number for every user and seed", "NaN or infinity")
    for by, labels in segments.items():
        if len(labels) != shape[1]:
            raise DataError(f"segment {by!r}", f"{shape[1]} labels", str(len(labels)))
