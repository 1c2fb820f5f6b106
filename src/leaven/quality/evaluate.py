"""Quality evaluation of synthetic rows, from three sets of rows to figures."""

from __future__ import annotations

from collections.abc import Sequence

from leaven import rng
from leaven.errors import MissingExtra
from leaven.metrics.synthetic import SampleMetric
from leaven.modalities import get_modality
from leaven.modalities.modality import NO_CONTEXT, EvaluationContext, QualityInputs, R
from leaven.protocols import ProgressCallback
from leaven.quality.loading import read_inputs
from leaven.quality.null_reference import HalfSplit, compute_figure, split_halves
from leaven.quality.quality_config import QualityConfig, apply_gates
from leaven.quality.quality_facts import EvaluationSetup, Figure, QualityFacts, RowCounts
from leaven.quality.reference_fit import ComparedRows, ReferenceFit, fit_reference
from leaven.quality.row_comparison import describe_distributions, list_copies, pair_with_nearest


def _ignore_progress(done: int, total: int, words: str) -> None:
    """No-op progress callback."""


def evaluate_quality(
    real: object,
    held_out: object,
    new: object,
    modality: str = "",
    seed: int = 7,
    max_rows: int = 4000,
    n_splits: int = 20,
    gates: Sequence[str] = (),
    metrics: Sequence[str] = (),
    on_progress: ProgressCallback = _ignore_progress,
    context: EvaluationContext = NO_CONTEXT,
) -> QualityFacts:
    """Evaluate fidelity, diversity, consistency, memorization and privacy of new rows against unseen real rows.

    real      the training rows of the generator: `Histories`, a log in any form that `leaven.read` takes, Parquet of
              histories; or a table: CSV, Parquet, a frame, a mapping of columns; or texts: a list, a file with one per
              line, a column of a table; or images: a folder, a table or a list of files, an array uint8 (images,
              height, width, 3)
    held_out  real rows outside the generator's training data; a third of them fits the scorers, the others are compared
    new       the rows to evaluate, from any generator
    modality  "sequence", "tabular", "text" or "image"; inferred if empty
    max_rows  maximum rows of each side, chosen by the seed
    n_splits  number of random splits of real rows into halves, at least 20
    gates     "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3"; the result states which passed
    metrics   kinds to compute; all if empty
    context   optional inputs: a catalog, a recommender, Inception weights

    Raises DataError for other catalogs or columns, too few rows, and held-out rows that are training rows.
    """
    config = QualityConfig(tuple(metrics), tuple(gates), max_rows, n_splits)
    on_progress(0, 0, "reading")
    return evaluate_inputs(
        read_inputs(real, held_out, new, modality, seed, context), config, seed, context, on_progress
    )


def evaluate_inputs(
    inputs: QualityInputs[R],
    config: QualityConfig,
    seed: int = 7,
    context: EvaluationContext = NO_CONTEXT,
    on_progress: ProgressCallback = _ignore_progress,
) -> QualityFacts:
    """Fit the reference models on the real rows and evaluate the new ones; see `evaluate_quality`."""
    on_progress(0, 0, "fitting on real rows")
    key = rng.derive_key(seed, "judge")
    modality = get_modality(inputs.modality)
    reference = fit_reference(modality, inputs.real, inputs.held_out, key, config.max_rows, context)
    return evaluate_rows(inputs, reference, config, seed, on_progress)


def evaluate_rows(
    inputs: QualityInputs[R],
    studied: ReferenceFit[R],
    config: QualityConfig,
    seed: int,
    on_progress: ProgressCallback = _ignore_progress,
) -> QualityFacts:
    """Return the evaluation of new rows by fitted reference models; `seed` is recorded in the facts."""
    sides = studied.add_synthetic(inputs.new)
    figures, skipped = _evaluate_metrics(inputs, sides, config, studied.key, on_progress)
    copies, modality = list_copies(inputs), get_modality(inputs.modality)
    info = studied.featurizer.info
    setup = EvaluationSetup(
        seed=seed,
        n_splits=config.n_splits,
        rows=RowCounts(len(inputs.real), len(inputs.held_out), len(inputs.new)),
        compared=RowCounts(held_out=len(sides.pool), new=len(sides.new)),
        n_fold=len(studied.fold),
        frechet_name=info.called,
        encoder=info.learned,
        constant_columns=tuple(info.constant),
        notes=dict(inputs.notes),
    )
    facts = QualityFacts(
        modality=inputs.modality,
        setup=setup,
        figures=tuple(figures),
        skipped_metrics=skipped,
        copies=copies,
        n_copies=len(copies),
        distributions=describe_distributions(modality, studied, sides),
        neighbors=pair_with_nearest(modality, inputs, sides),
    )
    return apply_gates(facts, config.gates)


def _evaluate_metrics(
    inputs: QualityInputs[R], sides: ComparedRows[R], config: QualityConfig, key: int, on_progress: ProgressCallback
) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures, and metric -> reason for each that has none."""
    splits = split_halves(sides.new, sides.pool, config.n_splits, key)
    metrics = config.build_metrics()
    figures: list[Figure] = []
    skipped: dict[str, str] = {}
    for index, (kind, metric) in enumerate(metrics.items()):
        on_progress(index, len(metrics), f"quality · {kind}")
        found = _evaluate_metric(kind, metric, inputs, sides, splits, key)
        if isinstance(found, Figure):
            figures.append(found)
        elif found:
            skipped[kind] = found
    on_progress(len(metrics), len(metrics), "quality")
    return figures, skipped


def _evaluate_metric(
    kind: str,
    metric: SampleMetric,
    inputs: QualityInputs[R],
    sides: ComparedRows[R],
    splits: Sequence[HalfSplit],
    key: int,
) -> Figure | str:
    """Return the figure, the reason why there is none, or "" if the metric is for another kind of data."""
    trait = metric.trait
    if trait.modalities and inputs.modality not in trait.modalities:
        return ""
    has_clock = get_modality(inputs.modality).quality.has_clock
    if trait.needs_clock and not all(map(has_clock, (inputs.real, inputs.held_out, inputs.new))):
        return "needs times; these rows have positions in a sequence only"
    if trait.required_statistic and not all(
        trait.required_statistic[0] in one.row_statistics for one in (sides.new, sides.pool)
    ):
        return f"needs {trait.required_statistic[1]}"
    try:
        return compute_figure(kind, metric, splits, sides.new, sides.pool, sides.known, key)
    except MissingExtra as missing:
        return f"needs {missing.library}: {missing.fix}"
