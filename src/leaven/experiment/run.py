"""Runs an experiment from a spec to a run folder: data, rows, trainings, comparison, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from leaven.augmentation import Plan, Step, preview, write
from leaven.augmentation.expansion import LazyRows, workers_of
from leaven.config import Arm, Spec, repeat_of, resolved
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment import facts as summary
from leaven.experiment import parallel_training, tasks
from leaven.experiment.incremental_expansion import lessened, take_over_rows
from leaven.experiment.item_views import before_after, check_readers, written
from leaven.experiment.preparation import Prepared, prepare
from leaven.experiment.synthetic_quality import judge_arms, refuse
from leaven.experiment.trial import Bench, Expanded, Trial, judged_by, rows_follow, trial
from leaven.progress import Tell, quiet, within
from leaven.protocols import Engine
from leaven.registry import made
from leaven.report.html import write as write_page
from leaven.run_folder import (
    FACTS,
    LOCK,
    RECORDS,
    REPORT,
    SPEC,
    VIEWS,
    Run,
    create,
    fingerprint,
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
    tell: Tell = quiet,
    at_once: int = 1,
) -> Run:
    """Run the whole experiment: train every variant with every seed, compare them and write the report.

    engine   makes the rows; any engine and any number of workers give the same bytes
    at_once  trainings in parallel, 0: one per core
    resume   go on in a folder where the same spec was interrupted

    Raises LeavenError for a spec or data that cannot be used; finished stages are kept. Raises GateError, once all is
    written, where the synthetic rows of a variant fail a gate of the spec.
    """
    check_readers(spec.recommender, spec.arms)
    folder = create(out, resume)
    write_text(folder.folder / SPEC, tomli_w.dumps(resolved(spec)))

    with _start_workers(engine) as workers:
        prepared = prepare(spec, folder, tell)
        write_json(folder.folder / LOCK, summary.lock(spec, prepared.fingerprint))
        tasks.of(spec).check_parts(spec, prepared.split)
        arms = _expand_all(spec, _VariantExpander(spec.recommender, spec.seed, prepared, folder, workers, tell))

    bench = _build_context(spec, prepared, folder)
    parallel_training.train(bench, arms, at_once, tell)
    trials = _run_trials(bench, arms, tell)
    quality = judge_arms(spec, prepared, folder, arms, tell)

    tell(0, 0, "comparing")
    facts = summary.facts(spec, prepared, folder, [arm.fact for arm in arms], trials)
    facts = summary.judged(facts, quality)
    summary.write_records(trials, tasks.of(spec).list_users(prepared.split), folder.folder / RECORDS)
    write_json(folder.folder / FACTS, facts)
    write_page(folder.folder / FACTS, folder.folder / REPORT)
    tell(1, 1, "comparing")
    refuse(facts.get("judging", {}))
    return folder


@dataclass(frozen=True, eq=False)
class _VariantExpander:
    """Writes the rows that variants make once."""

    recommender: Any
    seed: int
    prepared: Prepared
    run: Run
    engine: Engine | None
    on_progress: Tell

    def expand(self, arm: Arm) -> Expanded:
        """Write the rows of one variant; they stay in files until they are trained on."""
        train, plan = self.prepared.split.train, arm.plan
        catalog = getattr(train, "catalog", None)  # labelled rows have none
        mark = rows_follow(self.prepared.fingerprint, self.seed, plan)
        folder, views_folder = self.run.arm(arm.name) / "expanded", self.run.arm(arm.name) / VIEWS
        with self.run.stage(f"rows {arm.name}", mark, [folder]) as stage:
            if not stage.done:
                # a few shards per worker: then the last one to end keeps the others waiting for a short while only
                shards = 1 if self.engine is None else 64 * workers_of(self.engine)
                expansion = write(
                    train, plan, folder, self.seed, self.engine, shards, within(self.on_progress, arm.name)
                )
                stage.facts |= {"steps": list(expansion.steps)}
                if not stage.facts.get("previews"):  # rows remade without a step have some already
                    shown = preview(plan, train, PREVIEWS, self.seed, expansion.fitted)
                    stage.facts |= {"previews": [pair.as_dict() for pair in shown]}
                stage.facts |= written(self.recommender, self.seed, plan, catalog, views_folder, stage.facts)
        added = sum(int(step["made"]) for step in stage.facts["steps"] if step["mode"] == "add" and "on" not in step)
        fact = {"name": arm.name, "combine": plan.combine, "rows_real": len(train), "rows_new": added}
        return Expanded(arm, LazyRows(train, plan, folder), mark, fact | stage.facts | {"seconds": stage.seconds})


def _expand_all(spec: Spec, expander: _VariantExpander) -> list[Expanded]:
    """Baseline, control and the variants of the spec. The size of the control follows from the largest variant."""
    train = expander.prepared.split.train
    baseline = Expanded(Arm(BASELINE), LazyRows(train, Plan()), expander.prepared.fingerprint, {"name": BASELINE})
    arms = [expander.expand(arm) for arm in spec.arms]
    largest = max((int(arm.fact["rows_new"]) for arm in arms), default=0)
    # where plans only change rows, the control doubles the real ones
    copies = made("strategies", "to_total", {"total": len(train) + (largest or len(train))})
    control = expander.expand(Arm(CONTROL, Plan([Step(repeat_of(spec), copies=copies)])))
    return [baseline, control, *arms]


def _run_trials(bench: Bench, arms: Sequence[Expanded], tell: Tell) -> list[Trial]:
    """All variants of a seed before the next seed, so that an interrupted run leaves whole pairs."""
    seeds, trials = bench.spec.evaluate.seeds, list[Trial]()
    for seed in range(1, seeds + 1):
        for arm in arms:
            words = f"{arm.arm.name}, seed {seed} ({len(trials) + 1} of {len(arms) * seeds})"
            trials.append(trial(bench, arm, seed, within(tell, words)))
    return trials


def _start_workers(engine: Engine | None) -> AbstractContextManager[Engine | None]:
    """An engine for all variants, whose workers start while the data are read."""
    return nullcontext() if engine is None else engine.opened("leaven.augmentation.expansion")


def _build_context(spec: Spec, prepared: Prepared, run: Run) -> Bench:
    """Every variant takes as many optimizer steps as the recommender would on the real rows."""
    steps = spec.evaluate.steps or spec.recommender.steps(prepared.split.train)
    return Bench(spec, run, prepared.split, steps, fingerprint(prepared.fingerprint, judged_by(spec)))


def outline(spec: Spec) -> dict[str, Any]:
    """What `run` would do: the resolved spec, names of variants, numbers of trainings and pilots."""
    arms = [BASELINE, CONTROL, *(arm.name for arm in spec.arms)]
    shares = {arm.plan.controller.pilot_share for arm in spec.arms if arm.plan.controller is not None} - {0.0}
    trained = {"trainings": len(arms) * spec.evaluate.seeds, "pilots": len(shares) * spec.evaluate.seeds}
    return {"spec": resolved(spec), "arms": arms, **trained}


def expand_arm(
    spec: Spec,
    name: str,
    out: Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    without: Sequence[str] = (),
) -> Run:
    """Write only the data: the split, and the real and synthetic rows of one variant as Parquet with lineage.

    without  steps to leave out. Where the folder holds the variant's rows already, only rows of steps that read these
             steps' rows are made again; the bytes are those of a plan that never had the steps

    Raises SpecError for an unknown variant or step.
    """
    reduced = lessened(spec, name, without) if without else spec
    folder = create(out, resume or bool(without))
    with _start_workers(engine) as workers:
        prepared = prepare(reduced, folder, tell)
        if without:
            take_over_rows(folder, reduced, name, prepared)
        write_text(folder.folder / SPEC, tomli_w.dumps(resolved(reduced)))
        write_json(folder.folder / LOCK, summary.lock(reduced, prepared.fingerprint))
        expander = _VariantExpander(reduced.recommender, reduced.seed, prepared, folder, workers, tell)
        expanded = expander.expand(reduced.arm(name))
    write_json(folder.folder / FACTS, {"name": reduced.name, "data": prepared.facts, "arms": [expanded.fact]})
    return folder


def preview_arms(spec: Spec, name: str | None, rows: int, scratch: Path, tell: Tell = quiet) -> Mapping[str, Any]:
    """Name of a variant -> before and after on some of the user's own rows. scratch: an empty folder for the split."""
    arms = [spec.arm(name)] if name else list(spec.arms)
    prepared = prepare(spec, Run(scratch), tell)
    train = prepared.split.train
    catalog = getattr(train, "catalog", None)
    return {
        arm.name: [pair.as_dict() for pair in preview(arm.plan, train, rows, spec.seed)]
        + before_after(spec.recommender, spec.seed, arm.plan, catalog, rows, scratch / VIEWS)
        for arm in arms
    }
