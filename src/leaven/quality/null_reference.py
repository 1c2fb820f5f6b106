"""The distribution of a metric among real rows, and the position of the new rows in it.

Held-out rows are split at random into halves A and B, repeatedly. m(B, A) is the value by chance alone, m(S, A) that of
as many new rows S. A figure of one set, such as its coverage of the catalog, is compared through its difference to that
of A: halves of one pool differ from each other as independent sets do, while each alone varies too little. Averaging
over the halves makes the test conservative: real rows are rejected at most 5 % of the time. A metric with a test of its
own (`own_p`) rejects if both tests do.

The interval: half of the new rows and half of the real ones vary from split to split; half-samples without replacement
have the spread of a bootstrap of all rows (McCarthy, Review of the ISI 37, 1969; Shao and Tu, The Jackknife and
Bootstrap, 1995, section 5.2), without its ties, which metrics of nearest neighbors take for copies.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.metrics.synthetic import (
    ExplainableMetric,
    FeaturizedRows,
    MetricDetails,
    MetricTraits,
    ReferenceData,
    SampleMetric,
)
from leaven.quality.quality_facts import Figure, Verdict
from leaven.registry import load_kind

Values = npt.NDArray[np.float64]

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class HalfSplit:
    """A half of the new rows, and two halves of real rows, all of n rows."""

    new: FeaturizedRows
    real: FeaturizedRows
    other: FeaturizedRows


def split_halves(new: FeaturizedRows, pool: FeaturizedRows, n_splits: int, key: int) -> list[HalfSplit]:
    """Return `n_splits` random splits; n is half of the smaller side."""
    n = min(len(new), len(pool)) // 2
    splits = []
    for index in range(n_splits):
        generator = rng.make_generator(rng.derive_key(key, "halves", index))
        real = generator.permutation(len(pool))
        splits.append(
            HalfSplit(new.take(generator.permutation(len(new))[:n]), pool.take(real[:n]), pool.take(real[n : 2 * n]))
        )
    return splits


def compute_figure(
    kind: str,
    metric: SampleMetric,
    dealt: Sequence[HalfSplit],
    new: FeaturizedRows,
    pool: FeaturizedRows,
    known: ReferenceData,
    key: int,
) -> Figure | str:
    """Return the figure of a metric, or the reason why there is none.

    Raises MissingExtra if the metric needs a missing library.
    """
    trait, n = metric.trait, len(dealt[0].real)
    if n < trait.min_rows:
        return f"needs {2 * trait.min_rows:,} new and as many held-out rows to compare; there are {2 * n:,}"
    keys = [rng.derive_key(key, kind, index) for index in range(len(dealt))]
    synthetic = [new if trait.uses_all_rows else deal.new for deal in dealt]
    values = np.array(
        [metric(rows_of_new, one.real, known, k) for rows_of_new, one, k in zip(synthetic, dealt, keys, strict=True)]
    )
    null = np.array([metric(one.other, one.real, known, k) for one, k in zip(dealt, keys, strict=True)])
    if not (np.isfinite(values).all() and np.isfinite(null).all()):
        return "these rows do not allow a figure"
    offset = np.zeros(len(dealt))
    if trait.is_one_sample:
        offset = np.array([metric(one.real, one.other, known, k) for one, k in zip(dealt, keys, strict=True)])
    p = compute_tail_p(values - offset - (3 / n if trait.is_near_zero else 0.0), null - offset, trait)
    details = metric.explain(new, pool, known, key) if isinstance(metric, ExplainableMetric) else MetricDetails()
    rows = len(new) if trait.uses_all_rows else n
    return _build_figure(kind, metric, values, null, max(p, details.own_p or 0.0), rows, details)


def compute_tail_p(values: Values, chance: Values, trait: MetricTraits) -> float:
    """Return the share of real halves at least as extreme as the mean of the new rows, these included."""
    mean = float(values.mean())
    if trait.better == "low":
        is_worse = chance >= mean
    elif trait.better == "high":
        is_worse = chance <= mean
    else:
        center = 0.0 if trait.is_one_sample else float(chance.mean())
        is_worse = np.abs(chance - center) >= abs(mean - center)
    return float((1 + is_worse.sum()) / (1 + len(chance)))


def _build_figure(
    kind: str, metric: SampleMetric, values: Values, chance: Values, p: float, n: int, details: MetricDetails
) -> Figure:
    """Return the figure from its values over the splits and the values of real rows."""
    value, reference = float(values.mean()), float(chance.mean())
    spread = 1.96 * float(values.std(ddof=1))
    low, high = details.bootstrap_interval or (value - spread, value + spread)
    below = float((chance < value).mean() + (chance == value).mean() / 2)
    edges = np.quantile(chance, (0.05, 0.95))
    return Figure(
        kind=kind,
        group=metric.trait.group,
        summary=(inspect.getdoc(load_kind("synthetic_metrics", kind)) or "").split("\n")[0],
        better=metric.trait.better,
        value=value,
        interval=(float(low), float(high)),
        n=n,
        reference=reference,
        reference_range=(float(edges[0]), float(edges[1])),
        percentile=below,
        p=p,
        verdict=rate_figure(value, reference, p, metric.trait),
        details=replace(details, bootstrap_interval=None),
    )


def rate_figure(value: float, reference: float, p: float, trait: MetricTraits) -> Verdict:
    """Return "as_real" if real rows score as badly; else "close" within the metric's tolerance, "worse" beyond it."""
    if trait.is_sanity_check:
        return "check"
    if p > SIGNIFICANCE_LEVEL:
        return "as_real"
    distance = abs(value - reference)
    if trait.is_relative:
        distance = distance / abs(reference) if reference else float("inf")
    return "close" if distance <= trait.tolerance else "worse"
