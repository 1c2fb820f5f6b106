"""Quality evaluation of synthetic rows, from three sets of rows to figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import MissingExtra
from leaven.metrics.synthetic import SampleMetric
from leaven.protocols import Tell
from leaven.quality.context import NOTHING, Beside
from leaven.quality.distributions import looks
from leaven.quality.loading import Inputs, has_clock, read
from leaven.quality.memorized_rows import copies
from leaven.quality.null_reference import Deal, deals, figure
from leaven.quality.quality_config import Judging
from leaven.quality.reference_fit import Sides, Studied, study
from leaven.quality.result import Figure, Gate, Judgement


def _ignore_progress(done: int, total: int, words: str) -> None:
    """No-op progress callback."""


def judge(
    real: Any,
    held_out: Any,
    new: Any,
    kind: str = "",
    seed: int = 7,
    most: int = 4000,
    halves: int = 20,
    gates: Sequence[str] = (),
    metrics: Sequence[str] = (),
    tell: Tell = _ignore_progress,
    beside: Beside = NOTHING,
) -> Judgement:
    """Evaluate fidelity, diversity, consistency, memorization and privacy of new rows against unseen real rows.

    real      the training rows of the generator: `Histories`, a log in any form that `leaven.read` takes, Parquet of
              histories; or a table: CSV, Parquet, a frame, a mapping of columns; or texts: a list, a file with one per
              lumn of a table; or images: a folder, a table or a list of files, an array uint8 (images, height, width,
              3)
    held_out  real rows outside the generator's training data; a third of them fits the scorers, the others are compared
    new       the rows to evaluate, from any generator
    kind      "histories", "table", "text" or "image"; inferred if empty
    most      maximum rows of each side, chosen by the seed
    halves    number of random splits of real rows into halves, at least 20
    gates     "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3"; the result states which passed
    metrics   kinds to compute; all if empty
    beside    optional inputs: a catalog, a recommender, Inception weights

    Raises DataError for other catalogs or columns, too few rows, and held-out rows that are training rows.
    """
    config = Judging(tuple(metrics), tuple(gates), most, halves)
    tell(0, 0, "reading")
    inputs = read(real, held_out, new, kind, seed, beside)
    tell(0, 0, "fitting on real rows")
    studied = study(inputs.real, inputs.held_out, rng.key(seed, "judge"), most, beside)
    return judged(inputs, studied, config, seed, tell)


def judged(inputs: Inputs, studied: Studied, wish: Judging, seed: int, tell: Tell = _ignore_progress) -> Judgement:
    """Return the evaluation of new rows by fitted reference models; `seed` is recorded in the facts."""
    sides = studied.beside(inputs.new)
    figures, skipped = _evaluate_metrics(inputs, sides, wish, studied.key, tell)
    result = Judgement(
        kind=inputs.kind,
        figures=tuple(figures),
        skipped=skipped,
        facts=_build_facts(inputs, studied, sides, seed, wish.halves),
        copies=copies(inputs),
        looks=looks(inputs, studied, sides),
        rows=inputs,
    )
    return result.pass_through([Gate.parse(gate) for gate in wish.gates])


def _evaluate_metrics(
    inputs: Inputs, sides: Sides, config: Judging, key: int, tell: Tell
) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures, and metric -> reason for each that has none."""
    splits = deals(sides.new, sides.pool, config.halves, key)
    metrics = config.chosen()
    figures: list[Figure] = []
    skipped: dict[str, str] = {}
    for index, (kind, metric) in enumerate(metrics.items()):
        tell(index, len(metrics), f"quality · {kind}")
        found = _evaluate_metric(kind, metric, inputs, sides, splits, key)
        if isinstance(found, Figure):
            figures.append(found)
        elif found:
            skipped[kind] = found
    tell(len(metrics), len(metrics), "quality")
    return figures, skipped


def _evaluate_metric(
    kind: str, metric: SampleMetric, inputs: Inputs, sides: Sides, splits: Sequence[Deal], key: int
) -> Figure | str:
    """Return the figure, the reason why there is none, or "" if the metric is for another kind of data."""
    trait = metric.trait
    if inputs.kind not in trait.of:
        return ""
    is_timed = all(isinstance(one, Histories) and has_clock(one) for one in (inputs.real, inputs.held_out, inputs.new))
    if trait.clock and not is_timed:
        return "needs times; these rows have positions in a sequence only"
    if trait.needs and not all(trait.needs[0] in one.facts for one in (sides.new, sides.pool)):
        return f"needs {trait.needs[1]}"
    try:
        return figure(kind, metric, splits, sides.new, sides.pool, sides.known, key)
    except MissingExtra as missing:
        return f"needs {missing.library}: {missing.fix}"


def _build_facts(inputs: Inputs, studied: Studied, sides: Sides, seed: int, halves: int) -> dict[str, Any]:
    """Return seed, row counts and what the inputs and the featurizer recorded."""
    facts: dict[str, Any] = {
        "seed": seed,
        "halves": halves,
        "rows": {"real": len(inputs.real), "held_out": len(inputs.held_out), "new": len(inputs.new)},
        "compared": {"new": len(sides.new), "held_out": len(sides.pool)},
        "fold": len(studied.fold),
        **inputs.facts,
    }
    described = studied.featurizer.info
    if described.learned:
        facts |= {"frechet_is": described.called, "encoder": described.learned}
    if described.constant:
        facts["constant_columns"] = list(described.constant)
    return facts
