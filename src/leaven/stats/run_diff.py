"""Description of the differences between two runs, from their facts.

Facts hold means and intervals, not values per user, so nothing is tested: a difference between two runs is described,
with a warning if their data, seed or metric differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaven.errors import DataError
from leaven.stats.effect import format_percent


@dataclass(frozen=True)
class VariantChange:
    """One variant of both runs. mean_*: the metric's mean; lift_* with their 95 % intervals: against the run's own
    baseline; verdict_*: None for the baseline itself; change: mean_b over mean_a, minus one.
    """

    arm: str
    mean_a: float
    mean_b: float
    change: float
    lift_a: float | None
    lift_b: float | None
    interval_a: tuple[float | None, float | None]
    interval_b: tuple[float | None, float | None]
    verdict_a: str | None
    verdict_b: str | None


@dataclass(frozen=True)
class RunComparison:
    """arms: variants of both runs. only_a, only_b: the others. warnings: why the runs may not be comparable."""

    metric: str
    variants: Sequence[VariantChange]
    only_a: Sequence[str]
    only_b: Sequence[str]
    warnings: Sequence[str]

    @property
    def lines(self) -> list[str]:
        """Lines for the terminal: one per variant, then the warnings."""
        lines = [_format_change(variant, self.metric) for variant in self.variants]
        lines += [f"only in the first run: {variant}" for variant in self.only_a]
        lines += [f"only in the second run: {variant}" for variant in self.only_b]
        return lines + [f"careful: {doubt}" for doubt in self.warnings]


def compare_runs(facts_a: Mapping[str, Any], facts_b: Mapping[str, Any]) -> RunComparison:
    """Return the variants of two runs next to each other, from their facts.

    Raises DataError if a run has no comparison, or the two have no metric in common.
    """
    first, second = (_find_comparison(facts, which) for facts, which in ((facts_a, "first"), (facts_b, "second")))
    metric = str(first["metric"])
    a, b = _index_effects(first, metric), _index_effects(second, metric)
    if not b:
        raise DataError("compare", f"{metric} in both runs", f"{', '.join(second.get('metrics', {}))} in the second")
    changes = [_build_change(variant, a[variant], b[variant]) for variant in a if variant in b]
    doubts = _list_doubts(facts_a, facts_b)
    return RunComparison(metric, changes, [x for x in a if x not in b], [x for x in b if x not in a], doubts)


def _find_comparison(facts: Mapping[str, Any], which: str) -> Mapping[str, Any]:
    """Return the comparison of a run. Raises DataError without one."""
    found = facts.get("comparison") or {}
    if not found.get("effects"):
        raise DataError(f"the {which} run", "a finished comparison in facts.json", "none", "leaven run --resume")
    return dict(found)


def _index_effects(comparison: Mapping[str, Any], metric: str) -> dict[str, Mapping[str, Any]]:
    """Return variant -> its effect on the metric; the baseline as an effect without lift."""
    tables = dict(comparison.get("metrics") or {})
    if comparison.get("metric") == metric:
        tables.setdefault(metric, comparison["effects"])
    effects = list(tables.get(metric, []))
    if not effects:
        return {}
    baseline = {"mean": effects[0]["baseline_mean"], "arm": effects[0]["against"]}
    return {baseline["arm"]: baseline} | {effect["arm"]: effect for effect in effects}


def _build_change(variant: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> VariantChange:
    """Return the change of one variant between two effects."""
    mean_a, mean_b = float(a["mean"]), float(b["mean"])
    return VariantChange(
        arm=variant,
        mean_a=mean_a,
        mean_b=mean_b,
        change=mean_b / mean_a - 1 if mean_a else float("nan"),
        lift_a=a.get("lift"),
        lift_b=b.get("lift"),
        interval_a=(a.get("low"), a.get("high")),
        interval_b=(b.get("low"), b.get("high")),
        verdict_a=a.get("verdict"),
        verdict_b=b.get("verdict"),
    )


def _format_change(variant: VariantChange, metric: str) -> str:
    """Return one line for the terminal."""
    means = f"{variant.arm}: {metric} {variant.mean_a:.4f} → {variant.mean_b:.4f} ({format_percent(variant.change)})"
    if variant.verdict_a is None or variant.verdict_b is None:
        return means
    if variant.verdict_a == variant.verdict_b:
        return f"{means}, {variant.verdict_a} in both"
    return f"{means}, {variant.verdict_a} → {variant.verdict_b}"


def _list_doubts(facts_a: Mapping[str, Any], facts_b: Mapping[str, Any]) -> list[str]:
    """Return the reasons why two runs may not be comparable."""
    doubts = ["the means of two runs are described, not tested: values per user are compared within a run only"]
    repeat_a, repeat_b = facts_a.get("repeat") or {}, facts_b.get("repeat") or {}
    if repeat_a.get("fingerprint") != repeat_b.get("fingerprint"):
        doubts.append("the fingerprints of the data differ")
    if facts_a.get("leaven") != facts_b.get("leaven"):
        doubts.append(f"leaven {facts_a.get('leaven')} and {facts_b.get('leaven')}")
    if facts_a.get("seed") != facts_b.get("seed"):
        doubts.append(f"seed {facts_a.get('seed')} and {facts_b.get('seed')}")
    split_a, split_b = ((f.get("data") or {}).get("split") for f in (facts_a, facts_b))
    if split_a != split_b:
        doubts.append("the splits differ, so the means are of other users or targets")
    return doubts
