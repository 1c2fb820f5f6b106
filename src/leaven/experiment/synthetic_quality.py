"""Quality of the synthetic rows of each variant, and how well quality predicts what helped.

Rows are compared with the control users' complete rows: no transform, generator, filter, encoder, recommender or CTR
model was fitted on them. (A controller observes the recommender's loss on them.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import build_catalog_views, build_epoch_rows, list_item_steps
from leaven.config import Variant
from leaven.config.build import to_table
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import REAL_ORIGIN
from leaven.errors import DataError, MissingExtra
from leaven.experiment.prepared_data import PreparedData
from leaven.experiment.trial import ExpandedVariant
from leaven.facts import RunFacts, from_json
from leaven.modalities import find_modality
from leaven.modalities.modality import QualityInputs
from leaven.progress import prefix_progress
from leaven.protocols import FittedRecommender, Model, ProgressCallback, Rows
from leaven.quality import EvaluationContext, Figure, QualityConfig, QualityFacts
from leaven.quality.evaluate import evaluate_rows
from leaven.quality.image_text_consistency import METRIC, ItemImages
from leaven.quality.loading import read_inputs
from leaven.quality.quality_config import apply_gates
from leaven.quality.quality_facts import QUALITY_FILE, EvaluationSetup, RowCounts
from leaven.quality.reference_fit import ReferenceFit, fit_reference
from leaven.quality.run_quality import RunQuality, VariantQuality
from leaven.quality.utility_correlation import correlate_with_effects
from leaven.run_folder import RunFolder, compute_fingerprint

_HALF = 0.5  # progress of the evaluated epoch: schedules are more often 0 at the start and the end
NOBODY_UNSEEN = (
    "The synthetic rows were not evaluated: every user of this split is in the training rows (the default of "
    "leave-one-out), so there are no unseen real rows as a reference. To evaluate them, write "
    "control_share = 0.05 under [split]: 5 % of the users are then kept out of training."
)
_LISTED = 20  # copies in the facts of the run; the file of the variant has all


@dataclass(frozen=True, eq=False)
class QualityContext:
    """What the evaluation of all variants shares. config: None turns it off; recommender, seed, steps: as trained."""

    run: RunFolder
    data: PreparedData
    config: QualityConfig | None
    recommender: Model
    seed: int
    steps: int | None


def evaluate_variants(
    context: QualityContext, variants: Sequence[ExpandedVariant], on_progress: ProgressCallback
) -> RunQuality | None:
    """The quality of the rows of each variant; None where it is turned off. Each result is also written next to the
    rows."""
    if context.config is None:
        return None
    if context.data.unseen is None or not len(context.data.unseen):
        return RunQuality(skipped=NOBODY_UNSEEN)
    evaluator = _QualityEvaluator(context, context.config, on_progress)
    found = {one.variant.name: evaluator.evaluate(one) for one in variants if one.variant.plan.named_steps}
    known = {name: one for name, one in found.items() if one.facts is not None or one.skipped}
    return RunQuality(known, seconds=round(evaluator.seconds, 2))


def add_quality(facts: RunFacts, quality: RunQuality | None) -> RunFacts:
    """The facts with the quality of the variants' rows, the effect of each, and how well figures predicted it."""
    if quality is None or facts.comparison is None:
        return facts
    effects = {effect.variant: effect for effect in facts.comparison.effects}
    variants = {name: replace(one, effect=effects.get(name)) for name, one in quality.variants.items()}
    lifts = {name: effect.lift for name, effect in effects.items() if effect.lift is not None}
    prediction = correlate_with_effects(quality.measured, lifts) if variants else None
    whole = replace(quality, variants=variants, prediction=prediction)
    seconds = {**facts.cost.seconds, "quality": quality.seconds}
    return replace(facts, quality=whole.to_json(), cost=replace(facts.cost, seconds=seconds))


class _QualityEvaluator:
    """Evaluates variants; reference models are fitted on the real rows once, for the first variant that needs them.

    seconds  of all evaluations so far
    """

    def __init__(self, context: QualityContext, config: QualityConfig, on_progress: ProgressCallback) -> None:
        self.context, self.data, self.run, self.on_progress = context, context.data, context.run, on_progress
        self.config = config
        self.seconds = 0.0
        self.modality = find_modality(context.data.train)
        self.reference: ReferenceFit[Any] | None = None
        self.item_images: ItemImages | str | None = None

    def evaluate(self, expanded: ExpandedVariant) -> VariantQuality:
        """Quality of one variant, read from its file where it is done."""
        variant = expanded.variant
        target = self.run.variant_folder(variant.name) / QUALITY_FILE
        config, recommender = to_table(replace(self.config, gates=())), to_table(self.context.recommender)
        depends = compute_fingerprint(expanded.fingerprint, config, recommender, self.context.steps)
        with self.run.run_stage(f"quality {variant.name}", depends, [target]) as stage:
            if not stage.is_done:
                stage.facts = self._evaluate_rows(variant, expanded.rows.load()).to_json()
        self.seconds += stage.seconds
        found = from_json(VariantQuality, stage.facts, f"the quality of {variant.name}")
        if found.facts is None or variant.name == CONTROL or not self.config.gates:
            return found  # the control copies rows by design and has no gates
        return replace(found, facts=apply_gates(found.facts, self.config.gates))

    def _evaluate_rows(self, variant: Variant, once: Rows) -> VariantQuality:
        # rows that steps created or changed: before training, and in one epoch half-way through
        rows = build_epoch_rows(self.data.train, once, variant.plan, self.context.seed, 1)
        whole = rows(0, _HALF)
        new, seed = whole.take(np.flatnonzero(whole.origin != REAL_ORIGIN)), self.context.seed
        if not len(new):
            return self._write_result(variant, self._add_text_match(variant))
        try:
            known = EvaluationContext(self.data.catalog)
            inputs = read_inputs(self.data.train, self.data.unseen, new, self.modality.name, seed, known)
            config, progress = replace(self.config, gates=()), prefix_progress(self.on_progress, variant.name)
            found = evaluate_rows(inputs, self._fit_reference(inputs), config, seed, progress)
        except DataError as error:
            return VariantQuality(skipped=str(error))
        is_steered = variant.plan.controller is not None
        found = replace(found, setup=replace(found.setup, is_steered=is_steered))
        return self._write_result(variant, self._add_text_match(variant, found))

    def _write_result(self, variant: Variant, found: QualityFacts | None) -> VariantQuality:
        """Write the result next to the rows; the facts of the run list fewer copies."""
        if found is None:
            return VariantQuality()
        found.write(self.run.variant_folder(variant.name))
        return VariantQuality(found.limit_copies(_LISTED))

    def _add_text_match(self, variant: Variant, found: QualityFacts | None = None) -> QualityFacts | None:
        """The result with how well changed texts still match the images of their items."""
        if not list_item_steps(variant.plan) or METRIC not in (self.config.metrics or (METRIC,)):
            return found
        catalog, seed = self.data.catalog, self.context.seed
        match = self._measure_text_match(build_catalog_views(catalog, variant.plan, seed)(0, _HALF))
        whole = found or QualityFacts(self.modality.name, EvaluationSetup(seed, self.config.n_splits))
        if not isinstance(match, Figure):
            return replace(whole, skipped_metrics={**whole.skipped_metrics, METRIC: match})
        if found is None:
            rows = RowCounts(held_out=2 * match.n, new=2 * match.n)
            whole = replace(whole, setup=replace(whole.setup, compared=rows, rows=RowCounts(new=2 * match.n)))
        return replace(whole, figures=(*whole.figures, match))

    def _measure_text_match(self, shown: Catalog) -> Figure | str:
        """The metric of the items as a plan describes them; its model is fitted for the first variant that needs it."""
        if self.item_images is None:
            self.on_progress(0, 0, "quality of texts · fitting the image-text model")
            try:
                assert self.data.catalog is not None
                key = rng.derive_key(self.context.seed, "judge", "pictured")
                self.item_images = ItemImages.fit(self.data.catalog, key)
            except MissingExtra as missing:
                self.item_images = f"needs {missing.library}: {missing.fix}"
        if isinstance(self.item_images, str):
            return self.item_images
        return self.item_images.evaluate(shown, self.config.n_splits)

    def _fit_reference(self, inputs: QualityInputs[Any]) -> ReferenceFit[Any]:
        if self.reference is None:
            self.on_progress(0, 0, "quality of rows · fitting on real rows")
            key = rng.derive_key(self.context.seed, "judge")
            uses_recommender = "recommender" in self.modality.quality.context_fields
            known = EvaluationContext(recommender=self._load_baseline() if uses_recommender else None)
            max_rows = self.config.max_rows
            self.reference = fit_reference(self.modality, inputs.real, inputs.held_out, key, max_rows, known)
        return self.reference

    def _load_baseline(self) -> FittedRecommender:
        """The recommender that was trained on the real rows alone, with the first seed."""
        kind: Any = type(self.context.recommender)
        loaded: FittedRecommender = kind.load(self.run.training_folder(BASELINE, 1) / "model")
        return loaded
