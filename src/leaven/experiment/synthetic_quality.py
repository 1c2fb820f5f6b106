"""Quality of the synthetic rows of each variant, and how well quality predicts what helped.

Rows are compared with the control users' complete rows (`get_unseen_rows`): no transform, generator, filter, encoder,
recommender or CTR model was fitted on them. (A controller observes the recommender's loss on them.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import build_catalog_views, build_epoch_rows, list_item_steps
from leaven.config import Spec, Variant
from leaven.config.build import to_table
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.ctr_features import SampleSplit
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import REAL_ORIGIN, Histories
from leaven.datasets.samples import Samples
from leaven.errors import DataError, GateError, MissingExtra
from leaven.experiment.preparation import Prepared
from leaven.experiment.trial import ExpandedVariant
from leaven.modalities import find_modality
from leaven.modalities.modality import QualityInputs
from leaven.protocols import FittedRecommender, ProgressCallback
from leaven.quality import EvaluationContext, Figure, QualityConfig, QualityFacts
from leaven.quality.evaluate import evaluate_rows
from leaven.quality.image_text_consistency import METRIC, ItemImages
from leaven.quality.loading import read_inputs
from leaven.quality.quality_config import apply_gates
from leaven.quality.quality_facts import QUALITY_FILE, EvaluationSetup, RowCounts
from leaven.quality.reference_fit import ReferenceFit, fit_reference
from leaven.quality.utility_correlation import correlate_with_effects
from leaven.run_folder import RunFolder, compute_fingerprint
from leaven.splits.log_splits import Split

_HALF = 0.5  # progress of the evaluated epoch: schedules are more often 0 at the start and the end
NOBODY_UNSEEN = (
    "The synthetic rows were not evaluated: every user of this split is in the training rows (the default of "
    "leave-one-out), so there are no unseen real rows as a reference. To evaluate them, write "
    "control_share = 0.05 under [split]: 5 % of the users are then kept out of training."
)
_LISTED = 20  # copies in the facts of the run; the file of the variant has all


def evaluate_variants(
    spec: Spec, prepared: Prepared, run: RunFolder, variants: Sequence[ExpandedVariant], on_progress: ProgressCallback
) -> dict[str, Any]:
    """The part `judging` of a run's facts, {} where it is turned off. Each result is also written next to the rows.

    Keys: arms (name -> result, JSON-able, or the reason why there is none), skipped (why nothing was evaluated),
    seconds.
    """
    if spec.quality is None:
        return {}
    unseen = get_unseen_rows(prepared.split)
    if unseen is None or not len(unseen):
        return {"skipped": NOBODY_UNSEEN}
    evaluator = _QualityEvaluator(spec, prepared, run, on_progress)
    found = {one.variant.name: evaluator.evaluate(one) for one in variants if one.variant.plan.named_steps}
    seconds = round(sum(one.pop("seconds", 0.0) for one in found.values()), 2)
    return {"arms": {name: one for name, one in found.items() if one}, "seconds": seconds}


def get_unseen_rows(parts: Split | SampleSplit) -> Histories | Samples | None:
    """Complete rows of the control users; None where there are none."""
    return parts.control_histories if isinstance(parts, Split) else parts.control


def add_effects(judging: Mapping[str, Any], effects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The quality with the effect of each variant, and how well metrics of quality predicted it."""
    if "arms" not in judging:
        return dict(judging)
    useful = {
        one["arm"]: {key: one.get(key) for key in ("metric", "lift", "low", "high", "verdict")} for one in effects
    }
    variants = {name: one | {"useful": useful.get(name)} for name, one in judging["arms"].items()}
    qualities = {name: QualityFacts.from_json(one) for name, one in variants.items() if one.get("figures")}
    lifts = {one["arm"]: float(one["lift"]) for one in effects if one.get("lift") is not None}
    return {**judging, "arms": variants, "prediction": correlate_with_effects(qualities, lifts).to_json()}


def check_gates(judging: Mapping[str, Any]) -> None:
    """Raises GateError where a variant of the spec failed a gate."""
    failed = [
        f"{name}, {gate['gate']}: {gate['reason'] or format(gate['value'], '.4g')}"
        for name, one in judging.get("arms", {}).items()
        for gate in one.get("gates", ())
        if not gate["passed"]
    ]
    if failed:
        fix = "the run is complete, and its report shows why; make better rows, or loosen the gate"
        raise GateError("quality.gates", "all passed", "; ".join(failed), fix)


class _QualityEvaluator:
    """Evaluates variants; reference models are fitted on the real rows once, for the first variant that needs them."""

    def __init__(self, spec: Spec, prepared: Prepared, run: RunFolder, on_progress: ProgressCallback) -> None:
        assert spec.quality is not None
        self.spec, self.prepared, self.run, self.on_progress = spec, prepared, run, on_progress
        self.config: QualityConfig = spec.quality
        self.modality = find_modality(prepared.split.train)
        self.reference: ReferenceFit | None = None
        self.pictured: ItemImages | str | None = None

    def evaluate(self, expanded: ExpandedVariant) -> dict[str, Any]:
        """Quality of one variant, read from its file where it is done."""
        variant = expanded.variant
        target = self.run.variant_folder(variant.name) / QUALITY_FILE
        config = to_table(replace(self.config, gates=()))
        depends = compute_fingerprint(
            expanded.fingerprint, config, to_table(self.spec.recommender), self.spec.evaluate.steps
        )
        with self.run.run_stage(f"judge {variant.name}", depends, [target]) as stage:
            if not stage.is_done:
                stage.facts = self._evaluate_rows(variant, expanded.rows.load())
        return self._apply_gates(variant.name, stage.facts) | ({"seconds": stage.seconds} if stage.facts else {})

    def _apply_gates(self, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """The result with the gates of the spec; the control copies rows by design and has none."""
        if name == CONTROL or not self.config.gates or not found:
            return dict(found)
        if "figures" not in found:
            return dict(found)
        return apply_gates(QualityFacts.from_json(found), self.config.gates).to_json()

    def _evaluate_rows(self, variant: Variant, once: Any) -> dict[str, Any]:
        new = self._select_synthetic(variant, once)
        if not len(new):
            return self._write_result(variant, self._add_text_match(variant))
        train, unseen = self.prepared.split.train, get_unseen_rows(self.prepared.split)
        try:
            inputs = read_inputs(
                train,
                unseen,
                new,
                self.modality.name,
                self.spec.seed,
                EvaluationContext(getattr(train, "catalog", None)),
            )
            found = evaluate_rows(
                inputs,
                self._fit_reference(inputs),
                replace(self.config, gates=()),
                self.spec.seed,
                lambda done, total, words: self.on_progress(done, total, f"{variant.name}: {words}"),
            )
        except DataError as error:
            return {"skipped": str(error)}
        is_steered = variant.plan.controller is not None
        found = replace(found, setup=replace(found.setup, is_steered=is_steered))
        return self._write_result(variant, self._add_text_match(variant, found))

    def _write_result(self, variant: Variant, found: QualityFacts | None) -> dict[str, Any]:
        """Write the result next to the rows, and return it as facts; {} where there is none."""
        if found is None:
            return {}
        found.write(self.run.variant_folder(variant.name))
        return found.limit_copies(_LISTED).to_json()

    def _add_text_match(self, variant: Variant, found: QualityFacts | None = None) -> QualityFacts | None:
        """The result with how well changed texts still match the images of their items."""
        if not list_item_steps(variant.plan) or METRIC not in (self.config.metrics or (METRIC,)):
            return found
        catalog, seed = self.prepared.split.train.catalog, self.spec.seed
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
        if self.pictured is None:
            self.on_progress(0, 0, "quality of texts · fitting the image-text model")
            try:
                key = rng.derive_key(self.spec.seed, "judge", "pictured")
                self.pictured = ItemImages.fit(self.prepared.split.train.catalog, key)
            except MissingExtra as missing:
                self.pictured = f"needs {missing.library}: {missing.fix}"
        return self.pictured if isinstance(self.pictured, str) else self.pictured.evaluate(shown, self.config.n_splits)

    def _select_synthetic(self, variant: Variant, once: Any) -> Any:
        """Rows that steps made or changed: before training, and in one epoch half-way through."""
        rows = build_epoch_rows(self.prepared.split.train, once, variant.plan, self.spec.seed, 1)
        whole = rows(0, _HALF)
        return whole.take(np.flatnonzero(whole.origin != REAL_ORIGIN))

    def _fit_reference(self, inputs: QualityInputs[Any]) -> ReferenceFit:
        if self.reference is None:
            self.on_progress(0, 0, "quality of rows · fitting on real rows")
            key = rng.derive_key(self.spec.seed, "judge")
            uses_recommender = "recommender" in self.modality.quality.context_fields
            known = EvaluationContext(recommender=self._load_baseline() if uses_recommender else None)
            self.reference = fit_reference(
                self.modality, inputs.real, inputs.held_out, key, self.config.max_rows, known
            )
        return self.reference

    def _load_baseline(self) -> FittedRecommender:
        """The recommender that was trained on the real rows alone, with the first seed."""
        kind: Any = type(self.spec.recommender)
        loaded: FittedRecommender = kind.load(self.run.training_folder(BASELINE, 1) / "model")
        return loaded
