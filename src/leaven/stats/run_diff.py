"""Description of the differences between two runs, from their facts.

Facts hold means and intervals, not values per user, so nothing is tested: a difference between two runs is described,
with a warning if their data, seed or metric differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaven.errors import DataError
from leaven.facts import ComparisonFacts, EffectFacts, RunFacts
from leaven.stats.effect import format_percent


@dataclass(frozen=True)
class VariantChange:
    """One variant of both runs: its effects, each against the run's own baseline.

    change  mean of the second run over that of the first, minus one; NaN where the first mean is 0 or unknown
    """

    variant: str
    first: EffectFacts
    second: EffectFacts
    change: float


@dataclass(frozen=True)
class RunComparison:
    """variants: those of both runs. only_first, only_second: the others. warnings: why runs may not be comparable."""

    metric: str
    variants: Sequence[VariantChange]
    only_first: Sequence[str]
    only_second: Sequence[str]
    warnings: Sequence[str]

    @property
    def lines(self) -> list[str]:
        """Lines for the terminal: one per variant, then the warnings."""
        lines = [_format_change(variant, self.metric) for variant in self.variants]
        lines += [f"only in the first run: {variant}" for variant in self.only_first]
        lines += [f"only in the second run: {variant}" for variant in self.only_second]
        return lines + [f"careful: {warning}" for warning in self.warnings]


def compare_runs(first: RunFacts, second: RunFacts) -> RunComparison:
    """Return the variants of two runs next to each other, from their facts.

    Raises DataError if a run has no comparison, or the two have no metric in common.
    """
    comparisons = [_get_comparison(facts, which) for facts, which in ((first, "first"), (second, "second"))]
    metric = comparisons[0].metric
    a, b = (_index_effects(comparison, metric) for comparison in comparisons)
    if not b:
        raise DataError("compare", f"{metric} in both runs", f"{', '.join(comparisons[1].metrics)} in the second")
    changes = []
    for variant in (one for one in a if one in b):
        before, after = a[variant].mean, b[variant].mean
        relative = after / before - 1 if before and after is not None else float("nan")
        changes.append(VariantChange(variant, a[variant], b[variant], relative))
    warnings = ["the means of two runs are described, not tested: values per user are compared within a run only"]
    if first.reproduction.fingerprint != second.reproduction.fingerprint:
        warnings.append("the fingerprints of the data differ")
    if first.leaven != second.leaven:
        warnings.append(f"leaven {first.leaven} and {second.leaven}")
    if first.seed != second.seed:
        warnings.append(f"seed {first.seed} and {second.seed}")
    if first.data.split != second.data.split:
        warnings.append("the splits differ, so the means are of other users or targets")
    return RunComparison(metric, changes, [x for x in a if x not in b], [x for x in b if x not in a], warnings)


def _get_comparison(facts: RunFacts, which: str) -> ComparisonFacts:
    if facts.comparison is None or not facts.comparison.effects:
        raise DataError(f"the {which} run", "a finished comparison in facts.json", "none", "leaven run SPEC --resume")
    return facts.comparison


def _index_effects(comparison: ComparisonFacts, metric: str) -> dict[str, EffectFacts]:
    """Return variant -> its effect on the metric; the baseline as an effect without lift."""
    effects = comparison.list_effects(metric)
    if not effects:
        return {}
    baseline = EffectFacts(effects[0].against, effects[0].against, metric, mean=effects[0].baseline_mean)
    return {baseline.variant: baseline} | {effect.variant: effect for effect in effects}


def _format_change(change: VariantChange, metric: str) -> str:
    """Return one line for the terminal."""
    before, after = (f"{e.mean:.4f}" if e.mean is not None else "–" for e in (change.first, change.second))
    means = f"{change.variant}: {metric} {before} → {after} ({format_percent(change.change)})"
    if not change.first.verdict or not change.second.verdict:
        return means
    if change.first.verdict == change.second.verdict:
        return f"{means}, {change.first.verdict} in both"
    return f"{means}, {change.first.verdict} → {change.second.verdict}"
