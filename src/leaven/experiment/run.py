"""Runs an experiment from a spec to a run folder: data, rows, trainings, comparison, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from leaven.augmentation import Plan, Step, preview_plan, write_expansion
from leaven.augmentation.expansion import LazyRows, count_workers
from leaven.config import Spec, Variant, build_repeat, resolve_spec
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment import facts as summary
from leaven.experiment import parallel_training, tasks
from leaven.experiment.incremental_expansion import remove_variant_steps, reuse_variant_rows
from leaven.experiment.item_views import check_item_modalities, preview_item_steps, write_item_views
from leaven.experiment.preparation import Prepared, prepare
from leaven.experiment.synthetic_quality import check_gates, evaluate_variants
from leaven.experiment.trial import (
    ExpandedVariant,
    Trial,
    TrialContext,
    fingerprint_rows,
    list_evaluation_tables,
    run_trial,
)
from leaven.progress import ProgressCallback, no_progress, prefix_progress
from leaven.protocols import Engine
from leaven.registry import create_config
from leaven.report.html import write_report as write_page
from leaven.run_folder import (
    FACTS_FILE,
    LOCK_FILE,
    RECORDS_FILE,
    REPORT_FILE,
    SPEC_FILE,
    VIEWS_FOLDER,
    RunFolder,
    compute_fingerprint,
    create_run,
    write_json,
    write_text,
)

PREVIEWS = 10
"""Pairs of rows before and after that the report shows of a variant."""


def run(
    spec: Spec,
    out: Path,
    resume: bool = False,
    engine: Engine | None = None,
    on_progress: ProgressCallback = no_progress,
    n_jobs: int = 1,
) -> RunFolder:
    """Run the whole experiment: train every variant with every seed, compare them and write the report.

    engine  makes the rows; any engine and any number of workers give the same bytes
    n_jobs  trainings in parallel, 0: one per core
    resume  go on in a folder where the same spec was interrupted

    Raises LeavenError for a spec or data that cannot be used; finished stages are kept. Raises GateError, once all is
    written, where the synthetic rows of a variant fail a gate of the spec.
    """
    check_item_modalities(spec.recommender, spec.variants)
    folder = create_run(out, resume)
    write_text(folder.path / SPEC_FILE, tomli_w.dumps(resolve_spec(spec)))

    with _start_workers(engine) as workers:
        prepared = prepare(spec, folder, on_progress)
        write_json(folder.path / LOCK_FILE, summary.build_lock(spec, prepared.fingerprint))
        tasks.of(spec).check_parts(spec, prepared.split)
        variants = _expand_all(
            spec, _VariantExpander(spec.recommender, spec.seed, prepared, folder, workers, on_progress)
        )

    bench = _build_context(spec, prepared, folder)
    parallel_training.train_in_parallel(bench, variants, n_jobs, on_progress)
    trials = _run_trials(bench, variants, on_progress)
    quality = evaluate_variants(spec, prepared, folder, variants, on_progress)

    on_progress(0, 0, "comparing")
    facts = summary.build_facts(spec, prepared, folder, [variant.facts for variant in variants], trials)
    facts = summary.add_quality(facts, quality)
    summary.write_records(trials, tasks.of(spec).list_users(prepared.split), folder.path / RECORDS_FILE)
    write_json(folder.path / FACTS_FILE, facts)
    write_page(folder.path / FACTS_FILE, folder.path / REPORT_FILE)
    on_progress(1, 1, "comparing")
    check_gates(facts.get("judging", {}))
    return folder


@dataclass(frozen=True, eq=False)
class _VariantExpander:
    """Writes the rows that variants make once."""

    recommender: Any
    seed: int
    prepared: Prepared
    run: RunFolder
    engine: Engine | None
    on_progress: ProgressCallback

    def expand(self, variant: Variant) -> ExpandedVariant:
        """Write the rows of one variant; they stay in files until they are trained on."""
        train, plan = self.prepared.split.train, variant.plan
        catalog = getattr(train, "catalog", None)  # labelled rows have none
        mark = fingerprint_rows(self.prepared.fingerprint, self.seed, plan)
        folder, views_folder = (
            self.run.variant_folder(variant.name) / "expanded",
            self.run.variant_folder(variant.name) / VIEWS_FOLDER,
        )
        with self.run.run_stage(f"rows {variant.name}", mark, [folder]) as stage:
            if not stage.is_done:
                # a few shards per worker: then the last one to end keeps the others waiting for a short while only
                shards = 1 if self.engine is None else 64 * count_workers(self.engine)
                expansion = write_expansion(
                    train, plan, folder, self.seed, self.engine, shards, prefix_progress(self.on_progress, variant.name)
                )
                stage.facts |= {"steps": list(expansion.steps)}
                if not stage.facts.get("previews"):  # rows remade without a step have some already
                    shown = preview_plan(plan, train, PREVIEWS, self.seed, expansion.fitted)
                    stage.facts |= {"previews": [pair.as_dict() for pair in shown]}
                stage.facts |= write_item_views(self.recommender, self.seed, plan, catalog, views_folder, stage.facts)
        added = sum(int(step["made"]) for step in stage.facts["steps"] if step["mode"] == "append" and "on" not in step)
        fact = {"name": variant.name, "combine": plan.combine, "rows_real": len(train), "rows_new": added}
        return ExpandedVariant(
            variant, LazyRows(train, plan, folder), mark, fact | stage.facts | {"seconds": stage.seconds}
        )


def _expand_all(spec: Spec, expander: _VariantExpander) -> list[ExpandedVariant]:
    """Baseline, control and the variants of the spec. The size of the control follows from the largest variant."""
    train = expander.prepared.split.train
    baseline = ExpandedVariant(
        Variant(BASELINE), LazyRows(train, Plan()), expander.prepared.fingerprint, {"name": BASELINE}
    )
    variants = [expander.expand(variant) for variant in spec.variants]
    largest = max((int(variant.facts["rows_new"]) for variant in variants), default=0)
    # where plans only change rows, the control doubles the real ones
    copies = create_config("strategies", "to_total", {"total": len(train) + (largest or len(train))})
    control = expander.expand(Variant(CONTROL, Plan([Step(build_repeat(spec), copies=copies)])))
    return [baseline, control, *variants]


def _run_trials(bench: TrialContext, variants: Sequence[ExpandedVariant], on_progress: ProgressCallback) -> list[Trial]:
    """All variants of a seed before the next seed, so that an interrupted run leaves whole pairs."""
    seeds, trials = bench.spec.evaluate.seeds, list[Trial]()
    for seed in range(1, seeds + 1):
        for variant in variants:
            words = f"{variant.variant.name}, seed {seed} ({len(trials) + 1} of {len(variants) * seeds})"
            trials.append(run_trial(bench, variant, seed, prefix_progress(on_progress, words)))
    return trials


def _start_workers(engine: Engine | None) -> AbstractContextManager[Engine | None]:
    """An engine for all variants, whose workers start while the data are read."""
    return nullcontext() if engine is None else engine.start_workers("leaven.augmentation.expansion")


def _build_context(spec: Spec, prepared: Prepared, run: RunFolder) -> TrialContext:
    """Every variant takes as many optimizer steps as the recommender would on the real rows."""
    steps = spec.evaluate.steps or spec.recommender.steps(prepared.split.train)
    return TrialContext(
        spec, run, prepared.split, steps, compute_fingerprint(prepared.fingerprint, list_evaluation_tables(spec))
    )


def describe_run(spec: Spec) -> dict[str, Any]:
    """What `run` would do: the resolved spec, names of variants, numbers of trainings and pilots."""
    variants = [BASELINE, CONTROL, *(variant.name for variant in spec.variants)]
    shares = {
        variant.plan.controller.pilot_share for variant in spec.variants if variant.plan.controller is not None
    } - {0.0}
    trained = {"trainings": len(variants) * spec.evaluate.seeds, "pilots": len(shares) * spec.evaluate.seeds}
    return {"spec": resolve_spec(spec), "arms": variants, **trained}


def expand_variant(
    spec: Spec,
    name: str,
    out: Path,
    resume: bool = False,
    engine: Engine | None = None,
    on_progress: ProgressCallback = no_progress,
    without: Sequence[str] = (),
) -> RunFolder:
    """Write only the data: the split, and the real and synthetic rows of one variant as Parquet with lineage.

    without  steps to leave out. Where the folder holds the variant's rows already, only rows of steps that read these
             steps' rows are made again; the bytes are those of a plan that never had the steps

    Raises SpecError for an unknown variant or step.
    """
    reduced = remove_variant_steps(spec, name, without) if without else spec
    variant = reduced.variant(name)  # an unknown name ends the call before a folder exists
    folder = create_run(out, resume or bool(without))
    with _start_workers(engine) as workers:
        prepared = prepare(reduced, folder, on_progress)
        if without:
            reuse_variant_rows(folder, reduced, name, prepared)
        write_text(folder.path / SPEC_FILE, tomli_w.dumps(resolve_spec(reduced)))
        write_json(folder.path / LOCK_FILE, summary.build_lock(reduced, prepared.fingerprint))
        expander = _VariantExpander(reduced.recommender, reduced.seed, prepared, folder, workers, on_progress)
        expanded = expander.expand(variant)
    write_json(folder.path / FACTS_FILE, {"name": reduced.name, "data": prepared.facts, "arms": [expanded.facts]})
    return folder


def preview_variants(
    spec: Spec, name: str | None, rows: int, scratch: Path, on_progress: ProgressCallback = no_progress
) -> Mapping[str, Any]:
    """Name of a variant -> before and after on some of the user's own rows. scratch: an empty folder for the split."""
    variants = [spec.variant(name)] if name else list(spec.variants)
    prepared = prepare(spec, RunFolder(scratch), on_progress)
    train = prepared.split.train
    catalog = getattr(train, "catalog", None)
    return {
        variant.name: [pair.as_dict() for pair in preview_plan(variant.plan, train, rows, spec.seed)]
        + preview_item_steps(spec.recommender, spec.seed, variant.plan, catalog, rows, scratch / VIEWS_FOLDER)
        for variant in variants
    }
