"""Runs an experiment from a spec to a run folder: data, rows, trainings, comparison, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w

from leaven.augmentation import (
    Plan,
    PreviewedRow,
    RowPreviews,
    Step,
    preview_plan,
    preview_rows,
    write_expansion,
)
from leaven.augmentation.expansion import LazyRows, count_workers
from leaven.augmentation.plan import OperatorLike
from leaven.config import Spec, Variant, build_repeat, resolve_spec
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.errors import SpecError
from leaven.experiment import parallel_training, summary, tasks
from leaven.experiment.incremental_expansion import remove_variant_steps, reuse_variant_rows
from leaven.experiment.item_views import build_item_views, check_item_modalities, preview_item_steps
from leaven.experiment.preparation import prepare
from leaven.experiment.prepared_data import PreparationConfig, PreparedData
from leaven.experiment.synthetic_quality import QualityContext, add_quality, evaluate_variants
from leaven.experiment.trial import (
    ExpandedVariant,
    Trial,
    TrialContext,
    fingerprint_evaluation,
    fingerprint_rows,
    run_trial,
)
from leaven.facts import FACTS_FILE, GalleryFacts, JsonObject, Preview, RunFacts, VariantFacts, from_json, to_json
from leaven.progress import ProgressCallback, no_progress, prefix_progress
from leaven.protocols import Engine, Model
from leaven.registry import create_config
from leaven.report.html import write_report
from leaven.report.plan_diagram import build_plan_graph
from leaven.run_folder import (
    RECORDS_FILE,
    REPORT_FILE,
    VIEWS_FOLDER,
    RunFolder,
    create_run,
    write_json,
)
from leaven.tracking.background import RunTracking
from leaven.tracking.contract import RunStart, flatten_settings

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

    engine  creates the rows; any engine and any number of workers give the same bytes
    n_jobs  trainings in parallel, 0: one per core
    resume  continue in a folder where the same spec was interrupted; `evaluate.seeds` may grow

    Raises LeavenError for a spec or data that cannot be used; finished stages are kept, and a folder into which no data
    were read is removed. Raises GateError, once all is written, where the synthetic rows of a variant fail a gate.
    """
    _check_variants(spec)
    with RunTracking(spec.tracking) as tracking:
        with _start_workers(engine) as workers:
            with _remove_if_unread(out):
                folder = create_run(out, resume, resolve_spec(spec))
                data = prepare(spec, folder, on_progress)
            _record_spec(spec, folder, data)
            tracking.start(RunStart(spec.name, folder.path, flatten_settings(resolve_spec(spec))))
            folder = replace(folder, log_event=tracking.follow_log(folder.log_event))
            task, plans = tasks.of(spec.task), [variant.plan for variant in spec.variants]
            task.check_parts(data.split, spec.recommender, plans, spec.evaluate, spec.rules)
            expander = _VariantExpander(spec.recommender, spec.seed, data, folder, workers, on_progress)
            variants = _expand_all(expander, spec.variants, build_repeat(spec))

        bench = _build_trial_context(spec, folder, data)
        parallel_training.train_in_parallel(bench, variants, n_jobs, on_progress)
        trials = _run_trials(bench, variants, on_progress)
        context = QualityContext(folder, data, spec.quality, spec.recommender, spec.seed, spec.evaluate.steps)
        quality = evaluate_variants(context, variants, on_progress)

        on_progress(0, 0, "comparing")
        facts = summary.build_run_facts(spec.name, PreparationConfig.from_spec(spec), bench, variants, trials)
        summary.write_records(trials, task.list_users(data.split), folder.path / RECORDS_FILE)
        write_facts(folder, replace(add_quality(facts, quality), language=spec.lang))
        on_progress(1, 1, "comparing")
        tracking.finish(summary.summarize_run(facts, folder))
    if quality is not None:
        quality.raise_for_gates()
    return folder


def _build_trial_context(spec: Spec, folder: RunFolder, data: PreparedData) -> TrialContext:
    return TrialContext(
        folder,
        data,
        spec.task,
        spec.recommender,
        spec.evaluate,
        spec.seed,
        steps=spec.evaluate.steps or spec.recommender.steps(data.train),  # as many for every variant
        fingerprint=fingerprint_evaluation(data.fingerprint, spec.seed, spec.recommender, spec.evaluate),
    )


def write_facts(folder: RunFolder, facts: RunFacts) -> None:
    """Write the facts of a run, and its page."""
    write_json(folder.path / FACTS_FILE, facts.to_json())
    write_report(facts, folder.path / REPORT_FILE)


def _check_variants(spec: Spec) -> None:
    """Raises SpecError for a spec without variants, and for steps on items that the recommender does not read."""
    if not spec.variants:
        fix = 'add [[variant]] with name = "crop", and below it [[variant.step]] with use = "crop"'
        raise SpecError("variant", "a plan to compare with training on real rows alone", "no variant", fix)
    check_item_modalities(spec.recommender, spec.variants)


def _record_spec(spec: Spec, folder: RunFolder, data: PreparedData) -> None:
    folder.record_spec(tomli_w.dumps(resolve_spec(spec)), summary.build_lock(spec, data.fingerprint))


@contextmanager
def _remove_if_unread(out: Path) -> Iterator[None]:
    """Remove a folder that this run has created, where its data cannot be read."""
    is_new = not out.exists()
    try:
        yield
    except Exception:
        if is_new and out.is_dir():
            RunFolder(out).remove()
        raise


@dataclass(frozen=True, eq=False)
class _VariantExpander:
    """Writes the rows that variants create once."""

    recommender: Model
    seed: int
    data: PreparedData
    run: RunFolder
    engine: Engine | None
    on_progress: ProgressCallback

    def expand(self, variant: Variant) -> ExpandedVariant:
        """Write the rows of one variant; they stay in files until they are trained on."""
        fingerprint = fingerprint_rows(self.data.fingerprint, self.seed, variant.plan)
        folder = self.run.variant_folder(variant.name) / "expanded"
        with self.run.run_stage(f"rows {variant.name}", fingerprint, [folder]) as stage:
            if not stage.is_done:
                stage.facts = to_json(self._write_rows(variant, folder, stage.facts))
        facts = replace(from_json(VariantFacts, stage.facts, f"the rows of {variant.name}"), seconds=stage.seconds)
        return ExpandedVariant(variant, LazyRows(self.data.train, variant.plan, folder), fingerprint, facts)

    def _write_rows(self, variant: Variant, folder: Path, noted: JsonObject) -> VariantFacts:
        """Write rows and item views. noted: facts of a reduced plan, some of whose rows exist already."""
        train, plan = self.data.train, variant.plan
        # a few shards per worker: then the last one to end keeps the others waiting for a short while only
        shards = 1 if self.engine is None else 64 * count_workers(self.engine)
        progress = prefix_progress(self.on_progress, variant.name)
        expansion = write_expansion(train, plan, folder, self.seed, self.engine, shards, progress)
        facts = from_json(VariantFacts, noted, "the note of a reduced plan") if noted else VariantFacts(variant.name)
        previews: Sequence[Preview] = facts.previews or preview_plan(plan, train, PREVIEWS, self.seed, expansion.fitted)
        steps, galleries = {step.index: step for step in expansion.steps}, tuple[GalleryFacts, ...]()
        views_folder = self.run.variant_folder(variant.name) / VIEWS_FOLDER
        views = build_item_views(self.recommender, self.seed, plan, self.data.catalog, 0, views_folder)
        if views is not None:
            views.write_files(views_folder)
            steps |= {step.index: step for step in views.describe_steps()}
            galleries = tuple(views.sample_views())
        added = [step.synthetic for step in expansion.steps if step.mode == "append" and not step.modality]
        return replace(
            facts,
            combine=plan.combine,
            real_rows=len(train),
            synthetic_rows=sum(added),
            steps=tuple(steps.values()),
            previews=tuple(previews),
            galleries=galleries,
            plan=build_plan_graph(plan),
        )


def _expand_all(expander: _VariantExpander, variants: Sequence[Variant], repeat: OperatorLike) -> list[ExpandedVariant]:
    """Baseline, control and variants. repeat: operator of the control, whose size follows from the largest variant."""
    train = expander.data.train
    baseline = ExpandedVariant(
        Variant(BASELINE), LazyRows(train, Plan()), expander.data.fingerprint, VariantFacts(BASELINE)
    )
    expanded = [expander.expand(variant) for variant in variants]
    largest = max((variant.facts.synthetic_rows for variant in expanded), default=0)
    # where plans only change rows, the control doubles the real ones
    copies = create_config("strategies", "to_total", {"total": len(train) + (largest or len(train))})
    control = expander.expand(Variant(CONTROL, Plan([Step(repeat, copies=copies)])))
    return [baseline, control, *expanded]


def _run_trials(bench: TrialContext, variants: Sequence[ExpandedVariant], on_progress: ProgressCallback) -> list[Trial]:
    """All variants of a seed before the next seed, so that an interrupted run leaves whole pairs."""
    seeds, trials = bench.evaluate.seeds, list[Trial]()
    for seed in range(1, seeds + 1):
        for variant in variants:
            phase = f"{variant.variant.name}, seed {seed} ({len(trials) + 1} of {len(variants) * seeds})"
            trials.append(run_trial(bench, variant, seed, prefix_progress(on_progress, phase)))
    return trials


def _start_workers(engine: Engine | None) -> AbstractContextManager[Engine | None]:
    """An engine for all variants, whose workers start while the data are read."""
    return nullcontext() if engine is None else engine.start_workers("leaven.augmentation.expansion")


@dataclass(frozen=True)
class RunOutline:
    """What `run` would do: the resolved spec, names of the variants, numbers of trainings and pilots."""

    spec: JsonObject
    variants: tuple[str, ...]
    trainings: int
    pilots: int


def describe_run(spec: Spec) -> RunOutline:
    """What `run` would do.

    Raises SpecError as `run` does, before any data are read.
    """
    _check_variants(spec)
    variants = (BASELINE, CONTROL, *(variant.name for variant in spec.variants))
    shares = {variant.plan.controller.pilot_share for variant in spec.variants if variant.plan.controller is not None}
    seeds = spec.evaluate.seeds
    return RunOutline(resolve_spec(spec), variants, len(variants) * seeds, len(shares - {0.0}) * seeds)


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
             steps' rows are created again; the bytes are those of a plan that never had the steps

    Raises SpecError for an unknown variant or step.
    """
    reduced = remove_variant_steps(spec, name, without) if without else spec
    variant = reduced.variant(name)  # an unknown name ends the call before a folder exists
    with _start_workers(engine) as workers:
        with _remove_if_unread(out):
            folder = create_run(out, resume or bool(without), None if without else resolve_spec(spec))
            data = prepare(reduced, folder, on_progress)
        if without:
            reuse_variant_rows(folder, reduced, name, data)
        _record_spec(reduced, folder, data)
        expander = _VariantExpander(reduced.recommender, reduced.seed, data, folder, workers, on_progress)
        expanded = expander.expand(variant)
    facts = RunFacts(reduced.name, seed=reduced.seed, data=data.facts, variants=(expanded.facts,))
    write_json(folder.path / FACTS_FILE, facts.to_json())
    return folder


def preview_variants(
    spec: Spec, name: str | None, rows: int, scratch: Path, on_progress: ProgressCallback = no_progress
) -> Mapping[str, RowPreviews]:
    """Name of a variant -> before and after on some of the user's own rows. scratch: an empty folder for the split."""
    variants = [spec.variant(name)] if name else list(spec.variants)
    data = prepare(spec, RunFolder(scratch), on_progress)
    shown: dict[str, RowPreviews] = {}
    for variant in variants:
        views = build_item_views(spec.recommender, spec.seed, variant.plan, data.catalog, 0, scratch / VIEWS_FOLDER)
        previews = preview_rows(variant.plan, data.train, rows, spec.seed)
        on_items = map(PreviewedRow.from_facts, preview_item_steps(views, rows))
        shown[variant.name] = RowPreviews((*previews, *on_items))
    return shown
