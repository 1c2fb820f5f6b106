"""How large is a metric among real rows that differ by chance alone, and is it so for the new rows?

Held-out rows are dealt into halves A and B, again and again. m(B, A) is what chance makes of real rows, m(S, A) what
the new rows make of it, S as many of them. A figure of one set, such as how much of the catalogue it names, is
compared through its difference to A's: halves of one pool differ from each other as independent sets do, while each by
itself varies too little. Averaging over the halves makes the test careful: real rows are rejected at most 5 % of the
time. A metric with a test of its own (`own_p`) rejects where both tests do.

The interval: half of the new rows and half of the real ones vary from deal to deal; half-samples drawn without
replacement have the spread that a bootstrap of all rows has (McCarthy, Review of the ISI 37, 1969; Shao and Tu, The
Jackknife and Bootstrap, 1995, section 5.2), without its ties, which metrics of nearest neighbours take for copies.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.metrics.synthetic import Explained, Known, Sample, SampleMetric, Trait
from leaven.quality.result import Figure, Light
from leaven.registry import found

Values = npt.NDArray[np.float64]

REJECTED = 0.05


@dataclass(frozen=True, eq=False)
class Deal:
    """A half of the new rows, and two halves of real ones, all of n rows."""

    new: Sample
    real: Sample
    other: Sample


def deals(new: Sample, pool: Sample, halves: int, key: int) -> list[Deal]:
    """`halves` deals; n is half of the smaller side."""
    n = min(len(new), len(pool)) // 2
    found = []
    for place in range(halves):
        chance = rng.generator(rng.key(key, "halves", place))
        real = chance.permutation(len(pool))
        found.append(Deal(new.take(chance.permutation(len(new))[:n]), pool.take(real[:n]), pool.take(real[n : 2 * n])))
    return found


def figure(
    kind: str, metric: SampleMetric, dealt: Sequence[Deal], new: Sample, pool: Sample, known: Known, key: int
) -> Figure | str:
    """The figure of a metric, or why there is none.

    Raises MissingExtra where the metric needs a library that is not there.
    """
    trait, n = metric.trait, len(dealt[0].real)
    if n < trait.fewest:
        return f"needs {2 * trait.fewest:,} new and as many held-out rows to compare; there are {2 * n:,}"
    keys = [rng.key(key, kind, place) for place in range(len(dealt))]
    made = [new if trait.whole else deal.new for deal in dealt]
    values = _each([metric(mine, one.real, known, k) for mine, one, k in zip(made, dealt, keys, strict=True)])
    chance = _each([metric(one.other, one.real, known, k) for one, k in zip(dealt, keys, strict=True)])
    if not (np.isfinite(values).all() and np.isfinite(chance).all()):
        return "these rows do not allow a figure"
    base = np.zeros(len(dealt))
    if trait.alone:
        base = _each([metric(one.real, one.other, known, k) for one, k in zip(dealt, keys, strict=True)])
    p = tail(values - base - (3 / n if trait.rare else 0.0), chance - base, trait)
    more = dict(metric.explain(new, pool, known, key)) if isinstance(metric, Explained) else {}
    p = max(p, more.get("own_p", 0.0))
    rows = len(new) if trait.whole else n
    return _figure(kind, metric, values, chance, p, rows, more)


def _each(values: Sequence[float]) -> Values:
    return np.array(values, np.float64)


def tail(values: Values, chance: Values, trait: Trait) -> float:
    """Share of real halves at least as bad as the new rows are on average, these counted among them."""
    middle = float(values.mean())
    if trait.better == "low":
        worse = chance >= middle
    elif trait.better == "high":
        worse = chance <= middle
    else:
        centre = 0.0 if trait.alone else float(chance.mean())
        worse = np.abs(chance - centre) >= abs(middle - centre)
    return float((1 + worse.sum()) / (1 + len(chance)))


def _figure(
    kind: str, metric: SampleMetric, values: Values, chance: Values, p: float, n: int, more: Mapping[str, Any]
) -> Figure:
    value, reference = float(values.mean()), float(chance.mean())
    spread = 1.96 * float(values.std(ddof=1))
    low, high = more.get("bootstrap_interval", (value - spread, value + spread))
    below = float((chance < value).mean() + (chance == value).mean() / 2)
    edges = np.quantile(chance, (0.05, 0.95))
    return Figure(
        kind=kind,
        group=metric.trait.group,
        says=(inspect.getdoc(found("sample_metrics", kind)) or "").split("\n")[0],
        better=metric.trait.better,
        value=value,
        interval=(float(low), float(high)),
        n=n,
        reference=reference,
        reference_range=(float(edges[0]), float(edges[1])),
        percentile=below,
        p=p,
        light=light(value, reference, p, metric.trait),
        more={name: one for name, one in more.items() if name != "bootstrap_interval"},
    )


def light(value: float, reference: float, p: float, trait: Trait) -> Light:
    """Green where real rows do as badly; else yellow while the distance is bearable."""
    if trait.sanity:
        return "none"
    if p > REJECTED:
        return "green"
    away = abs(value - reference)
    if trait.ratio:
        away = away / abs(reference) if reference else float("inf")
    return "yellow" if away <= trait.bearable else "red"
